package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/harness"
)

// TestUpRefuses: what scripts/up cannot do, it says in one line, with a non-zero exit and nothing left running.
func TestUpRefuses(t *testing.T) {
	harness.SkipIfShort(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	takenPort := fmt.Sprint(taken.Addr().(*net.TCPAddr).Port)
	foreign := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(foreign, "thesis.txt"), []byte("mine"), 0o600))
	broken := t.TempDir()
	sets, err := filepath.Glob(filepath.Join(harness.Root(), "components", "embedded", "*.yaml"))
	require.NoError(t, err)
	for _, f := range sets {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		b = []byte(strings.ReplaceAll(string(b), "state.sqlite", "state.sqlight"))
		require.NoError(t, os.WriteFile(filepath.Join(broken, filepath.Base(f)), b, 0o600))
	}
	for _, c := range []struct {
		name string
		args []string
		says string
	}{
		{"a taken port", []string{"--one", "--port", takenPort}, takenPort},
		{"an unknown flag", []string{"--won"}, "--won"},
		{"an unknown component set", []string{"--one", "--components", "no-such-set"}, "no-such-set"},
		{"a component that does not start", []string{"--one", "--port", "0", "--components", broken}, "state.sqlight"},
		{"a folder that is not ours", []string{"--one", "--port", "0", "--fresh", "--data", foreign}, foreign},
		{"a bad duration", []string{"--one", "--pay-within", "soon"}, "soon"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := c.args
			if !strings.Contains(strings.Join(args, " "), "--data") {
				args = append(args, "--data", filepath.Join(t.TempDir(), "shop"))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, filepath.Join(harness.Root(), "scripts", "up"), args...)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			err := cmd.Run()
			require.Error(t, err)
			require.NoError(t, ctx.Err(), "it did not end by itself")
			assert.Contains(t, stderr.String(), c.says)
			last := strings.TrimSpace(stderr.String())
			t.Logf("exit %d: %s", cmd.ProcessState.ExitCode(), last[strings.LastIndex(last, "\n")+1:])
		})
	}
	_, err = os.Stat(filepath.Join(foreign, "thesis.txt"))
	assert.NoError(t, err, "scripts/up --fresh wiped a folder that is not its own")
}

// TestUpThroughALink: a script that somebody linked into a folder of their PATH is still the one of its repository.
func TestUpThroughALink(t *testing.T) {
	harness.SkipIfShort(t)
	link := filepath.Join(t.TempDir(), "shop")
	require.NoError(t, os.Symlink(filepath.Join(harness.Root(), "scripts", "up"), link))
	cmd := exec.CommandContext(t.Context(), link, "--help")
	cmd.Dir = filepath.Dir(link)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "--one")
}
