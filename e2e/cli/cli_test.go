package cli

import (
	"context"
	"errors"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
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
