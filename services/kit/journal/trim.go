package journal

import (
	"context"
	"fmt"
	"iter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/services/kit/failpoint"
)

// deletedPerStep is how many deletes go between two notes of progress in the header.
const deletedPerStep = 500

// maintain writes snapshots and trims until ctx ends. What fails is logged and tried again when it is next due: the
// store stays loadable whatever happens here.
func (s *shard[S]) maintain(ctx context.Context) error {
	snapshots, trims := time.NewTicker(s.journal.cfg.SnapshotEvery), time.NewTicker(s.journal.cfg.TrimEvery)
	defer snapshots.Stop()
	defer trims.Stop()
	for {
		pass := s.snapshotAndSweep
		select {
		case <-ctx.Done():
			return nil
		case <-s.snapshotDue:
			if v := s.head(); !s.nextSnapshot.Load().reached(v.seq, v.bytes) {
				continue // it was due for what was committed during the last one, which has planned the next
			}
		case <-snapshots.C:
		case <-trims.C:
			pass = s.trim
		}
		if s.head().system.moved != nil {
			continue // what was left behind stays as it is
		}
		err := pass(ctx)
		if isFatal(err) {
			return err
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("upkeep of the journal failed; it will be tried again", "error", err)
		}
	}
}

func (s *shard[S]) snapshotAndSweep(ctx context.Context) error {
	if err := s.snapshot(ctx); err != nil {
		return err
	}
	return s.sweep(ctx)
}

// trim deletes the segments that nobody needs: in the snapshot, older than TrimAfter, durably passed by every
// registered follower, known to this process for long enough (see settledThrough), and shown to BeforeTrim. The header says so before the
// first is deleted (see believe), and remembers how far the deletes have come, so that another process goes on where
// this one dies.
func (s *shard[S]) trim(ctx context.Context) error {
	h, _, err := s.readHeader(ctx)
	if err != nil {
		return err
	}
	target, err := s.oldThrough(ctx, h.TrimmedThrough, min(h.Seq, s.passedByAll(), s.settledThrough()))
	if err != nil {
		return err
	}
	if show := s.journal.deps.BeforeTrim; show != nil && target > h.TrimmedThrough {
		if err := show(ctx, s.number, s.between(ctx, h.TrimmedThrough, target)); err != nil {
			return fmt.Errorf("journal: shard %d is not trimmed: %w", s.number, err)
		}
	}
	h, err = s.changeHeader(ctx, func(h *Header) bool {
		if h.TrimmedThrough >= target {
			return false
		}
		h.TrimmedThrough = target
		return true
	})
	if err != nil {
		return err
	}
	for from := h.DeletedThrough + 1; from <= h.TrimmedThrough; from += deletedPerStep {
		through := min(from+deletedPerStep-1, h.TrimmedThrough)
		if err := s.deleteSegments(ctx, from, through); err != nil {
			return err
		}
		var deleted uint64 // that nobody has noted before us; a step that failed half-way deletes some of them again
		_, err := s.changeHeader(ctx, func(h *Header) bool {
			if h.DeletedThrough >= through {
				return false
			}
			deleted = through - h.DeletedThrough
			h.DeletedThrough = through
			return true
		})
		if err != nil {
			return err
		}
		s.journal.metrics.trimmed.Add(float64(deleted))
	}
	return nil
}

// sighting is a head and when it was seen.
type sighting struct {
	seq uint64
	at  time.Time
}

// settledThrough is the last segment that this process has known for twice StaleAfter. A segment's own time does not
// say when it landed: the write of a process that was paused lands with a time long past, and trimming it at once
// would make a hole that others, who have just seen the number free, believe. So a number is trimmed only when
// everybody who last knew it to be free has become stale, whatever the clocks of writers say.
func (s *shard[S]) settledThrough() uint64 {
	now, needed := s.journal.deps.Now(), 2*s.journal.cfg.StaleAfter
	// Here the clock that says less counts: a clock that is set forward must not make a sighting old.
	if seen := s.sighted.at; seen.IsZero() || min(now.Sub(seen), now.Round(0).Sub(seen.Round(0))) >= needed {
		s.settled = s.sighted.seq
		s.sighted = sighting{s.head().seq, now}
	}
	return s.settled
}

// oldThrough finds the last segment in (from, to] that is older than TrimAfter, by halving: times never go back.
func (s *shard[S]) oldThrough(ctx context.Context, from, to uint64) (uint64, error) {
	before := s.journal.deps.Now().Add(-s.journal.cfg.TrimAfter)
	for from < to {
		middle := from + (to-from+1)/2
		found, ok, err := s.reader.one(ctx, middle)
		if err != nil {
			return 0, fmt.Errorf("journal: looking for segments to trim in shard %d: %w", s.number, err)
		}
		if !ok || found.segment.At.Before(before) { // missing: another replica has trimmed it
			from = middle
		} else {
			to = middle - 1
		}
	}
	return from, nil
}

// between gives the segments in (after, through] in order, without those that another replica trims meanwhile. It can be
// ranged over more than once.
func (s *shard[S]) between(ctx context.Context, after, through uint64) iter.Seq2[Segment, error] {
	return func(yield func(Segment, error) bool) {
		for next := after + 1; next <= through; {
			call, cancel := context.WithTimeout(ctx, storeCallWithin)
			found, err := s.reader.many(call, next, int(min(through-next+1, maxLookSegments)))
			cancel()
			if err == nil && len(found) == 0 {
				var h Header
				if h, _, err = s.readHeader(ctx); err == nil && h.TrimmedThrough < next {
					err = errMissing
				}
				next = h.TrimmedThrough + 1
			}
			if err != nil {
				yield(Segment{}, err)
				return
			}
			for _, f := range found {
				if !yield(f.segment, nil) {
					return
				}
				next = f.segment.Seq + 1
			}
		}
	}
}

func (s *shard[S]) deleteSegments(ctx context.Context, from, through uint64) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(maxParallelDeletes)
	for seq := from; seq <= through; seq++ {
		g.Go(func() error {
			call, cancel := context.WithTimeout(ctx, storeCallWithin)
			defer cancel()
			if err := s.journal.deps.State.Delete(call, s.journal.keys.Segment(s.number, seq)); err != nil {
				return fmt.Errorf("journal: trimming segment %d of shard %d: %w", seq, s.number, err)
			}
			failpoint.Hit(failpoint.Trim)
			return nil
		})
	}
	return g.Wait()
}
