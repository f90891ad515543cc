// Command soak kills processes of a whole shop with SIGKILL at random moments under load, for as long as wanted, and
// compares again and again what clients were told, the journals, the provider's ledger and the inboxes. It starts a
// shop of its own from copies of the binaries in .bin/, so that a build meanwhile changes nothing.
//
// Exit code 0 says that there was no violation, 1 that there was one or that the run could not go on (its folder with
// data and logs is then kept), 2 that the flags were wrong.
package main

import (
	"errors"
	"slices"
	"time"

	"github.com/sidecart/sidecart/e2e/cli"
	"github.com/sidecart/sidecart/e2e/harness"
)

// config is what the flags say.
type config struct {
	kills, books, customers int
	placement, set          string
	seed                    uint64
	minutes                 float64
	every, pause            time.Duration
	report                  string
	goOn                    bool
}

func parse(args []string) (config, error) {
	var c config
	f := cli.Flags("soak", "Kills processes of a shop at random under load and checks that nothing is oversold, lost or doubled.")
	f.IntVar(&c.kills, "kills", 100, "how many kills")
	f.StringVar(&c.placement, "placement", "split", "one, split, or replicas (two of inventory and of order)")
	f.StringVar(&c.set, "set", "embedded", "component set: a folder of components/, or a path")
	f.Uint64Var(&c.seed, "seed", 1, "of every choice that is ours; what the machine does in between is its own")
	f.Float64Var(&c.minutes, "minutes", 0, "stop after so many minutes, whatever --kills says; 0: no such limit")
	f.DurationVar(&c.every, "every", 1300*time.Millisecond, "time from one kill to the next, on average")
	f.IntVar(&c.books, "books", 50, "compare the books after so many kills, with the load at rest")
	f.IntVar(&c.customers, "customers", 8, "customers at a time")
	f.DurationVar(&c.pause, "pause", 300*time.Millisecond, "of a customer between two visits, on average")
	f.StringVar(&c.report, "report", "", "write the result as a piece of Markdown to this file")
	f.BoolVar(&c.goOn, "go-on", false, "go on after a violation")
	if err := cli.Parse(f, args); err != nil {
		return c, err
	}
	switch {
	case !slices.Contains([]harness.Placement{harness.One, harness.Split, harness.Replicas}, harness.Placement(c.placement)):
		return c, errors.New("--placement must be one, split or replicas")
	case c.kills < 1 || c.kills > 1_000_000:
		return c, errors.New("--kills must be 1 to 1000000")
	case c.books < 1 || c.customers < 1 || c.customers > 512:
		return c, errors.New("--books must be at least 1, --customers 1 to 512")
	case c.every < 100*time.Millisecond || c.every > time.Hour || c.pause < 0 || c.minutes < 0:
		return c, errors.New("--every must be 100ms to 1h, --pause and --minutes not negative")
	}
	return c, nil
}

func main() { cli.Main("soak", parse, soak) }
