package journal

import (
	"context"
	"time"
)

// A segment costs this process, the sidecar, the store and the broker about a millisecond of processor time, however little is in it. A
// shard that committed whatever waits as soon as it can would make the smallest segments when the machine is busiest, and keep it so: with
// eight shards of four services on two cores, a sale took eight segments of 1.3 commands each (docs/adr/0009-pace.md has the figures).
const (
	// longestRest bounds what pacing adds to a wait.
	longestRest = 5 * time.Millisecond
	// goodBatch is how many commands make a segment's own cost small beside theirs; no shard rests when so many wait.
	goodBatch = 64
	// forgetShare is the part of itself by which the quickest commit is forgotten with each commit, so that a store that has become
	// slower for good is not taken for a busy machine.
	forgetShare = 64
)

// pace has a shard rest between batches while commits take longer than they need: then something else is waited for, mostly the
// processor. It is not safe for concurrent use. The zero value is ready.
type pace struct {
	quickest time.Duration // commit of late; 0: none yet
	until    time.Time     // the end of the rest
}

// committed notes a batch that has just been answered. What a commit took beyond twice the quickest is the rest that follows.
func (p *pace) committed(now time.Time, commands int, took time.Duration) {
	if p.quickest == 0 || took < p.quickest {
		p.quickest = took
	}
	p.until = now
	if commands < goodBatch {
		p.until = now.Add(min(max(took-2*p.quickest, 0), longestRest))
	}
	p.quickest += p.quickest / forgetShare
}

// left is how long the shard still rests when so many commands wait.
func (p *pace) left(now time.Time, waiting int) time.Duration {
	if waiting >= goodBatch {
		return 0
	}
	return max(p.until.Sub(now), 0)
}

// rest waits until the next batch may be gathered, or ctx ends.
func (p *pace) rest(ctx context.Context, waiting int) {
	left := p.left(time.Now(), waiting)
	if left == 0 {
		return
	}
	end := time.NewTimer(left)
	defer end.Stop()
	select {
	case <-end.C:
	case <-ctx.Done():
	}
}
