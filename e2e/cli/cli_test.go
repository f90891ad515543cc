package cli

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExitCodes(t *testing.T) {
	parse := func(args []string) (n int, err error) {
		f := Flags("test", "Tests.")
		f.IntVar(&n, "n", 0, "the exit code that is wanted")
		return n, Parse(f, args)
	}
	ran := false
	run := func(_ context.Context, n int) error {
		ran = true
		if n != 0 {
			return errors.New("it failed")
		}
		return nil
	}
	for _, c := range []struct {
		args []string
		code int
		runs bool
	}{
		{nil, 0, true}, {[]string{"--n", "1"}, 1, true}, {[]string{"--help"}, 0, false}, {[]string{"--unknown"}, 2, false}, {[]string{"more"}, 2, false},
	} {
		ran = false
		assert.Equal(t, c.code, exitCode("test", parse, run, c.args), c.args)
		assert.Equal(t, c.runs, ran, c.args)
	}
}

func TestASignalEndsTheWork(t *testing.T) {
	parse := func([]string) (int, error) { return 0, nil }
	code := exitCode("test", parse, func(ctx context.Context, _ int) error {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}, nil)
	assert.Equal(t, 1, code)
}

// stubborn is set for a process that is this test's program again, whose work goes on after the first signal.
const stubborn = "CLI_STUBBORN"

func TestMain(m *testing.M) {
	if os.Getenv(stubborn) == "" {
		os.Exit(m.Run())
	}
	Main("test", func([]string) (int, error) { return 0, nil }, func(ctx context.Context, _ int) error {
		_, _ = os.Stdout.WriteString("working\n")
		<-ctx.Done()
		select {}
	})
}

func TestASecondSignalEndsTheProgram(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), stubborn+"=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "working\n", line)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	// The first one is taken; from then on, in a moment, one is enough.
	require.Eventually(t, func() bool {
		_ = cmd.Process.Signal(os.Interrupt) // it may be gone
		return len(ended) > 0
	}, 30*time.Second, 20*time.Millisecond)
	exit, ok := errors.AsType[*exec.ExitError](<-ended)
	require.True(t, ok)
	status, ok := exit.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	assert.Equal(t, syscall.SIGINT, status.Signal())
}

func TestNobodyWatchesAFileOrNothing(t *testing.T) {
	for _, path := range []string{os.DevNull, filepath.Join(t.TempDir(), "file")} {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		live, colour := Terminal(f)
		assert.False(t, live || colour, path)
		require.NoError(t, f.Close())
	}
}
