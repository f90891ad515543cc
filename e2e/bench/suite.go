package bench

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sidecart/sidecart/runtime/servers"
)

// Bounds of a request of the load: beyond it the outcome counts as unknown.
const requestWithin = 10 * time.Second

// saleWithin is the same for a whole sale.
const saleWithin = 30 * time.Second

// drain is how long an open loop goes on sending what was due in its window.
const drain = 2 * time.Second

// skuNames gives the first n of the products that everybody wants.
func skuNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("moka-pot-%04d", i)
	}
	return names
}

// fillFor is how long the load runs that opens reservations before a phase; it is repeated until there are enough.
const fillFor = 5 * time.Second

// Suite runs benchmarks.
type Suite struct {
	Ground
	Contenders    []Contender
	Rounds        int
	Clients       int
	Warm, Measure time.Duration // of every phase
	Fill          time.Duration // of each load that opens reservations before a phase; 0: fillFor
	Load          []string      // the command of the load's process
	Dir           string        // for data; each turn has a folder of its own, which is removed after it unless the books were wrong
	// Tell is called before and after every turn, done with nil before.
	Tell func(b Benchmark, round int, who string, done *Turn)
}

// Turn is one contender in one round.
type Turn struct {
	Round      int
	Who        string
	Figures    []Figures // none in a void turn
	Told       Tally     // over all phases
	Books      Books
	Durability string
	Versions   []string
	Load       float64 // load average of the machine over the last minute, when the turn began
	Void       error   // why it has no figures; nil if it has
	// Violation says that Void is one of the books, not that something did not run.
	Violation bool
}

// Result is a benchmark that was run.
type Result struct {
	Benchmark
	Who     []Contender // those that took part
	Turns   []Turn
	Skipped map[string]string // contender → what is not installed
	Rounds  int
	Clients int
	Began   time.Time
}

// Voids lists the turns without figures.
func (r Result) Voids() (out []Turn) {
	for _, t := range r.Turns {
		if t.Void != nil {
			out = append(out, t)
		}
	}
	return out
}

// perRound gives a figure of a phase for each round, not a number where there is none.
func (r Result) perRound(who, phase string, of func(Figures) float64) []float64 {
	out := make([]float64, r.Rounds)
	for i := range out {
		out[i] = math.NaN()
	}
	for _, t := range r.Turns {
		for _, f := range t.Figures {
			if t.Who == who && f.Phase == phase {
				out[t.Round] = of(f)
			}
		}
	}
	return out
}

// Run runs a benchmark. Its error says that it could not go on; a turn that is void is in the result.
func (s *Suite) Run(ctx context.Context, b Benchmark) (Result, error) {
	r := Result{Benchmark: b, Skipped: map[string]string{}, Rounds: s.Rounds, Clients: s.Clients, Began: time.Now().UTC()}
	for round := range s.Rounds {
		for _, c := range b.choose(s.Contenders) {
			if r.Skipped[c.Name] != "" {
				continue
			}
			s.Tell(b, round, c.Name, nil)
			t := s.turn(ctx, b, c, round)
			if ctx.Err() != nil {
				return r, ctx.Err()
			}
			if missing := lacking(t.Void); missing != nil {
				r.Skipped[c.Name] = missing.Error()
				continue
			}
			if round == 0 {
				r.Who = append(r.Who, c)
			}
			r.Turns = append(r.Turns, t)
			s.Tell(b, round, c.Name, &t)
		}
	}
	return r, nil
}

// absentError says why a contender cannot take part on this machine.
type absentError string

func (e absentError) Error() string { return string(e) }

// lacking is what a contender needs and this machine has not; nil if err is about something else.
func lacking(err error) error {
	if missing, ok := errors.AsType[*servers.MissingError](err); ok {
		return missing
	}
	if absent, ok := errors.AsType[absentError](err); ok {
		return absent
	}
	return nil
}

// turn starts a contender with empty data, loads it, and compares its books.
func (s *Suite) turn(ctx context.Context, b Benchmark, c Contender, round int) (t Turn) {
	t = Turn{Round: round, Who: c.Name, Load: loadAverage()}
	dir := filepath.Join(s.Dir, fmt.Sprintf("%s-%d-%s", b.Name, round, strings.ReplaceAll(c.Name, "/", "-")))
	starting, cancel := context.WithTimeout(ctx, 2*readyWithin)
	defer cancel()
	running, err := c.start(starting, s.Ground, dir)
	if err != nil {
		t.Void = fmt.Errorf("did not start: %w", err)
		return t
	}
	t.Durability, t.Versions = running.Durability, running.Versions
	figures, err := s.phases(ctx, b, running, &t)
	if err == nil {
		t.Books, err = s.judge(ctx, b, c, running, &t)
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*stopWithin)
	defer cancel()
	err = errors.Join(err, running.stop(stopping))
	if t.Violation {
		t.Void = fmt.Errorf("%w; data and logs are in %s", err, dir)
		return t
	}
	if err = errors.Join(err, os.RemoveAll(dir), os.RemoveAll(dir+".components")); err == nil {
		t.Figures = figures
	}
	t.Void = err
	return t
}

// phases puts the SKUs on sale and loads the contender, one phase after the other.
func (s *Suite) phases(ctx context.Context, b Benchmark, running *Running, t *Turn) (all []Figures, err error) {
	if err := running.put(ctx, skuNames(b.skus()), b.Stock); err != nil {
		return nil, err
	}
	target := Target{Kind: Reservations, Bases: running.Reservations, Header: running.Header, Within: requestWithin}
	if b.Kind != "" && running.Gateway != "" {
		target.Kind, target.Bases, target.Header, target.Tokens = b.Kind, []string{running.Gateway}, nil, running.Tokens
	}
	if target.Kind == Sales {
		target.Texts, target.Within = running.Sandbox, saleWithin
	}
	for _, phase := range b.Phases {
		target.SKUs = skuNames(max(phase.SKUs, 1))
		pace := Pace{Clients: cmp.Or(phase.Clients, s.Clients), Warm: s.Warm, Measure: s.Measure}
		if err := s.fill(ctx, running, phase, target, t); err != nil {
			return nil, err
		}
		if phase.Times > 0 {
			// At least one a second: a contender that served nothing is to show it in its figures.
			pace.Rate, pace.Drain = max(phase.Times*all[0].PerSecond, 1), drain
		}
		f, err := s.drive(ctx, running, phase.Label, target, pace, t)
		if err != nil {
			return nil, err
		}
		if f.Kept = t.Told[Accepted]; b.Heap {
			if f.Heap, err = running.heap(ctx); err != nil {
				return nil, err
			}
		}
		all = append(all, f)
	}
	return all, nil
}

// fill opens reservations until the phase may begin.
func (s *Suite) fill(ctx context.Context, running *Running, phase Phase, target Target, t *Turn) error {
	for t.Told[Accepted] < phase.Open {
		before := t.Told[Accepted]
		if _, err := s.drive(ctx, running, "before "+phase.Label, target, Pace{Clients: s.Clients, Measure: cmp.Or(s.Fill, fillFor)}, t); err != nil {
			return err
		}
		if t.Told[Accepted] == before {
			return fmt.Errorf("before %s: nothing is accepted any more", phase.Label)
		}
	}
	return nil
}

// drive is one load with ids of its own, whose answers are entered in the turn.
func (s *Suite) drive(ctx context.Context, running *Running, phase string, target Target, pace Pace, t *Turn) (Figures, error) {
	target.Prefix = strings.ToLower(rand.Text()[:20]) + "-"
	f, told, err := drive(ctx, s.Load, running, phase, Plan{Target: target, Pace: pace})
	t.Told.Add(told)
	if err != nil {
		return f, fmt.Errorf("%s: %w", phase, err)
	}
	return f, nil
}

// judge makes what could remember forget, reads the books and compares them with what was told.
func (s *Suite) judge(ctx context.Context, b Benchmark, c Contender, running *Running, t *Turn) (books Books, err error) {
	if !c.Keeps {
		if t.Told[Wrong]+t.Told[SoldOut] > 0 {
			return books, fmt.Errorf("it was to accept everything, and did not: %v", t.Told)
		}
		return books, nil
	}
	if running.restart != nil {
		restarting, cancel := context.WithTimeout(ctx, 2*readyWithin)
		defer cancel()
		if err := running.restart(restarting); err != nil {
			return books, err
		}
	}
	if b.Kind == Sales {
		books, err = judgeSales(ctx, running, skuNames(b.skus()), t)
	} else {
		books, err = running.books(ctx, skuNames(b.skus()))
	}
	if err != nil {
		return books, err
	}
	told := t.Told
	if b.Kind != "" && b.Kind != Passages && running.Gateway != "" {
		// An order that was refused for too much work may leave its hold in inventory until that ends by itself.
		told[Unknown] += told[Shed]
		told[Shed] = 0
	}
	err = Judge(b.Stock*int64(b.skus()), told, books)
	t.Violation = err != nil
	return books, err
}
