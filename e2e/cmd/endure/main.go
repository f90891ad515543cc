// Command endure keeps a whole shop under full load for some minutes and records how much memory every process takes. It
// starts a shop of its own from copies of the binaries in .bin/, with settings that archive and trim many times within the
// run, samples it, compares the books at the end, and writes a CSV file, a plot and a piece of Markdown.
//
// Exit code 0 says that the books balance, 1 that they do not or that the run could not go on (its folder with data and
// logs is then kept), 2 that the flags were wrong. Whether memory is bounded is for the reader of the report: the slopes
// are in it.
package main

import (
	"errors"
	"time"

	"github.com/sidecart/sidecart/e2e/cli"
	"github.com/sidecart/sidecart/e2e/harness"
)

// config is what the flags say.
type config struct {
	minutes             float64
	placement, set      string
	customers, products int
	every               time.Duration
	seed                uint64
	report              string
	keep                bool
}

func parse(args []string) (config, error) {
	var c config
	f := cli.Flags("endure", "Keeps a shop under full load and records how much memory it takes.")
	f.Float64Var(&c.minutes, "minutes", 20, "of load; more than 16, and inventory has begun to forget finished holds")
	f.StringVar(&c.placement, "placement", "one", "one or split")
	f.StringVar(&c.set, "set", "embedded", "component set: a folder of components/, or a path")
	f.IntVar(&c.customers, "customers", 32, "customers at a time, who never pause")
	f.IntVar(&c.products, "products", 24, "products on sale, of each more than anybody can buy")
	f.DurationVar(&c.every, "every", 10*time.Second, "time between two samples")
	f.Uint64Var(&c.seed, "seed", 1, "of what the customers want")
	f.StringVar(&c.report, "report", "endurance", "folder for endurance.csv, endurance.svg and endurance.md")
	f.BoolVar(&c.keep, "keep", false, "keep the folder with data and logs, and heap profiles of the end")
	if err := cli.Parse(f, args); err != nil {
		return c, err
	}
	switch {
	case c.placement != string(harness.One) && c.placement != string(harness.Split):
		return c, errors.New("--placement must be one or split")
	case c.minutes <= 0 || c.minutes > 24*60:
		return c, errors.New("--minutes must be more than 0 and at most 1440")
	case c.customers < 1 || c.customers > 512 || c.products < 2 || c.products > 1000:
		return c, errors.New("--customers must be 1 to 512, --products 2 to 1000")
	case c.every < time.Second || c.every > time.Hour:
		return c, errors.New("--every must be 1s to 1h")
	}
	return c, nil
}

func main() { cli.Main("endure", parse, endure) }
