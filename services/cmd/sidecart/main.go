package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sidecart/sidecart/services/sandbox"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitNotYet  = 3 // broker status: the answer is no
)

// version is set by the linker (-X main.version=…); without it the module's build information says what it knows.
var version = ""

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second Ctrl-C ends the program at once. A second SIGTERM does not: whoever supervises the program may send both.
	context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt) })
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main with everything that it touches given to it.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	started := false // before it, whatever is wrong is wrong with the command line
	root := &cobra.Command{
		Use:               "sidecart",
		Short:             "A small company's shop backend, run as Dapr apps",
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		PersistentPreRun:  func(*cobra.Command, []string) { started = true },
	}
	root.AddCommand(serveCommand(getenv), componentsCommand(getenv), brokerCommand(getenv), dataCommand(getenv), gatewayCommand(getenv), sandbox.Command(), keysCommand(), tokenCommand(), versionCommand())
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	asked, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if errors.Is(err, errNotYet) {
		return exitNotYet // it has been said, with reasons
	}
	_, _ = fmt.Fprintln(stderr, "sidecart:", err)
	if !started {
		_, _ = fmt.Fprintf(stderr, "See %s --help.\n", asked.CommandPath())
	}
	_, misconfigured := errors.AsType[*configError](err)
	_, misused := errors.AsType[*usageError](err)
	if misconfigured || misused || !started {
		return exitUsage
	}
	return exitFailure
}

// usageError marks what is wrong with the command line but is only found while the command runs.
type usageError struct{ error }

// Unwrap gives the complaint.
func (e *usageError) Unwrap() error { return e.error }

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "sidecart", versionText())
			return err
		},
	}
}

// versionText is the version, the commit, or both, as far as the build knows them.
func versionText() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return cmp.Or(version, "unknown")
	}
	for _, s := range info.Settings {
		if s.Key != "vcs.revision" {
			continue
		}
		if version == "" {
			return "commit " + s.Value
		}
		return version + ", commit " + s.Value
	}
	return cmp.Or(version, info.Main.Version)
}
