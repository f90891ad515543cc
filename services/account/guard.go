package account

import (
	"sync"
	"time"

	"github.com/sidecart/sidecart/services/account/accountapi"
	"github.com/sidecart/sidecart/services/kit/errs"
)

// How often somebody may fail to sign in. 10 in 15 minutes are 350,000 guesses in a year, against passwords that are not among
// the common ones.
const (
	failuresAllowed = 10
	failureWindow   = 15 * time.Minute
	maxWatched      = 200_000 // keys of which failures are remembered: more than can fail in a window, because hashing takes its time
)

// guard bounds guessing without giving strangers a way to lock an account's owner out (OWASP, Slow Down Online Guessing Attacks
// with Device Cookies): failures are counted by account for all strangers together, and apart from them for each device on
// which somebody has signed in to that account before. So whoever fails on purpose locks out strangers, themselves included, and
// no known device. It counts for addresses without an account as well: what it does says nothing about them.
//
// It is in memory: a restart forgets it, and each replica counts for itself. It is safe for concurrent use.
type guard struct {
	now func() time.Time

	mu      sync.Mutex
	watched map[watched]*failures
}

// watched is whose failures are counted together.
type watched struct{ account, device string } // device "": strangers

type failures struct {
	count int
	since time.Time // of the first of them
}

func newGuard(now func() time.Time) *guard { return &guard{now: now, watched: map[watched]*failures{}} }

// attempt counts an attempt as a failure before it is one, so that many at once are no way around. It refuses when there were
// too many, and says when to come again.
func (g *guard) attempt(w watched) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	f := g.watched[w]
	if f == nil || now.Sub(f.since) >= failureWindow {
		if f == nil && len(g.watched) >= maxWatched {
			g.forget(now)
		}
		f = &failures{since: now}
		g.watched[w] = f
	}
	if f.count >= failuresAllowed {
		e := errs.New(errs.TooMany, accountapi.CodeTooManyFailures, "too many failed attempts; wait, or use a device on which you have signed in before")
		e.RetryAfter = f.since.Add(failureWindow).Sub(now)
		return e
	}
	f.count++
	return nil
}

// succeeded forgets the failures of who has got it right.
func (g *guard) succeeded(w watched) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.watched, w)
}

// undo takes back an attempt that was not judged. It leaves nothing behind: attempts that are refused because too many wait to be
// judged cost a stranger little, and would otherwise push out failures that count.
func (g *guard) undo(w watched) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f := g.watched[w]; f != nil {
		if f.count--; f.count <= 0 {
			delete(g.watched, w)
		}
	}
}

// forget makes room: of what is over, or, should all of it be fresh, of some.
func (g *guard) forget(now time.Time) {
	for w, f := range g.watched {
		if now.Sub(f.since) >= failureWindow {
			delete(g.watched, w)
		}
	}
	for w := range g.watched {
		if len(g.watched) < maxWatched {
			return
		}
		delete(g.watched, w)
	}
}
