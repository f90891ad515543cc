package mutants

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// mutant is one broken variant.
type mutant struct {
	name  string
	why   string // what a shop would suffer from it
	file  string // relative to the module
	edits []edit
	suite string // the package whose tests must notice, relative to the module
	run   string // the tests that must notice: the narrowest that do
	needs string // a file without which they are skipped, relative to the module; usually none
}

// edit replaces a text that stands in the file exactly once.
type edit struct{ old, new string }

// outcome is what became of a mutant. Only caught is good.
type outcome string

const (
	caught   outcome = "caught"
	survived outcome = "survived: no test of the suite noticed"
	stale    outcome = "stale: its text is not in the file exactly once"
	unbuilt  outcome = "does not compile"
	untested outcome = "no test of the suite has this name"
	tooSlow  outcome = "took too long"
	crashed  outcome = "ended without a test having failed"
)

// verdict is an outcome with its evidence.
type verdict struct {
	outcome outcome
	test    string // the first that failed
	took    time.Duration
	detail  string
}

// bench builds and runs mutants of one module.
type bench struct {
	module      string // its folder
	buildWithin time.Duration
	runWithin   time.Duration
}

// try builds the suite with the mutant in it and runs it. dir is for what it writes.
func (b bench) try(ctx context.Context, dir string, m mutant) verdict {
	began := time.Now()
	v := b.judge(ctx, dir, m)
	v.took = time.Since(began)
	return v
}

func (b bench) judge(ctx context.Context, dir string, m mutant) verdict {
	overlay, err := b.overlay(dir, m)
	if err != nil {
		return verdict{outcome: stale, detail: err.Error()}
	}
	binary := filepath.Join(dir, "suite.test")
	// No symbols: the linker is half of the time. No vet: it is about style, and a mutant has none.
	build := command{dir: b.module, within: b.buildWithin, args: []string{
		"go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, "./" + m.suite}}
	out, err := build.do(ctx)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return verdict{outcome: tooSlow, detail: "building: " + out}
	case err != nil:
		return verdict{outcome: unbuilt, detail: out}
	}
	run := command{dir: filepath.Join(b.module, m.suite), within: b.runWithin, args: []string{
		binary, "-test.run", m.run, "-test.count=1", "-test.failfast"}}
	out, err = run.do(ctx)
	return read(out, err)
}

// overlay writes the variant and the file that tells the compiler to use it.
func (b bench) overlay(dir string, m mutant) (string, error) {
	file := filepath.Join(b.module, m.file)
	source, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	text := string(source)
	for _, e := range m.edits {
		if n := strings.Count(text, e.old); n != 1 {
			return "", fmt.Errorf("found %d times in %s:\n%s", n, m.file, e.old)
		}
		text = strings.Replace(text, e.old, e.new, 1)
	}
	variant := filepath.Join(dir, "variant.go")
	if err := os.WriteFile(variant, []byte(text), 0o600); err != nil {
		return "", err
	}
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {file: variant}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, replace, 0o600)
}

var firstFailure = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)

// read tells what the output of a suite means. A process that ended without naming a test proves nothing: it may
// have died of anything.
func read(out string, err error) verdict {
	failed := firstFailure.FindStringSubmatch(out)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return verdict{outcome: tooSlow, detail: out}
	case err != nil && failed != nil:
		return verdict{outcome: caught, test: failed[1], detail: out}
	case err != nil:
		return verdict{outcome: crashed, detail: out}
	case strings.Contains(out, "no tests to run"):
		return verdict{outcome: untested, detail: out}
	}
	return verdict{outcome: survived, detail: out}
}

// command is a process with a time limit.
type command struct {
	dir    string
	within time.Duration
	args   []string
}

func (c command) do(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.within)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir = c.dir
	cmd.WaitDelay = 5 * time.Second // of a child that keeps the output open
	// More cases than usual, so that no mutant survives by luck; no time for shrinking and no files left behind.
	cmd.Env = append(os.Environ(), "GOWORK=off", "RAPID_CHECKS=500", "RAPID_SHRINKTIME=1ms", "RAPID_NOFAILFILE=true")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return tail(out.String()), err
}

// tail bounds what is kept of an output, but keeps the line that names the first failure.
func tail(out string) string {
	const maxOutputBytes = 8 << 10
	if len(out) <= maxOutputBytes {
		return out
	}
	return firstFailure.FindString(out) + "\n…\n" + out[len(out)-maxOutputBytes:]
}

// moduleDir is the folder of this module.
func moduleDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
