package contracts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// errNoContract says that a service has no public part.
var errNoContract = errors.New("the service has no contract")

// Config says whose contracts a Book keeps.
type Config struct {
	Services   []string
	Every      time.Duration // between looks at all of them, once they are known
	AskWithin  time.Duration // bounds one question
	Base       string        // address that examples show, "http://127.0.0.1:8080"
	Own        *Contract     // of the gateway itself; never changes
	StartAfter time.Duration // after which Ready no longer waits for contracts that are missing
}

// Deps is what a Book works with; Metrics may be nil.
type Deps struct {
	Client  *http.Client // reaches services as http://{service}/…
	Now     func() time.Time
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Book keeps the contracts of all services current. Its methods are safe for concurrent use.
type Book struct {
	cfg     Config
	deps    Deps
	metrics *metrics
	set     atomic.Pointer[Set] // never nil
	started atomic.Bool         // StartAfter is over
	nudge   chan struct{}       // look now

	mu      sync.Mutex // one look at a time, and what follows
	entries map[string]*entry
	extra   Extra
	given   []*Contract            // by the operator, after those of the services
	unfit   map[*Contract]*Refusal // those given that are left out of the Set
}

// entry is what is known of one service.
type entry struct {
	learned bool      // something is in use, if only that there is no contract
	use     *Contract // nil: the service has no contract
	since   time.Time // that it is in use
	asked   string    // ETag of what came last, to ask for changes only; "" asks for all
	refused *Refusal  // nil: what came last is in use
	pending *Contract // what was refused for what it would break; an operator can accept it
}

// Refusal is a contract that was not taken.
type Refusal struct {
	At      time.Time `json:"at"`
	Version string    `json:"version"`
	ETag    string    `json:"etag"`
	Reasons []string  `json:"reasons"`
}

// NewBook makes a Book that knows the gateway's own contract; it does nothing until Run.
func NewBook(cfg Config, deps Deps) (*Book, error) {
	b := &Book{cfg: cfg, deps: deps, metrics: newMetrics(deps.Metrics), nudge: make(chan struct{}, 1), entries: map[string]*entry{}}
	for _, name := range cfg.Services {
		b.entries[name] = &entry{}
	}
	return b, b.adopt()
}

// Set is what is in use now.
func (b *Book) Set() *Set { return b.set.Load() }

// Ready is nil when every contract has been learned, or enough time has passed to start without some of them.
func (b *Book) Ready() error {
	missing := b.Set().Missing
	if len(missing) == 0 || b.started.Load() && len(missing) < len(b.cfg.Services) {
		return nil
	}
	return fmt.Errorf("the contracts of %v are not learned yet", missing)
}

// StartAnyway tells whether StartAfter is over: what is missing then is not waited for.
func (b *Book) StartAnyway() bool { return b.started.Load() }

// Refresh has Run look for changes at once.
func (b *Book) Refresh() {
	select {
	case b.nudge <- struct{}{}:
	default: // it is going to already
	}
}

// Waits between looks while something is missing.
const (
	firstWait = 100 * time.Millisecond
	mostWait  = 2 * time.Second
)

// Run learns the contracts until all are known and then looks for changes, until ctx ends.
func (b *Book) Run(ctx context.Context) {
	began := time.Now()
	wait := firstWait
	for {
		if b.Learn(ctx) {
			wait = b.cfg.Every
		} else {
			wait = min(2*wait, b.cfg.Every, mostWait)
		}
		if time.Since(began) > b.cfg.StartAfter {
			b.started.Store(true)
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-b.nudge:
			t.Stop()
		case <-t.C:
		}
	}
}

// Learn asks every service for its contract, all at once, and swaps the Set if something has changed. What is away or
// refused leaves what was known. It reports whether all are known.
func (b *Book) Learn(ctx context.Context) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	came := make([]fetched, len(b.cfg.Services))
	var group sync.WaitGroup
	for i, name := range b.cfg.Services {
		asked := b.entries[name].asked
		group.Go(func() { came[i] = b.fetch(ctx, name, asked) })
	}
	group.Wait()
	before := map[string]entry{}
	for i, name := range b.cfg.Services {
		was := *b.entries[name]
		if b.take(ctx, name, came[i]) {
			before[name] = was
		}
	}
	if len(before) > 0 {
		b.swap(before)
	}
	return len(b.Set().Missing) == 0
}

// take judges what came of a service and reports whether something else is in use now.
func (b *Book) take(ctx context.Context, name string, f fetched) bool {
	e := b.entries[name]
	switch {
	case errors.Is(f.err, errNoContract):
		e.asked = "" // when it has one again, it has to be seen, even if it is the former
		changed := !e.learned || e.use != nil
		if changed && e.use != nil {
			return b.refuse(e, nil, Refusal{Reasons: []string{"the service says that it has no contract any more"}}, name)
		}
		e.learned = true
		return changed
	case f.err != nil:
		if ctx.Err() == nil {
			b.deps.Log.Debug("a contract was not learned", "of", name, "error", f.err)
		}
		return false
	case f.same:
		return false
	}
	e.asked = f.etag
	c, err := Read(name, f.raw)
	if err != nil {
		return b.refuse(e, nil, Refusal{ETag: etagOf(f.raw), Reasons: []string{err.Error()}}, name)
	}
	if e.use != nil && e.use.ETag == c.ETag {
		e.refused, e.pending = nil, nil // it is what it was again
		b.metrics.inUse(name, false)
		return false
	}
	if e.use != nil && majorOf(c.Version) <= majorOf(e.use.Version) {
		if breaks := Breaks(e.use, c); len(breaks) > 0 {
			return b.refuse(e, c, Refusal{Version: c.Version, ETag: c.ETag, Reasons: breaks}, name)
		}
	}
	b.use(e, c, name)
	return true
}

// use puts a contract into use; c is what was judged, or what an operator has accepted.
func (b *Book) use(e *entry, c *Contract, name string) {
	if e.learned {
		b.deps.Log.Info("a contract has changed", "of", name, "version", c.Version)
	}
	e.learned, e.use, e.since, e.refused, e.pending = true, c, b.deps.Now(), nil, nil
	b.metrics.inUse(name, false)
}

// refuse records why a contract is not taken; it says so in the log once for each. It always reports that nothing is used instead.
func (b *Book) refuse(e *entry, c *Contract, why Refusal, name string) bool {
	if e.refused != nil && e.refused.ETag == why.ETag {
		return false
	}
	why.At = b.deps.Now()
	e.refused, e.pending = &why, c
	b.metrics.inUse(name, true)
	b.deps.Log.Error("a contract is refused; what was in use stays", "of", name, "version", why.Version, "etag", why.ETag, "reasons", why.Reasons)
	return false
}

// swap makes the Set anew. If that cannot be done, everything that has changed is refused and as it was before.
func (b *Book) swap(before map[string]entry) {
	unfit := b.unfit
	err := b.judge()
	if err == nil {
		err = b.adopt()
	}
	if err != nil {
		b.unfit = unfit
		for name, was := range before {
			e := b.entries[name]
			why := Refusal{Reasons: []string{"does not go together with the other contracts: " + err.Error()}}
			if e.use != nil {
				why.Version, why.ETag = e.use.Version, e.use.ETag
			}
			was.asked = e.asked
			*e = was
			b.refuse(e, nil, why, name)
		}
		return
	}
	set := b.Set()
	for _, o := range set.Twice {
		b.deps.Log.Error("two contracts have the same operation; the later one is left out", "of", o.Service, "operation", o.String())
	}
	if len(set.Missing) == 0 {
		b.deps.Log.Info("all contracts are known", "services", b.cfg.Services)
	}
}

// told are the contracts in use that services tell, after the gateway's own, and the services whose are missing; b.mu is held.
func (b *Book) told() (list []*Contract, missing []string) {
	list, missing = []*Contract{b.cfg.Own}, []string{}
	for _, name := range b.cfg.Services {
		switch e := b.entries[name]; {
		case !e.learned:
			missing = append(missing, name)
		case e.use != nil:
			list = append(list, e.use)
		}
	}
	return list, missing
}

// adopt makes the Set of everything that is known, and of what the operator gives and fits; b.mu is held.
func (b *Book) adopt() error {
	set, err := b.join(slices.DeleteFunc(slices.Clone(b.given), func(c *Contract) bool { return b.unfit[c] != nil }), b.extra)
	if err == nil {
		b.set.Store(set)
	}
	return err
}

// join makes a Set of what services tell and of what is given beside; b.mu is held.
func (b *Book) join(given []*Contract, extra Extra) (*Set, error) {
	list, missing := b.told()
	return NewSet(append(list, given...), extra, missing, b.cfg.Base)
}
