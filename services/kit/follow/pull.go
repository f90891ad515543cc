package follow

import (
	"context"
	"errors"
	"time"
)

// errNotYet says that a replica of the source does not see yet what another one, or a push, has told us of.
var errNotYet = errors.New("the source does not have this segment yet")

// pull fetches what the workers of one source shard wait for.
func (f *Follower) pull(ctx context.Context, fd *feed) {
	wait := backOff{first: min(f.cfg.BackOffFirst/4, 250*time.Millisecond), bound: f.cfg.PollEvery}
	// The first pull registers this follower at the source, so that it trims nothing that we have not seen.
	after, asked := f.durable(fd.shard), true
	graced := false // the workers' gaps take turns, so this must not be about one of them
	for ctx.Err() == nil {
		if !asked {
			seq, reordered, ok := fd.missing()
			if !ok {
				select {
				case <-ctx.Done():
				case <-fd.wanted:
				}
				continue
			}
			if reordered && !graced {
				graced = true
				pause(ctx, f.cfg.GapGrace)
				continue
			}
			after, graced = seq-1, false
		}
		if err := f.pullOnce(ctx, fd, after); errors.Is(err, errNotYet) {
			asked = false
			wait.wait(ctx)
			continue
		} else if err != nil {
			f.away.failed(ctx, "the source does not give its segments; trying again", err)
			wait.wait(ctx)
			continue
		}
		asked = false
		f.away.worked("the source")
		wait.reset()
	}
}

// pullOnce fetches one page and puts it into the window. A trimmed page is no failure: the workers learn of it.
func (f *Follower) pullOnce(ctx context.Context, fd *feed, after uint64) error {
	segments, head, err := f.fetch(ctx, fd.journal, fd.shard, after, f.cfg.PullSegments, f.durable(fd.shard))
	if trimmed, ok := errors.AsType[*trimmedError](err); ok {
		fd.trimmed(trimmed.through)
		return nil
	}
	if err != nil {
		return err
	}
	if len(segments) == 0 && head > after {
		return errors.New("the source gave no segments below its head")
	}
	fd.observe(head)
	for _, s := range segments {
		fd.add(s)
	}
	if len(segments) == 0 && after < fd.headNow() {
		return errNotYet
	}
	return nil
}
