package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/conformance"
	"github.com/sidecart/sidecart/services/conformance/probe"
	"github.com/sidecart/sidecart/services/kit/sidecar/sidecartest"
)

const (
	inMemory = "../../conformance/probe/testdata/in-memory"
	embedded = "../../../components/embedded"
)

func TestComponentsCommandsSayHowTheyAreUsed(t *testing.T) {
	for _, args := range [][]string{{"components"}, {"components", "--help"}, {"components", "check", "--help"}, {"components", "test", "--help"}} {
		code, out, stderr := command(nil, args...)
		assert.Equal(t, exitOK, code, "%s", args)
		assert.Contains(t, out, "Usage:")
		assert.Empty(t, stderr)
	}
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"no such command":    {[]string{"components", "chek"}, "See sidecart components --help."},
		"check without DIR":  {[]string{"components", "check"}, "such as components/redis"},
		"check nowhere":      {[]string{"components", "check", nowhere}, nowhere},
		"check what is none": {[]string{"components", "check", t.TempDir()}, "no .yaml file"},
		"test without DIR":   {[]string{"components", "test"}, "See sidecart components test --help."},
		"test what is none":  {[]string{"components", "test", t.TempDir()}, "no .yaml file"},
		"test two sets":      {[]string{"components", "test", inMemory, inMemory}, "there are 2 arguments"},
		"test nowhere":       {[]string{"components", "test", nowhere}, nowhere},
		"test a file":        {[]string{"components", "test", "doc.go"}, "is not a folder"},
		"test with no daprd": {[]string{"components", "test", inMemory, "--daprd", nowhere}, nowhere},
		"test one thing":     {[]string{"components", "test", inMemory, "--only", "mail"}, `"mail" is none of all, store, broker`},
		"test on no topic":   {[]string{"components", "test", inMemory, "--topic="}, "--topic is empty"},
	} {
		code, out, stderr := command(nil, tc.args...)
		assert.Equal(t, exitUsage, code, name)
		assert.Contains(t, stderr, tc.want, name)
		assert.Empty(t, out, name)
	}
}

func TestCheckRefusesAnUnsafeSetByNameAndPassesASoundOne(t *testing.T) {
	code, out, stderr := command(nil, "components", "check", inMemory)
	assert.Equal(t, exitFailure, code)
	for _, want := range []string{"state.yaml\n", "state.in-memory", "pubsub.in-memory", "     7  error    state spec.type: ", "errors, 0 warnings"} {
		assert.Contains(t, out, want)
	}
	assert.Contains(t, stderr, "errors to mend")
	assert.NotContains(t, out, "\x1b", "colour is for terminals")

	code, out, stderr = command(nil, "components", "check", embedded)
	assert.Equal(t, exitOK, code)
	assert.Equal(t, embedded+": nothing to mend\n", out)
	assert.Empty(t, stderr)
}

func TestCheckAnswersProgramsInJSON(t *testing.T) {
	var answer struct {
		Set      string    `json:"set"`
		Errors   int       `json:"errors"`
		Warnings int       `json:"warnings"`
		Findings []finding `json:"findings"`
	}
	code, out, _ := command(nil, "components", "check", inMemory, "--json")
	assert.Equal(t, exitFailure, code)
	require.NoError(t, json.Unmarshal([]byte(out), &answer))
	assert.Equal(t, inMemory, answer.Set)
	assert.Len(t, answer.Findings, answer.Errors+answer.Warnings)
	assert.True(t, slices.ContainsFunc(answer.Findings, func(f finding) bool {
		return f.File == filepath.Join(inMemory, "state.yaml") && f.Line == 7 && f.Severity == "error" && f.Component == "state" && f.Field == "spec.type"
	}), out)
	code, out, _ = command(nil, "components", "check", embedded, "--json")
	assert.Equal(t, exitOK, code)
	assert.Contains(t, out, `"findings": []`)
}

func TestTheStoreIsRestartedByTheUsersCommand(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "restarted")
	require.NoError(t, restartBy("touch "+mark)(t.Context()))
	assert.FileExists(t, mark)
	err := restartBy("echo first; echo no such service >&2; exit 3")(t.Context())
	assert.ErrorContains(t, err, "exit status 3: no such service")
}

func TestColourIsForTerminals(t *testing.T) {
	c := newConsole(&bytes.Buffer{}, &bytes.Buffer{}, func(string) string { return "" })
	assert.Equal(t, "x", c.paint(bad, "x"))
	c.colour = true
	assert.Equal(t, "\x1b[31mx\x1b[0m", c.paint(bad, "x"))
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a character device, as a terminal is
	require.NoError(t, err)
	defer func() { _ = null.Close() }()
	for name, value := range map[string]string{"NO_COLOR": "1", "TERM": "dumb"} {
		c = newConsole(null, null, func(asked string) string { return map[string]string{name: value}[asked] })
		assert.False(t, c.colour, name)
	}
}

func TestALiveLineMakesPlaceForResults(t *testing.T) {
	var out, err bytes.Buffer
	c := newConsole(&out, &err, func(string) string { return "" })
	c.live = true
	c.status("trying")
	c.line("done")
	c.clear()
	assert.Equal(t, "done\n", out.String())
	assert.Equal(t, "\r\x1b[Ktrying\r\x1b[K", err.String())
}

func TestVerdictsAreToldInWordsAndInJSON(t *testing.T) {
	property := conformance.Property{Name: "create-race", Asks: "one wins", Breaks: "stock is sold twice", Severity: conformance.Unsafe}
	v := conformance.Verdict{
		Results: []conformance.Result{{Property: property, Outcome: conformance.Failed, Detail: "two won", Took: 12 * time.Millisecond}},
		Pace:    conformance.Pace{Callers: 8, ValueBytes: 4096, PerSecond: 1000, P50: 7 * time.Millisecond},
	}
	var out, err bytes.Buffer
	c := newConsole(&out, &err, func(string) string { return "" })
	showResult(c, v.Results[0])
	showVerdict(c, inMemory, v)
	assert.Contains(t, out.String(), "create-race                 fail      12 ms  two won\n")
	assert.Contains(t, out.String(), "NOT safe")
	assert.Contains(t, out.String(), "create-race (unsafe): two won. Stock is sold twice.")
	assert.Contains(t, out.String(), "sidecart is not safe on state.in-memory", "what check says of it")
	out.Reset()
	require.NoError(t, writeJSON(c, testAnswer("x", v)))
	for _, want := range []string{`"verdict": "unsafe"`, `"outcome": "fail"`, `"took_ms": 12`, `"creates_per_second": 1000`, `"p50_ms": 7`} {
		assert.Contains(t, out.String(), want)
	}
}

// built is the binary as people run it, and the daprd that it is to find.
func built(t *testing.T) (bin, daprd string) {
	t.Helper()
	daprd = sidecartest.Binary(t)
	bin = filepath.Join(t.TempDir(), "sidecart")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".")
	build.Env = append(os.Environ(), "GOWORK=off")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return bin, daprd
}

// runBinary gives the exit code and the output of both streams.
func runBinary(t *testing.T, cmd *exec.Cmd) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, failed := errors.AsType[*exec.ExitError](err); failed {
		return exit.ExitCode(), out.String(), errs.String()
	}
	require.NoError(t, err)
	return 0, out.String(), errs.String()
}

func TestTheBinaryTestsSets(t *testing.T) {
	bin, daprd := built(t)
	const within = 5 * time.Minute
	run := func(name string, test func(t *testing.T, ctx context.Context)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it is waiting for a broker that brings nothing
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			test(t, ctx)
		})
	}
	run("an unsafe one", func(t *testing.T, ctx context.Context) {
		code, out, stderr := runBinary(t, exec.CommandContext(ctx, bin, "components", "check", inMemory))
		assert.Equal(t, exitFailure, code, stderr)
		assert.Contains(t, out, "sidecart is not safe on state.in-memory")
		code, out, stderr = runBinary(t, exec.CommandContext(ctx, bin, "components", "test", inMemory, "--daprd", daprd))
		assert.Equal(t, exitFailure, code, stderr)
		assert.Regexp(t, `(?m)^one-store +fail`, out)
		assert.Regexp(t, `(?m)^broker-delivers +fail`, out)
		assert.Contains(t, out, "sidecart is NOT safe on this set. Do not run a shop on it.")
		assert.Contains(t, out, "take state.postgresql")
		assert.Contains(t, stderr, "is not safe")
	})
	run("the store that is shipped", func(t *testing.T, ctx context.Context) {
		cmd := exec.CommandContext(ctx, bin, "components", "test", embedded, "--only", "store", "--json", "--daprd", daprd)
		cmd.Env = append(os.Environ(), "SIDECART_STATE_DSN="+filepath.Join(t.TempDir(), "state.db"))
		code, out, stderr := runBinary(t, cmd)
		assert.Equal(t, exitOK, code, stderr)
		var answer struct {
			Verdict string   `json:"verdict"`
			Results []result `json:"results"`
		}
		require.NoError(t, json.Unmarshal([]byte(out), &answer, json.RejectUnknownMembers(false)))
		assert.NotEqual(t, "unsafe", answer.Verdict)
		var names []string
		for _, r := range answer.Results {
			names = append(names, r.Name)
		}
		assert.Equal(t, planned(probe.Config{Store: true}), names, "progress names what comes next")
		assert.True(t, slices.ContainsFunc(answer.Results, func(r result) bool { return r.Name == "create-race" && r.Outcome == "pass" }))
	})
	run("one that cannot be reached", func(t *testing.T, ctx context.Context) {
		cmd := exec.CommandContext(ctx, bin, "components", "test", embedded, "--only", "store", "--daprd", daprd)
		cmd.Env = append(os.Environ(), "SIDECART_STATE_DSN="+filepath.Join(t.TempDir(), "not", "there.db"))
		code, out, stderr := runBinary(t, cmd)
		assert.Equal(t, exitFailure, code)
		assert.Empty(t, out)
		assert.Contains(t, stderr, "unable to open database file")
		assert.Contains(t, stderr, "The set was not tested.")
	})
	run("ended by Ctrl-C", func(t *testing.T, ctx context.Context) {
		cmd := exec.CommandContext(ctx, bin, "components", "test", inMemory, "--daprd", daprd)
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGKILL) }
		var errs bytes.Buffer
		seen := &firstLine{line: make(chan struct{})}
		cmd.Stdout, cmd.Stderr = seen, &errs
		require.NoError(t, cmd.Start())
		select {
		case <-seen.line:
		case <-ctx.Done():
			require.Fail(t, "no result within five minutes")
		}
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		exit, failed := errors.AsType[*exec.ExitError](cmd.Wait())
		require.True(t, failed)
		assert.Equal(t, exitFailure, exit.ExitCode())
		assert.Contains(t, errs.String(), "ended before the verdict")
	})
}

// firstLine tells when something was written.
type firstLine struct {
	line chan struct{}
	once bool
}

func (f *firstLine) Write(p []byte) (int, error) {
	if !f.once && strings.Contains(string(p), "\n") {
		f.once = true
		close(f.line)
	}
	return len(p), nil
}
