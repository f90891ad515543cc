package journal

import "context"

// syncRound is one look at the head that any number of callers wait for.
type syncRound struct {
	done chan struct{}
	err  error // set before done is closed
}

// sync waits for a look at the head that begins after the call. Callers that come before it begins share it.
func (s *shard[S]) sync(ctx context.Context) error {
	s.syncs.Lock()
	round := s.syncs.next
	if round == nil {
		round = &syncRound{done: make(chan struct{})}
		s.syncs.next = round
		select {
		case s.syncDue <- struct{}{}:
		default:
		}
	}
	s.syncs.Unlock()
	select {
	case <-round.done:
		return round.err
	case <-ctx.Done():
		return unavailable(ctx.Err())
	case <-s.journal.stopped:
		return unavailable(errStopped)
	}
}

// serveSyncs runs the round that waits.
func (s *shard[S]) serveSyncs(ctx context.Context) error {
	s.syncs.Lock()
	round := s.syncs.next
	s.syncs.next = nil
	s.syncs.Unlock()
	if round == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.journal.cfg.CommitWithin)
	defer cancel()
	_, err := s.look(ctx)
	if err != nil {
		round.err = unavailable(err)
	}
	close(round.done)
	if isFatal(err) {
		return err
	}
	return nil
}
