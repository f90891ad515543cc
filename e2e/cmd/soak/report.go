package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sidecart/sidecart/e2e/chaos"
)

// slowShown is how many of the longest recoveries are told one by one.
const slowShown = 5

// progress is one line.
func (s *soaking) progress(more string) {
	c := s.load.Counts()
	all, out := s.recoveries()
	fmt.Printf("%s  %d kills  %d orders  %d refusals  %d repeats  %d repairs  recovery p50 %s p99 %s max %s  %d out  %d violations%s\n",
		clock(time.Since(s.began)), s.killed(), c.Orders, c.Refusals, c.Repeats, s.meter.Total(pulls),
		took(all, 50), took(all, 99), took(all, 100), out, len(s.wrong), more)
}

// recoveries leaves out those that another kill on the same route disturbed.
func (s *soaking) recoveries() (all []chaos.Recovery, out int) {
	all, out = s.prober.Recoveries()
	return slices.DeleteFunc(all, func(r chaos.Recovery) bool { return r.Disturbed }), out
}

// clock is mm:ss.
func clock(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

// took is a percentile of recoveries that are sorted, the longest first.
func took(all []chaos.Recovery, percent int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	return all[(len(all)-1)*(100-percent)/100].Took.Round(10 * time.Millisecond)
}

// tell prints the result for a person.
func (s *soaking) tell(w io.Writer) {
	_, _ = fmt.Fprintf(w, "\n%s\n", s.markdown())
	all, out := s.recoveries()
	for _, r := range all[:min(len(all), slowShown)] {
		_, _ = fmt.Fprintf(w, "slow: %s after the kill of %s at %s: %s\n", r.Route, r.Victim, r.At.UTC().Format("15:04:05.000"), r.Took.Round(time.Millisecond))
	}
	if out > 0 {
		_, _ = fmt.Fprintf(w, "%d kills came so late that their recovery was not seen\n", out)
	}
	for _, v := range s.wrong {
		_, _ = fmt.Fprintln(w, "VIOLATION", v)
	}
}

// markdown is the result for docs/reliability.md.
func (s *soaking) markdown() string {
	var b strings.Builder
	c := s.load.Counts()
	all, _ := s.recoveries()
	disturbed, _ := s.prober.Recoveries()
	disturbed = slices.DeleteFunc(disturbed, func(r chaos.Recovery) bool { return !r.Disturbed })
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	line("`scripts/soak --kills %d --placement %s --set %s --seed %d`, %s UTC, %s in all", s.config.kills, s.placement, s.set, s.seed,
		s.began.UTC().Format("2006-01-02 15:04"), time.Since(s.began).Round(time.Second))
	line("")
	line("| | |\n|---|---|")
	line("| kills (SIGKILL) | %d |", s.killed())
	for _, process := range slices.Sorted(maps.Keys(s.kills)) {
		line("| &nbsp; of %s | %d |", process, s.kills[process])
	}
	line("| orders placed | %d |", c.Orders)
	line("| orders refused (sold out) | %d |", c.Refusals)
	line("| payments, cancellations, reservations accepted | %d, %d, %d |", c.Payments, c.Cancellations, c.Reservations)
	line("| calls repeated because the outcome was unknown | %d |", c.Repeats)
	line("| outcomes left in doubt by a client | %d |", c.Doubts)
	line("| segments compared | %d |", s.scribe.Segments())
	line("| deletions of old segments, those repeated after a kill included | %d |", s.meter.Total(trimmed))
	line("| pulls by followers | %d |", s.meter.Total(pulls))
	line("| writes whose answer was lost or late, settled by reading back | %d |", s.meter.Total(doubtful))
	for _, route := range []string{"", chaos.RoutePlace, chaos.RouteReserve, chaos.RouteTell} {
		these, name := all, "any route"
		if route != "" {
			name = "`" + route + "`"
			these = slices.DeleteFunc(slices.Clone(all), func(r chaos.Recovery) bool { return r.Route != route })
		}
		line("| recovery of %s after a kill on its way: p50, p99, max of %d | %s, %s, %s |", name, len(these), took(these, 50), took(these, 99), took(these, 100))
	}
	line("| the same when another process on the route was killed before it was over: p50, p99, max of %d | %s, %s, %s |", len(disturbed), took(disturbed, 50), took(disturbed, 99), took(disturbed, 100))
	pay := s.scribe.PaymentSeconds()
	line("| from a payment's request to paid: p50, p99, max of %d | %s, %s, %s |", len(pay), seconds(pay, 50), seconds(pay, 99), seconds(pay, 100))
	if stalled, ok := stalledSince(s.began, s.stall); ok {
		line("| time in which something on this machine waited for a CPU, the shop or others (PSI) | %.0f %% |", stalled)
	}
	line("| until everything had come to rest, at most | %s |", slices.Max(append(s.balance, 0)).Round(100*time.Millisecond))
	line("| **violations** | **%d** |", len(s.wrong))
	return b.String()
}

// cpuStall is how long something waited for a CPU since the machine was started; false where the kernel does not say.
func cpuStall() (time.Duration, bool) {
	raw, err := os.ReadFile("/proc/pressure/cpu")
	if err != nil {
		return 0, false
	}
	first, _, _ := strings.Cut(string(raw), "\n")
	_, total, _ := strings.Cut(first, "total=")
	us, err := strconv.ParseInt(total, 10, 64)
	return time.Duration(us) * time.Microsecond, err == nil
}

// stalledSince is the share of the time since began, in percent.
func stalledSince(began time.Time, before time.Duration) (float64, bool) {
	now, ok := cpuStall()
	return 100 * float64(now-before) / float64(time.Since(began)), ok && before > 0
}

// seconds is a percentile of sorted seconds.
func seconds(sorted []float64, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return time.Duration(sorted[(len(sorted)-1)*percent/100] * float64(time.Second)).Round(10 * time.Millisecond)
}

func (s *soaking) write(path string) error {
	return os.WriteFile(path, []byte(s.markdown()), 0o644)
}
