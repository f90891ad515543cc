// Command bench compares sidecart with what people would use instead: scripts/bench. It starts each contender itself, from copies of
// the programs in .bin/, on free ports with data in a temporary folder.
//
// Exit code 0 says that everything ran and no books were wrong, whatever goals were missed; 1 that a turn was void or the run could not
// go on; 2 that the flags were wrong. "bench load" is the load's own process, and "bench check …" only checks flags and says which modules of
// e2e must be built besides: neither is for people.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sidecart/sidecart/e2e/bench"
	"github.com/sidecart/sidecart/e2e/cli"
	"github.com/sidecart/sidecart/e2e/harness"
)

const (
	loadCommand  = "load"
	checkCommand = "check"
)

// busyPerCore is more than a benchmark's own turns bring a machine's load average to, for each core.
const busyPerCore = 4

// config is what the command line says.
type config struct {
	names            []string // of benchmarks
	list, quick      bool
	rounds, clients  int
	pool             int
	shards, replicas int
	warm, measure    time.Duration
	sets, only       string
	placement, fsync string
	report, note     string
	profile          string // folder
	command          string
}

func parse(args []string) (config, error) {
	c := config{command: "scripts/bench"}
	f := cli.Flags("bench", "")
	f.IntVar(&c.rounds, "rounds", 5, "rounds, in each of which every contender has a turn")
	f.BoolVar(&c.quick, "quick", false, "one short round with 8 clients: shows that it works and judges nothing")
	f.IntVar(&c.clients, "clients", 256, "clients of closed loops")
	f.DurationVar(&c.warm, "warm", 2*time.Second, "of load before the window of every phase")
	f.DurationVar(&c.measure, "measure", 5*time.Second, "window of every phase")
	f.StringVar(&c.sets, "set", "embedded,redis", "component sets of sidecart and of the peers with a sidecar")
	f.StringVar(&c.only, "only", "", "contenders to run, such as sidecart/redis,lua; empty: all of a benchmark")
	f.StringVar(&c.placement, "placement", "one", "of sidecart's services: one or split")
	f.IntVar(&c.shards, "shards", 0, "of sidecart's journals; 0: as it is by default")
	f.IntVar(&c.replicas, "replicas", 1, "of sidecart's inventory, over which reservations are spread; above 1 only with --placement split")
	f.StringVar(&c.fsync, "fsync", bench.FsyncAlways, "when every Redis writes to disk: always or everysec")
	f.IntVar(&c.pool, "pool", 0, "connections of lua, lua-idem and postgres to their server; 0: 256 to Redis, 24 to PostgreSQL")
	f.StringVar(&c.report, "report", "", "put the results and charts into performance.md of this folder, in the place of earlier ones of the same benchmarks")
	f.StringVar(&c.profile, "profile", "", "put profiles (CPU, locks, heap) of each of sidecart's services, of sidecars and of peers over every window into this folder, for go tool pprof")
	f.StringVar(&c.note, "note", "", "a sentence that the report has beside the figures")
	f.Usage = func() {
		fmt.Fprint(f.Output(), "Compares sidecart with what people would use instead, in turns on this machine.\n\nUsage: scripts/bench [flags] [NAME…]\n"+
			"       scripts/bench list\n\nBenchmarks (all but the long ones if none is named):\n"+catalogue()+"\nFlags:\n")
		f.PrintDefaults()
	}
	for { // flags may stand before, between and behind names
		if err := f.Parse(args); err != nil {
			return c, err
		}
		if args = f.Args(); len(args) == 0 {
			break
		}
		c.names, args = append(c.names, args[0]), args[1:]
	}
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) {
		given[f.Name] = true
		switch f.Name {
		case "note", "report": // change nothing of what is measured
		case "quick":
			c.command += " --quick"
		case "profile": // costs a little, so it is told; where to is nobody's business
			c.command += " --profile DIR"
		default:
			c.command += " --" + f.Name + " " + f.Value.String()
		}
	})
	c.command = strings.Join(append([]string{c.command}, c.names...), " ")
	if c.quick {
		for name, set := range map[string]func(){
			"rounds": func() { c.rounds = 1 }, "clients": func() { c.clients = 8 },
			"warm": func() { c.warm = 200 * time.Millisecond }, "measure": func() { c.measure = 600 * time.Millisecond },
		} {
			if !given[name] {
				set()
			}
		}
	}
	if len(c.names) == 1 && c.names[0] == "list" {
		c.list = true
		return c, nil
	}
	return c, c.check()
}

func (c config) check() error {
	for _, name := range c.names {
		if !slices.ContainsFunc(bench.Benchmarks(), func(b bench.Benchmark) bool { return b.Name == name }) {
			return fmt.Errorf("there is no benchmark %q; scripts/bench list names them", name)
		}
	}
	known := bench.Contenders(c.setList())
	for _, who := range c.onlyList() {
		if !slices.ContainsFunc(known, func(k bench.Contender) bool { return k.Name == who }) {
			return fmt.Errorf("--only: there is no contender %q with these sets; scripts/bench list names them", who)
		}
	}
	for _, set := range c.setList() {
		if _, err := os.Stat(filepath.Join(harness.Root(), "components", set, "state.yaml")); err != nil || set == "" {
			return fmt.Errorf("--set: there is no component set %q in components/", set)
		}
	}
	switch {
	case c.rounds < 1 || c.rounds > 100:
		return errors.New("--rounds must be 1 to 100")
	case c.clients < 1 || c.clients > 4096:
		return errors.New("--clients must be 1 to 4096")
	case c.warm < 0 || c.warm > time.Minute || c.measure < 100*time.Millisecond || c.measure > 10*time.Minute:
		return errors.New("--warm must be 0 to 1m, --measure 100ms to 10m")
	case c.report != "" && c.quick:
		return errors.New("--report is not for --quick: it would put figures that judge nothing into the page")
	case c.profile != "" && (c.measure < bench.MinProfiled || c.measure > bench.MaxProfiled):
		return errors.New("--profile needs a --measure of 1s to 1m")
	case c.pool < 0 || c.pool > 1024:
		return errors.New("--pool must be 0 to 1024")
	case c.shards < 0 || c.shards > 256:
		return errors.New("--shards must be 0 to 256")
	case c.replicas < 1 || c.replicas > 8 || c.replicas > 1 && c.placement != string(harness.Split):
		return errors.New("--replicas must be 1 to 8, and above 1 it needs --placement split")
	case c.placement != string(harness.One) && c.placement != string(harness.Split):
		return errors.New("--placement must be one or split")
	case c.fsync != bench.FsyncAlways && c.fsync != bench.FsyncEverysec:
		return errors.New("--fsync must be always or everysec")
	}
	return nil
}

func (c config) setList() []string { return strings.Split(c.sets, ",") }

func (c config) onlyList() []string {
	return slices.DeleteFunc(strings.Split(c.only, ","), func(s string) bool { return s == "" })
}

// chosen says whether a benchmark is to be run.
func (c config) chosen(b bench.Benchmark) bool {
	return slices.Contains(c.names, b.Name) || len(c.names) == 0 && !b.Long
}

// contenders are those that may take part.
func (c config) contenders() []bench.Contender {
	return slices.DeleteFunc(bench.Contenders(c.setList()), func(k bench.Contender) bool {
		return c.only != "" && !slices.Contains(c.onlyList(), k.Name)
	})
}

// workflows says whether Dapr's control plane is to be built first. Not for --quick, which leaves the peer of workflows out where it is not
// built: that takes longer than everything else of such a run.
func (c config) workflows() bool {
	return !c.list && !c.quick && slices.ContainsFunc(bench.Benchmarks(), func(b bench.Benchmark) bool {
		return c.chosen(b) && slices.ContainsFunc(c.contenders(), func(k bench.Contender) bool {
			return strings.HasPrefix(k.Name, "workflow/") && slices.Contains(b.Who, "workflow")
		})
	})
}

// catalogue has a line for each benchmark.
func catalogue() string {
	var b strings.Builder
	for _, m := range bench.Benchmarks() {
		long := ""
		if m.Long {
			long = " (long)"
		}
		fmt.Fprintf(&b, "  %-12s %s%s\n", m.Name, m.About, long)
	}
	return b.String()
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == loadCommand {
		if err := bench.Load(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench load:", err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) > 1 && os.Args[1] == checkCommand {
		os.Args = slices.Delete(os.Args, 1, 2)
		cli.Main("bench", parse, func(_ context.Context, c config) error {
			if c.workflows() {
				fmt.Println("daprplane")
			}
			return nil
		})
	}
	cli.Main("bench", parse, compare)
}

func compare(ctx context.Context, c config) error {
	if c.list {
		fmt.Print("Benchmarks:\n", catalogue(), "\nContenders:\n")
		for _, k := range bench.Contenders(c.setList()) {
			fmt.Printf("  %-28s %s\n", k.Name, k.About)
		}
		return nil
	}
	folder, err := os.MkdirTemp("", "sidecart-bench-")
	if err != nil {
		return err
	}
	keep := false // data and logs of a turn with wrong books
	defer func() {
		if !keep {
			_ = os.RemoveAll(folder)
		}
	}()
	if c.profile != "" {
		if err := os.MkdirAll(c.profile, 0o755); err != nil {
			return fmt.Errorf("--profile: %w", err)
		}
	}
	options, err := harness.Copies(folder, "peers", "bench")
	if err != nil {
		return err
	}
	var shop []harness.Option
	if c.shards > 0 {
		shop = append(shop, harness.WithEnv("SIDECART_SHARDS", strconv.Itoa(c.shards)))
	}
	if c.replicas > 1 {
		shop = append(shop, harness.WithReplicas("inventory", c.replicas))
	}
	suite := &bench.Suite{
		Ground: bench.Ground{
			Programs: folder, Options: options, Shop: shop, Placement: harness.Placement(c.placement), Fsync: c.fsync, Pool: c.pool,
			Profile: c.profile,
		},
		Contenders: c.contenders(), Rounds: c.rounds, Clients: c.clients, Warm: c.warm, Measure: c.measure,
		Load: []string{filepath.Join(folder, "bench"), loadCommand}, Dir: folder, Tell: newTeller(os.Stdout, c.rounds).tell,
	}
	setting := bench.Setting{
		Command: c.command, Machine: bench.Machine(), Commit: bench.Commit(harness.Root()), Note: c.note, Quick: c.quick,
		Busy: float64(busyPerCore * runtime.NumCPU()),
	}
	var results []bench.Result
	void := 0
	for _, b := range bench.Benchmarks() {
		if !c.chosen(b) {
			continue
		}
		r, err := suite.Run(ctx, b)
		if err != nil {
			return err
		}
		fmt.Printf("\n%s\n", r.Markdown(setting))
		results = append(results, r)
		void += len(r.Voids())
		keep = keep || slices.ContainsFunc(r.Turns, func(t bench.Turn) bool { return t.Violation })
	}
	if c.report != "" {
		if err := bench.WritePage(c.report, results, setting); err != nil {
			return err
		}
		fmt.Println("written:", filepath.Join(c.report, "performance.md"))
	}
	if c.profile != "" {
		fmt.Println("profiles are in", c.profile)
	}
	if void > 0 {
		return fmt.Errorf("%d turns are void; the reasons stand above", void)
	}
	return nil
}
