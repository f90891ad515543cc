package journal

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// maxLookSegments is how many segments one step of catching up reads at most.
const maxLookSegments = maxBulkSegmentKeys * maxParallelReads

// look learns where the head is: it applies every segment of other writers after ours, or starts again from the
// snapshot when those were trimmed. It retries until ctx ends and tells whether the head moved.
func (s *shard[S]) look(ctx context.Context) (moved bool, err error) {
	before := s.head().seq
	err = s.catchUp(ctx)
	if errors.Is(err, errTrimmedAhead) {
		s.log.Warn("this process was away for so long that its place in the journal is gone; loading the snapshot", "head", before)
		err = s.load(ctx)
	}
	s.report(err)
	return s.head().seq != before, err
}

// catchUp applies the segments after the head until a number is free. It reads more at a time the more there are, and
// less after a failure, so that a slow store does not keep it from getting anywhere.
func (s *shard[S]) catchUp(ctx context.Context) error {
	backOff := firstBackOff
	for window := 1; ; {
		began, next := s.journal.deps.Now(), s.head().seq+1
		found, err := s.fetch(ctx, next, window)
		if isFatal(err) {
			return err
		}
		if err != nil {
			if ended := pause(ctx, backOff); ended != nil {
				return fmt.Errorf("%w (last: %w)", ended, err)
			}
			backOff, window = min(2*backOff, maxBackOff), max(window/4, 1)
			continue
		}
		if err := s.believe(ctx, next); err != nil {
			return err
		}
		if err := s.adopt(found); err != nil {
			return err
		}
		if len(found) < window {
			s.headKnown = began
			return nil
		}
		backOff, window = firstBackOff, min(4*window, maxLookSegments)
	}
}

// fetch reads segments once, with the time that their number may take.
func (s *shard[S]) fetch(ctx context.Context, from uint64, count int) ([]stored, error) {
	within := s.journal.cfg.attemptWithin()
	if count > 1 {
		within *= 2
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return s.reader.many(ctx, from, count)
}

// adopt applies other writers' committed segments.
func (s *shard[S]) adopt(found []stored) error {
	if len(found) == 0 {
		return nil
	}
	v := s.head().clone(s.journal.machine)
	for _, f := range found {
		key := s.journal.keys.Segment(s.number, f.segment.Seq)
		if err := v.applySegment(s.journal.machine, s.journal.types, f.segment, key); err != nil {
			return err
		}
	}
	for _, f := range found {
		s.recent.add(f)
	}
	s.advance(v)
	return nil
}

// believe says whether what was just learned about the number seq, the one after the head, may be believed. After a
// long time without knowing the head the number may have been trimmed; then a free number, a segment found there
// and even a write that succeeded mean nothing. It is to be asked after the fact, never before only: the time may
// have passed between the asking and the fact.
func (s *shard[S]) believe(ctx context.Context, seq uint64) error {
	if s.journal.elapsed(s.headKnown) <= s.journal.cfg.StaleAfter {
		return nil
	}
	var h Header
	err := retry(ctx, s.journal.cfg.attemptWithin(), func(ctx context.Context) (err error) {
		h, _, err = s.readHeader(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if h.TrimmedThrough >= seq {
		return errTrimmedAhead
	}
	return nil
}

// elapsed is the time since an instant, by the clock that says more: the monotonic clock stops while a machine
// sleeps, the wall clock can be set back. Since a zero time it is for ever.
func (j *Journal[S]) elapsed(since time.Time) time.Duration {
	if since.IsZero() {
		return 1<<63 - 1
	}
	now := j.deps.Now()
	return max(now.Sub(since), now.Round(0).Sub(since.Round(0)))
}
