package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/sidecart/sidecart/services/account"
	"github.com/sidecart/sidecart/services/datacopy"
	"github.com/sidecart/sidecart/services/inventory"
	"github.com/sidecart/sidecart/services/kit/sidecar"
	"github.com/sidecart/sidecart/services/kit/sidecar/daprd"
	"github.com/sidecart/sidecart/services/notify"
	"github.com/sidecart/sidecart/services/order"
	"github.com/sidecart/sidecart/services/payment"
)

// Prefixes of variables that are for one of the two sidecars only.
const (
	fromPrefix = "FROM_"
	toPrefix   = "TO_"
)

// copied is every service that has data.
func copied() []datacopy.Service {
	orders, notifications := order.Layout(), notify.Layout()
	return []datacopy.Service{
		{Name: inventory.Name, Account: inventory.Account},
		{Name: order.Name, Account: order.Account, Archive: &orders},
		{Name: payment.Name, Account: payment.Account},
		{Name: notify.Name, Account: notify.Account, Archive: &notifications},
		{Name: account.Name, Account: account.Account},
	}
}

func dataCommand(getenv func(string) string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "data",
		Short:   "Move a shop's data to another component set",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Example: "  sidecart data copy --from components/embedded --to components/redis --dry-run",
	}
	cmd.AddCommand(copyCommand(getenv))
	return cmd
}

// copyOptions is what the command line says.
type copyOptions struct {
	from, to, daprd, report string
	services                []string
	dryRun, undo, lost      bool
}

func copyCommand(getenv func(string) string) *cobra.Command {
	var o copyOptions
	cmd := &cobra.Command{
		Use:   "copy --from SET --to SET",
		Short: "Move a shop to another store while it sells, with a short pause",
		Long: "Copy the journals, snapshots, archived orders and lists of a shop to the store of another component set, while it\n" +
			"sells. When little is left, close the source (the shop answers 503 with Retry-After from then on), copy the rest, load and\n" +
			"compare both stores, and open the target. Then start the shop with the other set: one that was started before waits for\n" +
			"this moment. The target must be empty. The source stays as it is, but for one last segment in each shard.\n\n" +
			"A run that ends anywhere can be repeated and goes on from there. --undo gives a copy up and opens the source again, as\n" +
			"long as the target is not open. --dry-run writes no key; a store may make its table when a sidecar first connects.\n\n" +
			"Both sets find their servers by SIDECART_* of this environment. A variable that begins with " + fromPrefix + " or " + toPrefix + " is, without\n" +
			"that, for one of them alone: " + toPrefix + "SIDECART_POSTGRES_DSN.\n\n" +
			"Exit code: 0 the target is open (or: the plan is shown, the source is open again), 1 not, 2 wrong use.",
		Example: "  sidecart data copy --from components/embedded --to components/redis --dry-run\n" +
			"  sidecart data copy --from components/embedded --to components/redis --report move.json\n" +
			"  sidecart data copy --from components/embedded --to components/redis --undo",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			services, err := o.check()
			if err != nil {
				return &usageError{err}
			}
			program, err := daprd.Find(o.daprd)
			if err != nil {
				return &usageError{err}
			}
			con := newConsole(cmd.OutOrStdout(), cmd.ErrOrStderr(), getenv)
			defer con.clear()
			return o.run(cmd.Context(), con, program, services)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "folder of the component set that the shop runs on; required")
	f.StringVar(&o.to, "to", "", "folder of the component set that it moves to; required")
	f.StringSliceVar(&o.services, "services", []string{"all"}, "all, or names separated by commas")
	f.BoolVar(&o.dryRun, "dry-run", false, "only say what would be copied")
	f.BoolVar(&o.undo, "undo", false, "give a copy up and open the source again")
	f.BoolVar(&o.lost, "target-lost", false, "with --undo: open the source without asking the target. Only if nothing runs on it and nothing will")
	f.StringVar(&o.report, "report", "", "write what was done to this file, as JSON")
	f.StringVar(&o.daprd, "daprd", "", "the daprd to run (default: the one beside this program, in .bin, or on the PATH)")
	return cmd
}

// check says what is wrong with the options, and which services they name.
func (o *copyOptions) check() ([]datacopy.Service, error) {
	switch {
	case o.from == "":
		return nil, errors.New("--from is missing: the folder of the component set that the shop runs on, such as components/embedded")
	case o.to == "":
		return nil, errors.New("--to is missing: the folder of the component set that it moves to, such as components/redis")
	case o.dryRun && o.undo:
		return nil, errors.New("--dry-run and --undo exclude each other")
	case o.lost && !o.undo:
		return nil, errors.New("--target-lost goes with --undo only")
	case o.dryRun && o.report != "":
		return nil, errors.New("--report goes with a copy, not with --dry-run")
	}
	if err := isFolder(o.from); err != nil {
		return nil, fmt.Errorf("--from: %w", err)
	}
	if err := isFolder(o.to); err != nil {
		return nil, fmt.Errorf("--to: %w", err)
	}
	all := copied()
	if slices.Equal(o.services, []string{"all"}) {
		return all, nil
	}
	var chosen []datacopy.Service
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
		if slices.Contains(o.services, s.Name) {
			chosen = append(chosen, s)
		}
	}
	for _, name := range o.services {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("--services: %q has no data; there are %s", name, strings.Join(names, ", "))
		}
	}
	return chosen, nil
}

// run starts a sidecar on each set and does what is asked.
func (o *copyOptions) run(ctx context.Context, con *console, program string, services []datacopy.Service) error {
	report, err := o.openReport()
	if err != nil {
		return &usageError{err}
	}
	defer report.close()
	progress := watch(con)
	end := sync.OnceFunc(func() { progress.end(); con.clear() }) // before any result is shown
	defer end()
	progress.doing("starting a sidecar on " + o.from)
	source, err := startOn(ctx, program, o.from, "sidecart-copy-from", fromPrefix)
	if err != nil {
		return err
	}
	defer source.Stop()
	cfg := datacopy.Config{From: o.from, To: o.to, Services: services, Progress: func(p datacopy.Progress) {
		progress.still(fmt.Sprintf("%s: %s and %s copied", p.Phase, count(int(p.Segments), "segment"), count(int(p.Views), "archived order")))
	}}
	var target sidecar.State = lostTarget{}
	if !o.lost {
		progress.doing("starting a sidecar on " + o.to)
		process, err := startOn(ctx, program, o.to, "sidecart-copy-to", toPrefix)
		if err != nil {
			return err
		}
		defer process.Stop()
		target = process
	}
	c, err := datacopy.New(cfg, source, target)
	if err != nil {
		return err
	}
	switch {
	case o.dryRun:
		progress.doing("looking at both stores")
		return o.showPlan(ctx, con, c, end)
	case o.undo:
		progress.doing("opening the source")
		return o.undoCopy(ctx, con, c, end)
	}
	progress.doing("looking at both stores")
	done, err := c.Run(ctx)
	end()
	if err == nil {
		o.showReport(con, done)
	} else {
		err = o.explain(err, done)
	}
	return errors.Join(err, report.write(done))
}

// startOn starts a sidecar with nothing but the set's store.
func startOn(ctx context.Context, program, set, appID, prefix string) (*daprd.Process, error) {
	return daprd.Start(ctx, daprd.Config{
		Binary: program, Set: set, Only: []string{sidecar.StateStore}, AppID: appID, Environ: environFor(os.Environ(), prefix),
	})
}

// environFor is an environment in which the variables that begin with prefix stand in the place of those without it.
func environFor(environ []string, prefix string) []string {
	own := []string{}
	for _, entry := range environ {
		if name, ok := strings.CutPrefix(entry, prefix); ok {
			own = append(own, name)
		}
	}
	return append(slices.Clone(environ), own...) // of two with a name the later one counts
}

// reportFile is where the report goes; with a nil file it goes nowhere.
type reportFile struct{ file *os.File }

// openReport makes the file before anything is copied: afterwards it would be too late to choose another.
func (o *copyOptions) openReport() (reportFile, error) {
	if o.report == "" {
		return reportFile{}, nil
	}
	f, err := os.Create(o.report)
	if err != nil {
		return reportFile{}, fmt.Errorf("--report: %w", err)
	}
	return reportFile{f}, nil
}

func (r reportFile) write(done datacopy.Report) error {
	if r.file == nil {
		return nil
	}
	text, err := json.Marshal(done, jsontext.Multiline(true), json.Deterministic(true))
	if err == nil {
		_, err = r.file.Write(append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("--report: only the report failed, what is said of the copy holds: %w", err)
	}
	return nil
}

func (r reportFile) close() {
	if r.file != nil {
		_ = r.file.Close()
	}
}

// lostTarget is a store that is no more.
type lostTarget struct{ sidecar.State }
