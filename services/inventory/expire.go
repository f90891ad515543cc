package inventory

import (
	"context"
	"time"
)

// minSweepWait keeps clocks that disagree by a little from making the sweep spin.
const minSweepWait = 10 * time.Millisecond

// expireInTime gives back what is over, when it is over, until ctx ends. Several replicas may do it at once: who
// comes second finds nothing due.
func (s *Service) expireInTime(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.journal.Loaded():
	}
	for {
		timer := time.NewTimer(s.sweep(ctx))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// sweep expires what is due in every shard and says how long nothing more will be.
func (s *Service) sweep(ctx context.Context) time.Duration {
	wait := s.cfg.SweepEvery
	for shard := range s.journal.Shards() {
		if err := s.sweepShard(ctx, shard); err != nil && ctx.Err() == nil {
			s.deps.Log.WarnContext(ctx, "could not expire what is due; it stays reserved until the next try",
				"shard", shard, "error", err)
		}
		reservation, hold := s.journal.State(shard).NextDue()
		now := s.deps.Now()
		for _, due := range []time.Time{reservation, hold} {
			// What is due already and still there waits for something else: the next round is soon enough.
			if d := due.Sub(now); d > 0 {
				wait = min(wait, d)
			}
		}
	}
	return max(wait, minSweepWait)
}

func (s *Service) sweepShard(ctx context.Context, shard int) error {
	for more := true; more; {
		now := s.deps.Now()
		cmd := Expire{ReservationsUntil: now, HoldsUntil: earlier(now, s.orders.LevelAt())}
		reservation, hold := s.journal.State(shard).NextDue()
		if !isDue(reservation, cmd.ReservationsUntil) && !isDue(hold, cmd.HoldsUntil) {
			return nil
		}
		result, err := s.journal.DoShard(ctx, shard, cmd)
		if err != nil {
			return err
		}
		more, _ = result.Answer.(bool)
	}
	return nil
}

func isDue(due, until time.Time) bool { return !due.IsZero() && !due.After(until) }
