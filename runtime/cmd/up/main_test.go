package main

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCommandLine(t *testing.T) {
	for _, args := range [][]string{{"--won"}, {"--port", "70000"}, {"--port", "x"}, {"--pay-within", "soon"},
		{"--pay-within", "10ms"}, {"--pay-within", "-5s"}, {"--components", "no-such-set"}, {"--set", "no-such-set"}, {"--data", ""}, {"extra"}} {
		cmd := command(&terminal{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}})
		cmd.SetArgs(args)
		err := cmd.Execute()
		require.Error(t, err, args)
		assert.NotContains(t, oneLine(err), "\n")
	}
	var out bytes.Buffer
	cmd := command(&terminal{stdout: &out, stderr: &out})
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"--help"})
	require.NoError(t, cmd.Execute())
	for _, flag := range []string{"--one", "--set", "--data", "--port", "--fresh", "--pay-within"} {
		assert.Contains(t, out.String(), flag)
	}
}

func TestFindSet(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "components", "redis", "state.yaml"), "x")
	set, err := findSet(root, "redis")
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(root, "components", "redis"), set)
	set, err = findSet("/nowhere", filepath.Join(root, "components", "redis"))
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(root, "components", "redis"), set)
	_, err = findSet(root, "kafka")
	require.ErrorContains(t, err, "there are: redis")
	_, err = findSet(root, "")
	require.ErrorContains(t, err, "--set is empty")
	short := t.TempDir() + "/"
	write(t, filepath.Join(short, "state.yml"), "x")
	_, err = findSet(root, short)
	require.NoError(t, err)
	_, err = findSet(root, t.TempDir()+"/")
	require.ErrorContains(t, err, "no .yaml file")
}

func TestRuns(t *testing.T) {
	assert.Equal(t, "every service", runs([]string{"x", "serve", "--services=all"}))
	assert.Equal(t, "order", runs([]string{"x", "--services=order"}))
	assert.Equal(t, "-", runs(nil))
}

func TestStatusOffATerminalIsALineNowAndThen(t *testing.T) {
	var out bytes.Buffer
	term := &terminal{stdout: &out, stderr: &out}
	term.status("building a")
	term.status("building b")
	term.line("built")
	assert.Equal(t, "building a\nbuilt\n", out.String())
	assert.Equal(t, "x", term.red("x"), "no colour off a terminal")

	out.Reset()
	live := &terminal{stdout: &out, stderr: &out, live: true, colour: true, widthC: 10}
	live.status("0123456789abc")
	live.line("done")
	assert.Equal(t, "\r\x1b[K012345678\r\x1b[Kdone\n", out.String())
	assert.Contains(t, live.red("x"), "\x1b[31m")
	live.last = time.Now()
	assert.Equal(t, "a b", oneLine(errors.New("a\n  b")))
}
