package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/sidecart/sidecart/e2e/bench"
	"github.com/sidecart/sidecart/e2e/cli"
)

// teller shows progress: which turn is going on, and a line for each load of one that is done.
type teller struct {
	out    *os.File
	rounds int
	live   bool
	colour bool
}

func newTeller(out *os.File, rounds int) *teller {
	live, colour := cli.Terminal(out)
	return &teller{out: out, rounds: rounds, live: live, colour: colour}
}

func (t *teller) tell(b bench.Benchmark, round int, who string, done *bench.Turn) {
	what := fmt.Sprintf("%s %d/%d %-18s", b.Name, round+1, t.rounds, who)
	switch {
	case done == nil && t.live:
		fmt.Fprintf(t.out, "\r\x1b[K%s …", what)
		return
	case done == nil:
		fmt.Fprintln(t.out, what, "…")
		return
	case t.live:
		fmt.Fprint(t.out, "\r\x1b[K")
	}
	if done.Void != nil {
		fmt.Fprintln(t.out, what, t.red("VOID"), strings.ReplaceAll(done.Void.Error(), "\n", "; "))
		return
	}
	for _, f := range done.Figures {
		fmt.Fprintf(t.out, "%s %-8s %7.0f/s  p50 %.1f ms  p99 %.1f ms  CPU %.0f µs, load %.0f µs a request\n",
			what, f.Phase, f.PerSecond, f.Percentile(50), f.Percentile(99), f.CPUMicros, f.LoadMicros)
	}
}

func (t *teller) red(s string) string {
	if !t.colour {
		return s
	}
	return "\x1b[31m" + s + "\x1b[0m"
}
