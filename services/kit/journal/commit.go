package journal

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/failpoint"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// verdict is how one attempt to commit a trial ended.
type verdict uint8

const (
	untried verdict = iota // nothing was written and nothing will land
	won                    // the segment is committed
	lost                   // another writer's segment has the number and is applied; nothing of ours will land
	unknown                // the write may or may not land, now or later
)

// commit answers a batch. It finishes what it has begun even when run ends, within CommitWithin. Its error is fatal.
func (s *shard[S]) commit(run context.Context, batch []*request) error {
	cfg, started := s.journal.cfg, s.journal.deps.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(run), cfg.CommitWithin)
	defer cancel()
	if s.journal.elapsed(s.headKnown) > cfg.StaleAfter {
		if _, err := s.look(ctx); err != nil {
			return s.refuse(batch, untried, err)
		}
	}
	for range maxDecideRounds {
		batch = slices.DeleteFunc(batch, func(r *request) bool { return !r.take() })
		t, decided, rest := s.decide(batch)
		s.room = t.room()
		if len(decided) == 0 {
			return nil
		}
		v, err := s.settle(ctx, t)
		switch v {
		case won:
			s.carried = rest
			s.answer(decided, t)
			s.journal.metrics.commitSeconds.Observe(s.journal.deps.Now().Sub(started).Seconds())
			return nil
		case lost:
			s.journal.metrics.conflicts.Inc()
			batch = append(decided, rest...)
			if err != nil {
				return s.refuse(batch, untried, err)
			}
		default:
			s.carried = rest
			return s.refuse(decided, v, err)
		}
	}
	return s.refuse(batch, untried, errContended)
}

// decide tries the commands in order on a clone of the committed state. Those that have no room are the rest; one on
// which the domain panics is answered and left out, and the others are decided anew without it.
func (s *shard[S]) decide(batch []*request) (t *trial[S], decided, rest []*request) {
again:
	head := s.head()
	now := s.journal.deps.Now().UTC().Round(0)
	if now.Before(head.at) { // clocks of writers differ; time in a journal never goes back
		now = head.at
	}
	at := At{Shard: s.number, Seq: head.seq + 1, Time: now}
	t = newTrial(s.journal.machine, s.journal.cfg, s.journal.types, head, at, s.room)
	for i, r := range batch {
		t.at.Trace = httpx.TraceMark(r.ctx)
		err := t.decide(r.cmd)
		if p, spoiled := err.(*panicError); spoiled {
			s.logPanic(p)
			r.answer(outcome{err: errPanicked(p)})
			batch, s.room = slices.Delete(batch, i, i+1), t.room()
			goto again
		}
		if err != nil { // errFull
			return t, batch[:i:i], batch[i:]
		}
		if p, ok := errors.AsType[*panicError](t.answers[i].err); ok { // of a follower's step
			s.logPanic(p)
		}
	}
	return t, batch, nil
}

func (s *shard[S]) logPanic(p *panicError) {
	s.log.Error("the service panicked on a command", "panic", p.value, "stack", string(p.stack))
}

// settle makes the trial's answers true: by committing its events, or, when it has none, by making sure that they
// were decided on the newest state.
func (s *shard[S]) settle(ctx context.Context, t *trial[S]) (verdict, error) {
	if len(t.records) > 0 || s.unsettled {
		return s.write(ctx, t)
	}
	moved, err := s.look(ctx)
	switch {
	case err != nil:
		return untried, err
	case moved:
		return lost, nil
	}
	t.view, t.at = s.head(), At{Shard: s.number, Seq: s.head().seq, Time: s.head().at}
	return won, nil
}

// write creates the trial's segment and finds out what became of it.
func (s *shard[S]) write(ctx context.Context, t *trial[S]) (verdict, error) {
	s.batch++
	segment := Segment{
		Version: SegmentVersion, Service: s.journal.cfg.Service, Journal: s.journal.id, Shard: s.number, Seq: t.at.Seq,
		Writer: s.journal.deps.Writer, Batch: s.batch, At: t.at.Time, Trace: t.callers.share(t.records), Events: t.records,
	}
	if segment.Events == nil {
		segment.Events = []Record{} // a fence: it only takes the number
	}
	encoded, err := segment.encode(s.journal.cfg.SegmentVersion)
	if err != nil {
		return untried, err
	}
	began := s.journal.deps.Now()
	v, err := s.create(ctx, segment, encoded)
	if v == won {
		failpoint.Hit(failpoint.AfterCommit)
		v, err = s.confirm(ctx, segment.Seq)
	}
	s.report(err)
	switch v {
	case won:
		s.headKnown = began
		s.accept(t, segment, encoded)
	case lost:
		_, err = s.look(ctx)
	case unknown:
		s.unsettled = true
		s.journal.metrics.unknown.Inc()
	}
	return v, err
}

// create writes the segment until it is known whose the number is. After any error it reads the number: stores
// differ in how they report a conflict, and a lost reply looks like a failure.
func (s *shard[S]) create(ctx context.Context, segment Segment, encoded []byte) (verdict, error) {
	cfg := s.journal.cfg
	key := s.journal.keys.Segment(s.number, segment.Seq)
	for backOff := firstBackOff; ; backOff = min(2*backOff, maxBackOff) {
		attempt, cancel := context.WithTimeout(ctx, cfg.attemptWithin())
		failpoint.Hit(failpoint.BeforeCommit)
		err := s.journal.deps.State.Create(attempt, key, encoded)
		cancel()
		if err == nil {
			return won, nil
		}
		if !errors.Is(err, sidecar.ErrConflict) {
			s.journal.metrics.ambiguous.Inc()
		}
		var found stored
		var occupied bool
		readErr := retry(ctx, cfg.attemptWithin(), func(ctx context.Context) (err error) {
			found, occupied, err = s.reader.one(ctx, segment.Seq)
			return err
		})
		switch {
		case readErr != nil:
			return unknown, readErr
		case occupied && found.segment.Writer == segment.Writer && found.segment.Batch == segment.Batch:
			return won, nil
		case occupied:
			return lost, nil
		}
		if ended := pause(ctx, backOff); ended != nil {
			return unknown, err
		}
	}
}

// confirm checks a write that succeeded: if this process was paused before it, the number may have been a hole that
// trimming made. What stands in a hole is no commit.
func (s *shard[S]) confirm(ctx context.Context, seq uint64) (verdict, error) {
	err := s.believe(ctx, seq)
	if err == nil {
		return won, nil
	}
	if errors.Is(err, errTrimmedAhead) {
		s.log.Warn("a write landed in a number that has been trimmed; it is no commit and is removed", "seq", seq)
		// Best effort: nobody believes what stands there, whether it is removed or not.
		_ = s.journal.deps.State.Delete(ctx, s.journal.keys.Segment(s.number, seq))
		// From here on the head is unknown, so the next batch begins with a look, which loads the snapshot.
		s.headKnown = time.Time{}
	}
	return unknown, err
}

// accept makes a segment of ours the head.
func (s *shard[S]) accept(t *trial[S], segment Segment, encoded []byte) {
	t.view.seq, t.view.at, t.view.bytes = segment.Seq, segment.At, t.view.bytes+uint64(t.bytes)
	s.recent.add(stored{segment, encoded})
	s.advance(t.view)
	s.journal.metrics.commits.Inc()
	segment.Events = nil // the next trial is written over them
	s.publish.offer(announcement{segment, encoded})
}

// answer gives every caller of a batch what was decided; their answers are now true.
func (s *shard[S]) answer(decided []*request, t *trial[S]) {
	s.journal.metrics.batchCommands.Observe(float64(len(decided)))
	for i, r := range decided {
		o := t.answers[i]
		o.result.Shard, o.result.Seq, o.result.At = s.number, t.at.Seq, t.at.Time
		r.answer(o)
	}
}

// refuse answers a batch that could not be settled. It passes a fatal cause on.
func (s *shard[S]) refuse(batch []*request, v verdict, cause error) error {
	for _, r := range batch {
		if v == unknown {
			r.answer(outcome{err: errs.OutcomeUnknown(cause)})
		} else {
			r.answer(outcome{err: unavailable(cause)})
		}
	}
	if isFatal(cause) {
		return cause
	}
	return nil
}
