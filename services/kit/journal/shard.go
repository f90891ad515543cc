package journal

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// shard is one shard of a journal. The goroutine of work is the only one that decides, commits and applies;
// everybody else reads the committed view.
type shard[S any] struct {
	journal *Journal[S]
	number  int
	log     *slog.Logger
	reader  reader
	recent  *recent
	publish *publisher

	queue     chan *request
	committed atomic.Pointer[view[S]]
	trouble   atomic.Pointer[error] // why the store could not be used last time; nil when it could

	syncs struct {
		sync.Mutex
		next *syncRound
	}
	syncDue chan struct{} // room for one: a round waits

	snapshotDue    chan struct{}
	nextSnapshot   atomic.Pointer[snapshotPoint]
	trimmedThrough atomic.Uint64 // as the last header read said; another replica may have gone further

	acks struct { // how far followers have durably come, as far as this process was told
		sync.Mutex
		through map[string]uint64
	}

	// Owned by the goroutine of maintain.
	sighted sighting // will be settled when it is old enough
	settled uint64   // see settledThrough

	// Owned by the goroutine of work (of load, before that).
	batch     uint64     // number of the last batch written
	headKnown time.Time  // an instant at which no number after the head was committed; zero: never known
	unsettled bool       // a write of the number after the head may still land
	carried   []*request // had no room in the last batch
	pace      pace
	room      room // for the records of the next batch
}

func newShard[S any](j *Journal[S], number int) *shard[S] {
	log := j.deps.Log.With("shard", number)
	s := &shard[S]{
		journal:     j,
		number:      number,
		log:         log,
		reader:      reader{state: j.deps.State, keys: j.keys, service: j.cfg.Service, journal: j.id, shard: number},
		recent:      &recent{maxBytes: j.cfg.RecentBytes},
		publish:     &publisher{publish: j.deps.Publish, waiting: make(chan announcement, maxPublishSegments), metrics: j.metrics, log: log},
		queue:       make(chan *request, j.cfg.MaxQueueCommands),
		syncDue:     make(chan struct{}, 1),
		snapshotDue: make(chan struct{}, 1),
	}
	s.acks.through = make(map[string]uint64)
	s.committed.Store(emptyView(j.machine))
	s.nextSnapshot.Store(&snapshotPoint{seq: math.MaxUint64}) // until load knows the last one
	return s
}

func (s *shard[S]) head() *view[S] { return s.committed.Load() }

// work commits what is asked and keeps up with other writers until ctx ends. Its error is fatal.
func (s *shard[S]) work(ctx context.Context) error {
	poll := time.NewTimer(s.pollIn())
	defer poll.Stop()
	for ctx.Err() == nil {
		var err error
		if len(s.carried) > 0 {
			err = s.commit(ctx, s.gather(nil))
		} else {
			select {
			case <-ctx.Done():
				return nil
			case r := <-s.queue:
				err = s.commitPaced(ctx, r)
			case <-s.syncDue:
				err = s.serveSyncs(ctx)
			case <-poll.C:
				err = s.poll(ctx)
				poll.Reset(s.pollIn())
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// commitPaced rests if it is time to, and commits what waits then, first included.
func (s *shard[S]) commitPaced(ctx context.Context, first *request) error {
	s.pace.rest(ctx, 1+len(s.queue))
	batch, began, written := s.gather(first), time.Now(), s.batch
	commands := len(batch)
	err := s.commit(ctx, batch)
	if s.batch != written { // refusals write nothing and are cheap: nobody rests after them
		now := time.Now()
		s.pace.committed(now, commands, now.Sub(began))
	}
	return err
}

// gather takes what was carried over and what waits, up to the bound; it never waits for more.
func (s *shard[S]) gather(first *request) []*request {
	s.journal.metrics.queue.WithLabelValues(shardLabel(s.number)).Set(float64(len(s.queue)))
	batch := slices.Grow(s.carried, min(len(s.queue)+1, s.journal.cfg.MaxBatchCommands))
	s.carried = nil
	if first != nil {
		batch = append(batch, first)
	}
	for len(batch) < s.journal.cfg.MaxBatchCommands {
		select {
		case r := <-s.queue:
			batch = append(batch, r)
		default:
			return batch
		}
	}
	return batch
}

// pollIn is the time to the next look at the head, spread so that replicas do not look at the same instant.
func (s *shard[S]) pollIn() time.Duration {
	every := s.journal.cfg.PollEvery
	return every*3/4 + rand.N(every/2+1)
}

// poll looks for segments of other writers, unless a commit has just shown where the head is.
func (s *shard[S]) poll(ctx context.Context) error {
	if s.journal.elapsed(s.headKnown) < s.journal.cfg.PollEvery/2 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.journal.cfg.CommitWithin)
	defer cancel()
	if _, err := s.look(ctx); isFatal(err) {
		return err
	}
	return nil
}

// advance makes v the committed state.
func (s *shard[S]) advance(v *view[S]) {
	old := s.committed.Swap(v)
	close(old.moved)
	s.tellMove(old, v)
	s.unsettled = false // whatever was under way was for a number that is taken now
	s.journal.metrics.head.WithLabelValues(shardLabel(s.number)).Set(float64(v.seq))
	if s.nextSnapshot.Load().reached(v.seq, v.bytes) {
		select {
		case s.snapshotDue <- struct{}{}:
		default:
		}
	}
}

// tellMove logs that the shard was moved to another store, or goes on.
func (s *shard[S]) tellMove(old, v *view[S]) {
	switch was, is := old.system.moved, v.system.moved; {
	case was == nil && is != nil:
		s.log.Warn("this shard was moved to another store: nothing is committed here any more", "to", is.To, "copy", is.Copy, "head", v.seq)
	case was != nil && is == nil:
		s.log.Info("this shard goes on after a move", "copy", was.Copy, "head", v.seq)
	}
}

// report keeps what Ready says and logs when the store goes and when it comes back, not at every call.
func (s *shard[S]) report(err error) {
	if err == nil {
		if s.trouble.Swap(nil) != nil {
			s.log.Info("the state store answers again", "head", s.head().seq)
		}
		return
	}
	if isFatal(err) || errors.Is(err, context.Canceled) {
		return // Run is about to return
	}
	if s.trouble.Swap(&err) == nil {
		s.log.Warn("the state store does not answer as it should", "head", s.head().seq, "error", err)
	}
}
