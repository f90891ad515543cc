// Package cli is what the programs of e2e/cmd share: how they take flags, how a signal ends them and how they exit.
//
// Exit codes: 0 done, or only help was asked for; 1 the work failed or was interrupted; 2 the flags were wrong, and
// nothing was done. Errors go to standard error behind the program's name.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Flags is an empty set of flags for the program scripts/NAME, whose --help begins with about.
func Flags(name, about string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprintf(f.Output(), "%s\n\nUsage: scripts/%s [flags]\n", about, name)
		f.PrintDefaults()
	}
	return f
}

// Parse reads args, of which each must be a flag or its value.
func Parse(f *flag.FlagSet, args []string) error {
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unknown argument %q; see --help", f.Arg(0))
	}
	return nil
}

// Main runs the program and exits. run's context ends at SIGINT and SIGTERM; a second one ends the program at once, and with it, on Linux,
// the processes that it has started.
func Main[C any](name string, parse func(args []string) (C, error), run func(context.Context, C) error) {
	os.Exit(exitCode(name, parse, run, os.Args[1:]))
}

func exitCode[C any](name string, parse func(args []string) (C, error), run func(context.Context, C) error, args []string) int {
	config, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // what signals do by default is back after the first
	if err := run(ctx, config); err != nil {
		if ctx.Err() != nil && err.Error() == context.Canceled.Error() {
			err = errors.New("interrupted")
		}
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
	return 0
}
