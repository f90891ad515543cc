package follow

import (
	"sync"
	"time"
)

// look is one answer about the source's heads; began is when it was asked, by the own clock.
type look struct {
	began time.Time
	heads []uint64
}

// levels finds out how far back in time everything of the source has been applied: up to the beginning of the
// latest look whose heads every worker has reached. Safe for concurrent use.
type levels struct {
	mu      sync.Mutex
	pending []look // oldest first, at most maxPendingLooks
	at      time.Time
}

// add remembers a look. When too many wait, the new one is left out: the old ones are reached first anyhow.
func (l *levels) add(began time.Time, heads []uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) < maxPendingLooks {
		l.pending = append(l.pending, look{began: began, heads: heads})
	}
}

// settle takes note of the looks that have been reached.
func (l *levels) settle(r *running) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.pending) > 0 {
		for shard, head := range l.pending[0].heads {
			if r.feeds[shard].low() < head {
				return
			}
		}
		l.at = l.pending[0].began
		l.pending = l.pending[1:]
	}
}

func (l *levels) reached() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at
}
