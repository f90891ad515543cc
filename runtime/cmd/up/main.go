// Command up builds what is missing and runs the whole shop on this machine until Ctrl-C or SIGTERM. scripts/up calls it.
//
// Out: on standard output a table of what runs and then the line "ready http://127.0.0.1:PORT"; progress, deaths and
// restarts on standard error. What cannot be done is one line on standard error and exit code 1 (2 for a wrong command line).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// options are the command line.
type options struct {
	root         string
	one          bool
	components   string // as given; after check the set's folder
	set          string // the set's name
	data         string
	port         int
	fresh        bool
	payWithin    time.Duration
	buildOnly    bool
	buildCluster bool
}

func main() {
	ctx, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// After the first signal the default is back: a second Ctrl-C ends this process at once, and the kernel its children.
	context.AfterFunc(ctx, release)
	out := newTerminal(os.Stdout, os.Stderr)
	err := command(out).ExecuteContext(ctx)
	out.clear()
	switch {
	case err == nil:
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, out.red("up: "+oneLine(err)))
		var usage usageError
		if errors.As(err, &usage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

type usageError struct{ error }

func command(out *terminal) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "scripts/up",
		Short: "Builds what is missing and runs the whole shop on this machine",
		Long: `Builds what is missing and runs the whole shop on this machine: every service beside its own Dapr sidecar,
the store and the broker of the component set, and stand-ins for the payment provider, mail and SMS. It prints a table of
what runs and then "ready http://127.0.0.1:PORT". Ctrl-C stops everything. Only the gateway's port is meant for you; all
listen on 127.0.0.1 alone.

A set's servers (redis, postgres, ...) are private ones, run from this machine's packages with their data in the data folder.
A variable that the set reads, such as SIDECART_REDIS_HOST, names a server of your own instead.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.data == "" && cmd.Flags().Changed("data") {
				// Most likely a variable that is not set; the default folder may hold what --fresh must not wipe.
				return usageError{errors.New("--data is empty: want a folder")}
			}
			if err := o.check(); err != nil {
				return usageError{err}
			}
			return up(cmd.Context(), &o, out)
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	cmd.CompletionOptions.DisableDefaultCmd = true
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&o.one, "one", false, "run every service in one process beside one sidecar")
	f.StringVar(&o.components, "set", "embedded", "component set: a folder's name below components/, or a folder")
	f.StringVar(&o.components, "components", "embedded", "")
	_ = f.MarkHidden("components") // what --set was called before
	f.StringVar(&o.data, "data", os.Getenv("SIDECART_DATA"), "folder for data and logs (default .data, or $SIDECART_DATA)")
	f.Lookup("data").DefValue = ""
	f.IntVar(&o.port, "port", 8080, "port of the gateway on 127.0.0.1; 0 for any free one")
	f.BoolVar(&o.fresh, "fresh", false, "begin with empty data: wipes the data folder")
	f.DurationVar(&o.payWithin, "pay-within", 0, "cancel an order not paid within this time, such as 30s (default 15m)")
	f.Lookup("pay-within").DefValue = "0s"
	f.BoolVar(&o.buildOnly, "build", false, "build what is missing and stop")
	f.BoolVar(&o.buildCluster, "build-cluster", false, "as --build, and a Kubernetes control plane for scripts/test --k8s")
	f.StringVar(&o.root, "root", "", "the repository's folder")
	_ = f.MarkHidden("root")
	return cmd
}

func (o *options) check() error {
	if o.port < 0 || o.port > 65535 {
		return fmt.Errorf("--port %d: want 0 to 65535", o.port)
	}
	if o.payWithin < 0 || o.payWithin > 0 && o.payWithin < time.Second {
		return fmt.Errorf("--pay-within %s: want at least 1s", o.payWithin)
	}
	if o.root == "" {
		root, err := findRoot()
		if err != nil {
			return err
		}
		o.root = root
	}
	if o.data == "" {
		o.data = filepath.Join(o.root, ".data")
	}
	set, err := findSet(o.root, o.components)
	o.components, o.set = set, filepath.Base(set)
	return err
}

// findRoot is the repository that this program was built in (ROOT/.bin/up), else the one around the working directory.
func findRoot() (string, error) {
	var starts []string
	if exe, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(exe))
	}
	if wd, err := os.Getwd(); err == nil {
		starts = append(starts, wd)
	}
	for _, dir := range starts {
		for {
			if _, err := os.Stat(filepath.Join(dir, "dapr-config", "one.yaml")); err == nil {
				return dir, nil
			}
			parent := filepath.Dir(dir)
			if parent == dir {
				break
			}
			dir = parent
		}
	}
	return "", errors.New("not inside the sidecart repository: no dapr-config/one.yaml here or above")
}

// findSet finds a component set: a folder's name below components/, or a path.
func findSet(root, name string) (string, error) {
	if name == "" {
		return "", errors.New("--set is empty: want a name or a folder")
	}
	for _, dir := range []string{filepath.Join(root, "components", name), name} {
		if strings.Contains(name, "/") && dir != name {
			continue
		}
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			continue
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.y*ml")) // Dapr reads .yaml and .yml
		if err != nil || len(files) == 0 {
			return "", fmt.Errorf("--set %s: no .yaml file in %s", name, dir)
		}
		return filepath.Abs(dir)
	}
	var known []string
	sets, _ := filepath.Glob(filepath.Join(root, "components", "*"))
	for _, s := range sets {
		known = append(known, filepath.Base(s))
	}
	return "", fmt.Errorf("--set %s: no such set (there are: %s) and no such folder", name, strings.Join(known, ", "))
}

// oneLine folds an error into a single line.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
