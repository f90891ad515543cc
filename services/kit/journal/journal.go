package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// Journal is the journal of one service with the committed state of all its shards. Make it with New, give it life with
// Run; all other methods are safe for concurrent use, and before Loaded they answer that they are unavailable.
type Journal[S any] struct {
	cfg     Config
	machine Machine[S]
	types   Types
	deps    Deps
	keys    Keys
	metrics *metrics

	requests requests

	started atomic.Bool
	id      string        // set before loaded is closed
	shards  []*shard[S]   // set before loaded is closed
	loaded  chan struct{} // closed when every shard is loaded
	stopped chan struct{} // closed when Run returns

	hindrance atomic.Pointer[error] // why it could not be loaded at the last try
}

var errNotLoaded = errors.New("journal: still loading")

// New checks cfg and deps; everything that is wrong is in the error. It does nothing to the store. The metrics are
// registered here, so a Registerer takes one journal; it adds the service's name.
func New[S any](cfg Config, m Machine[S], deps Deps) (*Journal[S], error) {
	cfg = cfg.withDefaults()
	errs := []error{cfg.validate()}
	if deps.State == nil {
		errs = append(errs, errors.New("journal: Deps.State is missing"))
	}
	if deps.Writer == "" {
		errs = append(errs, errors.New("journal: Deps.Writer is missing"))
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	metrics, err := newMetrics(deps.Metrics)
	if err != nil {
		return nil, err
	}
	return &Journal[S]{
		cfg: cfg, machine: m, types: m.Types(), deps: deps, keys: Keys{cfg.Service}, metrics: metrics,
		loaded: make(chan struct{}), stopped: make(chan struct{}),
	}, nil
}

// Run loads every shard, then works until ctx ends; it owns every goroutine of the journal and may be called once. A
// commit under way when ctx ends is finished within CommitWithin; what still waits is answered as unavailable.
// An error other than nil means that the process must not go on with this journal.
func (j *Journal[S]) Run(ctx context.Context) error {
	if !j.started.CompareAndSwap(false, true) {
		return errors.New("journal: Run was called before")
	}
	defer close(j.stopped)
	if err := j.load(ctx); err != nil {
		if ctx.Err() != nil && !isFatal(err) {
			return nil
		}
		return err
	}
	close(j.loaded)
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range j.shards {
		g.Go(func() error { return s.work(ctx) })
		g.Go(func() error { return s.maintain(ctx) })
		g.Go(func() error { return s.publish.run(ctx) })
	}
	return g.Wait()
}

// load agrees on the number of shards and the identity, and loads all shards.
func (j *Journal[S]) load(ctx context.Context) error {
	meta, err := j.agreeOnMeta(ctx)
	if err != nil {
		return err
	}
	j.id = meta.ID
	for n := range meta.Shards {
		j.shards = append(j.shards, newShard(j, n))
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range j.shards {
		g.Go(func() error { return s.load(ctx) })
	}
	return g.Wait()
}

// Loaded is closed when every shard is loaded.
func (j *Journal[S]) Loaded() <-chan struct{} { return j.loaded }

func (j *Journal[S]) isLoaded() bool {
	select {
	case <-j.loaded:
		return true
	default:
		return false
	}
}

// Ready is nil when the journal can commit, as far as its last dealings with the store showed.
func (j *Journal[S]) Ready() error {
	if !j.isLoaded() {
		if why := j.hindrance.Load(); why != nil {
			return unavailable(fmt.Errorf("%w: %w", errNotLoaded, *why))
		}
		return unavailable(errNotLoaded)
	}
	select {
	case <-j.stopped:
		return unavailable(errStopped)
	default:
	}
	for _, s := range j.shards {
		if trouble := s.trouble.Load(); trouble != nil {
			return unavailable(*trouble)
		}
		if s.head().system.moved != nil {
			return errMoved
		}
	}
	return nil
}

// Shards is the number of shards, 0 before Loaded.
func (j *Journal[S]) Shards() int {
	if !j.isLoaded() {
		return 0
	}
	return len(j.shards)
}

// ShardOf is the shard of an aggregate: xxhash64 of its id modulo the number of shards, for ever. Valid after Loaded.
func (j *Journal[S]) ShardOf(aggregateID string) int {
	if !j.isLoaded() {
		return 0
	}
	return int(xxhash.Sum64String(aggregateID) % uint64(len(j.shards)))
}

func (j *Journal[S]) shard(n int) (*shard[S], error) {
	if !j.isLoaded() {
		return nil, unavailable(errNotLoaded)
	}
	if n < 0 || n >= len(j.shards) {
		return nil, errs.Newf(errs.NotFound, errs.CodeNotFound, "%s has no shard %d", j.cfg.Service, n)
	}
	return j.shards[n], nil
}

// Do gives cmd to the shard of the aggregate; see DoShard.
func (j *Journal[S]) Do(ctx context.Context, aggregateID string, cmd Command) (Result, error) {
	return j.DoShard(ctx, j.ShardOf(aggregateID), cmd)
}

// DoShard decides cmd and answers when its effect is committed. The error is what Decide refused with, unchanged;
// errs.Overloaded when too many commands wait; errs Unavailable when nothing was changed; errs.OutcomeUnknown when ctx or
// CommitWithin ended while the command may have been part of a write. All but Decide's own are safe to repeat.
func (j *Journal[S]) DoShard(ctx context.Context, shard int, cmd Command) (Result, error) {
	r, err := j.enqueue(ctx, shard, cmd)
	if err != nil {
		return Result{}, err
	}
	return j.await(r)
}

// State is the latest committed state of a shard. It is immutable: read it for as long as you like. Before Loaded it
// is the zero S.
func (j *Journal[S]) State(shard int) S {
	s, err := j.shard(shard)
	if err != nil {
		var none S
		return none
	}
	return s.head().domain
}

// Changed is closed when the shard's committed state is a later one than at the time of the call: take it before
// State, then wait. Before Loaded, and for a shard that does not exist, it is closed when the journal stops.
func (j *Journal[S]) Changed(shard int) <-chan struct{} {
	s, err := j.shard(shard)
	if err != nil {
		return j.stopped
	}
	return s.head().moved
}

// syncAll is Sync for every shard at once.
func (j *Journal[S]) syncAll(ctx context.Context) error {
	if !j.isLoaded() {
		return unavailable(errNotLoaded)
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range j.shards {
		g.Go(func() error { return s.sync(ctx) })
	}
	return g.Wait()
}

// Sync returns when State holds whatever any writer committed before the call. Concurrent calls share one read.
func (j *Journal[S]) Sync(ctx context.Context, shard int) error {
	s, err := j.shard(shard)
	if err != nil {
		return err
	}
	return s.sync(ctx)
}

// Heads is the last committed segment known per shard; nil before Loaded.
func (j *Journal[S]) Heads() []uint64 {
	if !j.isLoaded() {
		return nil
	}
	heads := make([]uint64, len(j.shards))
	for n, s := range j.shards {
		heads[n] = s.head().seq
	}
	return heads
}

// Offset is the last segment of the source's shard that is wholly in this shard's committed state.
func (j *Journal[S]) Offset(shard int, source string, sourceShard int) uint64 {
	seq, _ := j.Progress(shard, source, sourceShard)
	return seq
}

// Progress is Offset, and how much of the segment after it is in: its events with an index below through.
func (j *Journal[S]) Progress(shard int, source string, sourceShard int) (seq uint64, through int) {
	s, err := j.shard(shard)
	if err != nil {
		return 0, 0
	}
	o := s.head().system.offset(source, sourceShard)
	return o.Seq, o.Through
}

// Origin is the identity of the source's journal that Progress is about; "" when nothing was applied yet.
func (j *Journal[S]) Origin(shard int, source string, sourceShard int) string {
	s, err := j.shard(shard)
	if err != nil {
		return ""
	}
	return s.head().system.offset(source, sourceShard).Journal
}

// Parked lists the parked events of all shards, the oldest first.
func (j *Journal[S]) Parked() []Parked {
	list := []Parked{}
	for n := range j.Shards() {
		j.shards[n].head().system.parked.Scan(func(_ string, p Parked) bool {
			list = append(list, p)
			return true
		})
	}
	sortParked(list)
	return list
}

// Unpark runs cmds on the parked event's shard and forgets the event, in one commit. If one of them is refused
// nothing of them is kept, the failed attempt is recorded with its reason, and the *StepError is returned.
func (j *Journal[S]) Unpark(ctx context.Context, id string, cmds []Command) error {
	shard, ok := shardOfParked(id)
	if !ok {
		return errParkedNotFound
	}
	_, err := j.DoShard(ctx, shard, unpark{id, cmds})
	if refused, ok := errors.AsType[*StepError](err); ok {
		if _, noted := j.DoShard(ctx, shard, recordFailure{id, refused.Err.Error()}); noted != nil {
			return fmt.Errorf("%w (and the attempt was not recorded: %v)", err, noted)
		}
	}
	return err
}

// Discard forgets a parked event without running anything.
func (j *Journal[S]) Discard(ctx context.Context, id string) error {
	shard, ok := shardOfParked(id)
	if !ok {
		return errParkedNotFound
	}
	_, err := j.DoShard(ctx, shard, discardParked{id})
	return err
}
