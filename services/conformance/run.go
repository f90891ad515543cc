package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Bounds of a run.
const (
	reachWithin      = 30 * time.Second // for the first write to succeed
	cleanWithin      = time.Minute
	maxTries         = 4 // of a call that ought to succeed
	firstPause       = 20 * time.Millisecond
	cleanParallelism = 16
	runIDBytes       = 12 // of the key prefix, in hexadecimal digits
)

// options are what the caller can give beyond a State.
type options struct {
	peer      sidecar.State
	overwrite func(ctx context.Context, key string, value []byte) error
	restart   func(ctx context.Context) error
	restarted string
	broker    *Broker
	noState   bool
	paceFor   time.Duration
}

// Option adds to what a run can try.
type Option func(*options)

// WithPeer gives a second way to the same store, such as another sidecar: a shop has many, and they must see one store.
func WithPeer(peer sidecar.State) Option { return func(o *options) { o.peer = peer } }

// WithOverwrite gives a plain write, as a tool that knows nothing of first-write would do it.
func WithOverwrite(write func(ctx context.Context, key string, value []byte) error) Option {
	return func(o *options) { o.overwrite = write }
}

// WithRestart gives a way to kill what (the store, or only the sidecars in front of it) and start it again. restart returns
// when the store can be reached again through State and peer.
func WithRestart(what string, restart func(ctx context.Context) error) Option {
	return func(o *options) { o.restarted, o.restart = what, restart }
}

// WithBroker adds the advisory part about a broker.
func WithBroker(b *Broker) Option { return func(o *options) { o.broker = b } }

// BrokerOnly leaves the store alone; Run's state may then be nil.
func BrokerOnly() Option { return func(o *options) { o.noState = true } }

// PaceFor says how long the pace is measured, at most 10,000 keys; the default is 2 s.
func PaceFor(d time.Duration) Option { return func(o *options) { o.paceFor = d } }

// check is a property and how it is tried. try returns what it saw; a failure is an error, one that wraps errSkip
// says that the property could not be tried.
type check struct {
	Property
	try func(ctx context.Context, r *run) (seen string, err error)
}

// errSkip marks a property that cannot be tried with the options that were given.
var errSkip = errors.New("not tried")

func skip(why string) error { return fmt.Errorf("%w: %s", errSkip, why) }

// run is one run of the suite.
type run struct {
	options
	state    *recorder // the sidecar.State under test; it remembers what must be deleted
	prefix   string    // of all keys, ending in a slash
	measured Pace
}

// Properties lists everything that Run can try, in its order.
func Properties() []Property {
	var all []Property
	for _, c := range append(stateChecks(), brokerChecks()...) {
		all = append(all, c.Property)
	}
	return all
}

// stateChecks are the properties of a store in the order in which they are tried: what most rests on comes first.
func stateChecks() []check {
	return slices.Concat(createChecks(), replaceChecks(), readChecks(), valueChecks(), keyChecks(), troubleChecks(), paceChecks())
}

// Run tries every property and calls report, if it is not nil, after each. The error says that the suite could not be
// carried out (the store was not reached within 30 s, ctx ended); the Verdict then holds what was found until then. It
// takes about twenty seconds on a fast store. Run waits for every goroutine that it starts.
func Run(ctx context.Context, state sidecar.State, report func(Result), opts ...Option) (Verdict, error) {
	r := &run{options: options{paceFor: 2 * time.Second}, prefix: "conformance/" + strings.ReplaceAll(uuid.NewString(), "-", "")[:runIDBytes] + "/"}
	for _, o := range opts {
		o(&r.options)
	}
	var checks []check
	if !r.noState {
		checks = stateChecks()
		r.state = &recorder{state, &ledger{keys: map[string]bool{}}}
		if r.peer != nil {
			r.peer = &recorder{r.peer, r.state.ledger}
		}
		if err := r.reach(ctx); err != nil {
			return Verdict{}, err
		}
	}
	if r.broker != nil {
		checks = append(checks, brokerChecks()...)
	}
	var v Verdict
	for _, c := range checks {
		began := time.Now()
		seen, err := c.try(ctx, r)
		if ctx.Err() != nil {
			break // what was seen meanwhile says nothing about the store
		}
		result := Result{Property: c.Property, Outcome: Held, Detail: seen, Took: time.Since(began)}
		if err != nil {
			result.Outcome, result.Detail = Failed, strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		if errors.Is(err, errSkip) {
			result.Outcome = Skipped
		}
		v.Results = append(v.Results, result)
		if report != nil {
			report(result)
		}
	}
	v.Pace = r.measured
	if !r.noState {
		v.Left = r.clean(context.WithoutCancel(ctx))
	}
	return v, ctx.Err()
}

// reach waits until the store takes a write: one that is still starting is not a bad one. One that answers reads and
// refuses every write is there, and for the checks to judge; so is one that loses an acknowledged write.
func (r *run) reach(ctx context.Context) error {
	const refusals = 10
	within, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	key := r.key("reach")
	for n := 1; ; n++ {
		err := r.state.Create(within, key, []byte(`1`))
		item, readErr := r.state.Get(within, key)
		if readErr == nil && (item.Value != nil || err == nil || n >= refusals) {
			return nil
		}
		if !pause(within, 10*firstPause) {
			return fmt.Errorf("the store was not reached within %s: %w", reachWithin, errors.Join(err, readErr))
		}
	}
}

// clean deletes everything and says what it could not delete. A late write may still leave a key behind.
func (r *run) clean(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, cleanWithin)
	defer cancel()
	keys := r.state.written()
	var failed atomic.Int64
	each(cleanParallelism, len(keys), func(i int) {
		if err := again(ctx, func() error { return r.state.Delete(ctx, keys[i]) }); err != nil {
			failed.Add(1)
		}
	})
	if n := failed.Load(); n > 0 {
		return fmt.Sprintf("%d of %d keys below %s could not be deleted", n, len(keys), r.prefix)
	}
	return ""
}

// key is a key of this run.
func (r *run) key(parts ...any) string {
	text := make([]string, len(parts))
	for i, p := range parts {
		text[i] = fmt.Sprint(p)
	}
	return r.prefix + strings.Join(text, "/")
}

// other is the way that another process of the shop would take to the store.
func (r *run) other() sidecar.State {
	if r.peer != nil {
		return r.peer
	}
	return r.state
}

// again calls a few times until the call succeeds: one hiccup on the way is not a property of a store.
func again(ctx context.Context, call func() error) error {
	wait := firstPause
	for n := 1; ; n++ {
		err := call()
		if err == nil || n == maxTries || !pause(ctx, wait) {
			return err
		}
		wait *= 2
	}
}

// pause is false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// each calls do(0) … do(n-1) on up to workers goroutines and returns when all are done.
func each(workers, n int, do func(i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(workers, n) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	all.Wait()
}

// recorder is a State that remembers in a ledger which keys were written. It is safe for concurrent use.
type recorder struct {
	sidecar.State
	*ledger
}

type ledger struct {
	mu   sync.Mutex
	keys map[string]bool
}

func (l *ledger) note(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys[key] = true
}

func (l *ledger) written() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.keys))
}

// Create notes the key first: after an error it may be there.
func (s *recorder) Create(ctx context.Context, key string, value []byte) error {
	s.note(key)
	return s.State.Create(ctx, key, value)
}

// Replace notes the key: some stores create with it.
func (s *recorder) Replace(ctx context.Context, key string, value []byte, etag string) error {
	s.note(key)
	return s.State.Replace(ctx, key, value, etag)
}
