package follow

import (
	"context"
	"errors"
	"slices"

	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// Bounds of what goes into one commit when several segments wait. How many steps go together begins at the most, is
// halved by each failure and grows by a bit with each success: where effects are large it stays near what the own
// journal takes in one commit, and before an event that fails it costs a logarithm of tries.
const (
	maxTogetherSegments = 64
	maxTogetherSteps    = 200
	moreTogetherSteps   = maxTogetherSteps / 8 // after a success; doubling would be refused at every second try
)

var errParkedAlone = errors.New("follow: an event is to be parked")

// take applies s and, in the same commit, what waits behind it: a follower that is behind writes once for many
// segments. It says up to which number the source is applied; false when ctx ended before.
func (w *worker) take(ctx context.Context, s *segment) (position uint64, ok bool) {
	if last := w.applyTogether(ctx, s); last > 0 {
		return last, true
	}
	return s.Seq, w.apply(ctx, s)
}

// applyTogether tries to apply s and those behind it, and says which was the last. 0 says that s is to be applied
// alone: nothing that fits waits behind it, or it has no effect, or something failed, which is then found out segment
// by segment. A commit whose outcome is unknown may have landed, as apply knows.
func (w *worker) applyTogether(ctx context.Context, s *segment) (last uint64) {
	recorded, through := w.progress()
	if recorded >= s.Seq || through > 0 || len(w.f.unitsFor(s, w.own)) == 0 || w.feed.peek(s.Seq+1) == nil {
		return 0
	}
	ctx = httpx.ContextWithTraceParent(ctx, s.Trace)
	cmd := journal.Followed{Source: w.f.cfg.Source, Journal: w.feed.journal, SourceShard: s.Shard}
	first := s.Seq
	for n := 0; s != nil && n < maxTogetherSegments; n++ {
		steps, err := w.appendSteps(ctx, cmd.Steps, s)
		if err != nil || n > 0 && len(steps) > w.together {
			break
		}
		cmd.Steps, cmd.Seq = steps, s.Seq
		s = w.feed.peek(s.Seq + 1)
	}
	if cmd.Seq > first && w.commit(ctx, cmd) != nil {
		w.together = max(1, len(cmd.Steps)/2)
		return 0
	}
	w.together = min(w.together+moreTogetherSteps, maxTogetherSteps)
	if cmd.Seq <= first {
		return 0
	}
	w.ownAway.worked("the own journal")
	return cmd.Seq
}

// appendSteps appends what the events of s mean for the own shard. One that is to be parked is an error.
func (w *worker) appendSteps(ctx context.Context, steps []journal.Step, s *segment) ([]journal.Step, error) {
	units := w.f.unitsFor(s, w.own)
	steps = slices.Grow(steps, len(units)) // most events mean one command
	for _, u := range units {
		if u.park != "" {
			return nil, errParkedAlone
		}
		for _, r := range u.cmds {
			ready, err := w.f.ready(ctx, r)
			if err != nil {
				return nil, err
			}
			steps = append(steps, journal.Step{Seq: s.Seq, Index: u.index, Trace: s.TraceOf(u.record), Cmd: ready, Event: u.record, At: s.At})
		}
	}
	return steps, nil
}
