package gray

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// whole is all of what a stage is configured to get, as a share.
const whole = 10_000

// How trust is earned back.
const (
	firstShare   = whole / 20 // of its traffic, for a stage that may try again; then half as much again at every step
	probeSamples = 5          // answers after which one that tries again is judged
	growSamples  = 10         // answers that a step takes at the least
	maxDoublings = 4
	maxChanges   = 10 // that are kept for operators
)

// Change is one change of what a stage gets, for operators.
type Change struct {
	At    time.Time `json:"at"`
	Share float64   `json:"share"` // from then on, 0 to 1
	Why   string    `json:"why"`
}

// trust is how a stage does on a route and what part of its traffic it therefore gets. It outlives a reload of the rules that
// leaves the stage's app and version as they are.
type trust struct {
	inFlight atomic.Int64
	share    atomic.Uint32 // 0 to whole
	quick    atomic.Uint64 // bits of moving.quick, to be read without the mutex

	mu      sync.Mutex
	moving  moving
	era     uint64 // one more after each fall and each new try: answers to requests of an earlier one are not judged
	falls   int    // one after the other; see forgive
	until   time.Time
	stepAt  time.Time
	stepped uint64 // answers since then
	credit  uint32 // below whole + share
	changes []Change
}

func newTrust() *trust {
	t := &trust{moving: fresh()}
	t.share.Store(whole)
	t.quick.Store(math.Float64bits(1))
	return t
}

// rate is the moving success rate.
func (t *trust) rate() float64 { return math.Float64frombits(t.quick.Load()) }

// admit tells whether the next request that the rules assign may go to the stage. While it earns its traffic back, every n-th does,
// whoever asks: a share of the users could be nobody at all where a rule names three.
func (t *trust) admit(now func() time.Time) bool {
	if t.share.Load() == whole {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wake(now())
	share := t.share.Load()
	if share == whole {
		return true
	}
	t.credit += share
	if t.credit < whole {
		return false
	}
	t.credit -= whole
	return true
}

// part is the share as a factor for weights.
func (t *trust) part(now func() time.Time) float64 {
	if t.share.Load() == 0 {
		t.mu.Lock()
		t.wake(now())
		t.mu.Unlock()
	}
	return float64(t.share.Load()) / whole
}

// wake lets a stage that has rested try again. t.mu is held.
func (t *trust) wake(now time.Time) {
	if t.share.Load() != 0 || now.Before(t.until) {
		return
	}
	t.begin(now)
	t.credit = whole - firstShare // the next one is let in
	t.change(now, firstShare, "has rested and tries again")
}

// begin forgets how the stage did. t.mu is held.
func (t *trust) begin(now time.Time) {
	t.moving = fresh()
	t.quick.Store(math.Float64bits(1))
	t.era++
	t.stepAt, t.stepped = now, 0
}

// judge notes an answer of the given era and takes or gives traffic by it. It returns the reason if the stage fell.
func (t *trust) judge(era uint64, ok bool, took time.Duration, stable moving, j Judge, now func() time.Time) (fell string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	share := t.share.Load()
	if era != t.era || share == 0 {
		return ""
	}
	t.moving.add(ok, took)
	t.quick.Store(math.Float64bits(t.moving.quick))
	if j.Off {
		return ""
	}
	samples := j.MinSamples
	if share < whole {
		samples = probeSamples
	}
	if why := t.moving.behind(stable, samples, j); why != "" {
		t.fall(now(), why, j)
		return why
	}
	if share == whole {
		return ""
	}
	t.stepped++
	if t.stepped < growSamples {
		return ""
	}
	if at := now(); at.Sub(t.stepAt) >= j.GrowEvery {
		t.stepAt, t.stepped = at, 0
		t.change(at, min(whole, share+share/2), fmt.Sprintf("does as well as stable: %s of its last answers were no failures", percent(t.moving.quick)))
	}
	return ""
}

// fall takes all traffic away. t.mu is held.
func (t *trust) fall(now time.Time, why string, j Judge) {
	t.forgive(now, j)
	rest := j.Rest << min(t.falls, maxDoublings)
	t.falls++
	t.until = now.Add(rest)
	t.era++
	t.change(now, 0, fmt.Sprintf("fell behind: %s; rests for %s", why, rest))
}

// forgive forgets the falls of a stage that has since had all its traffic for longer than the longest rest. t.mu is held.
func (t *trust) forgive(now time.Time, j Judge) {
	if t.share.Load() == whole && now.Sub(t.stepAt) > j.Rest<<maxDoublings {
		t.falls = 0
	}
}

func (t *trust) change(now time.Time, share uint32, why string) {
	t.share.Store(share)
	if len(t.changes) == maxChanges {
		t.changes = t.changes[:copy(t.changes, t.changes[1:])]
	}
	t.changes = append(t.changes, Change{At: now, Share: float64(share) / whole, Why: why})
}

// note is judge for stable, which has nobody to be compared with.
func (t *trust) note(ok bool, took time.Duration) {
	t.mu.Lock()
	t.moving.add(ok, took)
	t.quick.Store(math.Float64bits(t.moving.quick))
	t.mu.Unlock()
}

// now gives the moving values as they stand, and the era of a request that begins.
func (t *trust) look() (moving, uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.moving, t.era
}
