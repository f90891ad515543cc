package follow

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Follower applies one source's journal to the own one. Its methods are safe for concurrent use.
type Follower struct {
	cfg     Config
	deps    Deps
	metrics *metrics
	levels  levels

	away      quiet // about the source
	strangers quiet // about what the broker delivers

	running atomic.Pointer[running] // nil until the source's shards are known
}

// running is what exists once the number of the source's shards is known.
type running struct {
	journal string      // identity of the source's journal
	feeds   []*feed     // by source shard
	workers [][]*worker // by source shard, own shard
}

// New checks cfg and makes a Follower; it does nothing until Run.
func New(cfg Config, deps Deps) (*Follower, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(deps); err != nil {
		return nil, err
	}
	deps.Log = deps.Log.With("follower", cfg.Follower, "source", cfg.Source)
	f := &Follower{cfg: cfg, deps: deps}
	f.away.log, f.away.now = deps.Log, deps.Now
	f.strangers.log, f.strangers.now = deps.Log, deps.Now
	f.metrics = newMetrics(cfg.Source)
	if deps.Metrics != nil {
		if err := deps.Metrics.Register(f); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// Source names the service that is followed.
func (f *Follower) Source() string { return f.cfg.Source }

// Run follows until ctx ends and then returns nil; it waits for the own journal to be loaded and for the source
// to be reachable, however long that takes.
func (f *Follower) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-f.deps.Target.Loaded():
	}
	source, ok := f.discover(ctx)
	if !ok {
		return nil
	}
	r := f.arrange(source)
	f.running.Store(r)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { f.look(ctx, r); return nil })
	for shard, fd := range r.feeds {
		group.Go(func() error { f.pull(ctx, fd); return nil })
		for _, w := range r.workers[shard] {
			group.Go(func() error { w.run(ctx); return nil })
		}
	}
	return group.Wait()
}

// discover waits for the first answer of the source that fits what was applied from it; false when ctx ended before.
func (f *Follower) discover(ctx context.Context) (headsOf, bool) {
	wait := backOff{first: f.cfg.BackOffFirst / 4, bound: f.cfg.PollEvery}
	for ctx.Err() == nil {
		source, err := f.heads(ctx)
		if err == nil {
			err = f.checkOrigin(source)
		}
		if err == nil {
			f.away.worked("the source")
			return source, true
		}
		f.away.failed(ctx, "the source does not tell its heads; trying again", err)
		wait.wait(ctx)
	}
	return headsOf{}, false
}

// arrange makes a feed for each source shard and a worker for each pair of shards.
func (f *Follower) arrange(source headsOf) *running {
	own, shards := f.deps.Target.Shards(), len(source.Heads)
	r := &running{journal: source.Journal, feeds: make([]*feed, shards), workers: make([][]*worker, shards)}
	for shard, head := range source.Heads {
		fd := newFeed(source.Journal, shard, own, f.cfg, f.deps.Now)
		for i := range own {
			seq, _ := f.deps.Target.Progress(i, f.cfg.Source, shard)
			fd.positions[i].Store(seq)
			r.workers[shard] = append(r.workers[shard], newWorker(f, fd, i))
		}
		fd.observe(head)
		r.feeds[shard] = fd
	}
	return r
}

// Deliver takes a pushed segment, as the broker delivered it. It never fails and never blocks for long: what
// cannot be used now is pulled later. news is false when the segment was known already or cannot be used.
func (f *Follower) Deliver(ctx context.Context, data []byte) (news bool) {
	r := f.running.Load()
	if r == nil || len(data) > sidecar.MaxValueBytes {
		f.metrics.pushesDropped.Inc()
		return false
	}
	s, err := f.readPushed(r, data)
	if errors.Is(err, errKnown) {
		f.metrics.duplicates.Inc()
		return false
	}
	if err != nil {
		f.metrics.pushesDropped.Inc()
		f.strangers.failed(ctx, "a pushed segment cannot be used and is dropped", err)
		return false
	}
	news = r.feeds[s.Shard].add(s)
	if !news {
		f.metrics.duplicates.Inc()
	}
	return news
}

// errKnown says that a push is of a segment that is here already.
var errKnown = errors.New("the segment is known")

// readPushed reads a segment that is news: unpacking one for nothing would be the larger part of the work.
func (f *Follower) readPushed(r *running, data []byte) (*segment, error) {
	var d journal.Document
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, err
	}
	if err := f.check(r.journal, d); err != nil {
		return nil, err
	}
	if d.Shard < 0 || d.Shard >= len(r.feeds) {
		return nil, errors.New("the segment's shard does not exist")
	}
	if r.feeds[d.Shard].knows(d.Seq) {
		return nil, errKnown
	}
	return f.open(d)
}

// look asks the source for its heads again and again: it finds lost tails, feeds LevelAt, and acknowledges. It asks a source that is away
// as often: a source publishes only once it was asked (host's audience), so one that has come back is not to wait for us.
func (f *Follower) look(ctx context.Context, r *running) {
	var ackedAt, allAckedAt time.Time
	acked := make([]uint64, len(r.feeds))
	for ; ctx.Err() == nil; f.rest(ctx) {
		began := f.deps.Now()
		source, err := f.heads(ctx)
		if err == nil {
			err = f.takeHeads(r, source, began)
		}
		if err != nil {
			f.away.failed(ctx, "the source does not tell its heads; trying again", err)
			continue
		}
		f.away.worked("the source")
		now := f.deps.Now()
		if now.Sub(allAckedAt) >= repeatAcksAfter {
			allAckedAt = now
			clear(acked) // the source may have restarted, and trims nothing before it has heard of us again
		}
		if now.Sub(ackedAt) >= f.cfg.AckEvery {
			ackedAt = now
			f.acknowledge(ctx, r, acked)
		}
	}
}

// rest pauses between two looks. A fifth of jitter keeps the followers of one source from asking in step.
func (f *Follower) rest(ctx context.Context) {
	pause(ctx, f.cfg.PollEvery-f.cfg.PollEvery/10+rand.N(f.cfg.PollEvery/5+1))
}

// takeHeads spreads an answer to the feeds.
func (f *Follower) takeHeads(r *running, source headsOf, began time.Time) error {
	if err := f.sameJournal(r.journal, source.Journal); err != nil {
		return err
	}
	heads := source.Heads
	if len(heads) != len(r.feeds) {
		return errors.New("the source has another number of shards than at our start: its data was moved; restart this service")
	}
	f.levels.add(began, heads)
	for shard, fd := range r.feeds {
		fd.observe(heads[shard])
		if low := f.durable(shard); heads[shard] < low {
			// Its store was replaced or rolled back. Going on would skip what it writes under the old numbers.
			return errors.New("the source ends before what was applied from it: it has lost data, or its store was replaced")
		}
	}
	f.levels.settle(r)
	return nil
}

// durable is the number up to which every own shard has recorded the source shard; a restart begins there.
func (f *Follower) durable(sourceShard int) uint64 {
	low, _ := f.deps.Target.Progress(0, f.cfg.Source, sourceShard)
	for own := 1; own < f.deps.Target.Shards(); own++ {
		seq, _ := f.deps.Target.Progress(own, f.cfg.Source, sourceShard)
		low = min(low, seq)
	}
	return low
}

// acknowledge tells the source what has become durable since the last time, in place of the pulls that did not
// happen because every push arrived.
func (f *Follower) acknowledge(ctx context.Context, r *running, acked []uint64) {
	for shard, fd := range r.feeds {
		durable := f.durable(shard)
		if durable <= acked[shard] {
			continue
		}
		head, _ := fd.top(0)
		if _, _, err := f.fetch(ctx, r.journal, shard, head, 1, durable); err != nil {
			f.away.failed(ctx, "the source does not take an acknowledgement; trying again", err)
			return
		}
		acked[shard] = durable
	}
}

// LevelAt is an instant of the own clock before which every event of the source has been applied, parked or
// passed over; zero until there is one. It never goes back.
func (f *Follower) LevelAt() time.Time { return f.levels.reached() }
