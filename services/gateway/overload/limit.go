package overload

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// How the limit is found. A service that is asked for more than it can do answers more and more slowly, because what it
// cannot do waits somewhere. So the limit follows the time that answers take: every window it is multiplied by
// √(goal ÷ time of nine in ten answers), within bounds. It moves only when more than half of it was used.
// That is the gradient of Netflix's concurrency-limits (Gradient2Limit) with three changes, which our services ask for:
//
//   - The time is compared with a goal and not with the shortest one seen. Services here commit in groups: at 200 requests in
//     flight an answer takes several times as long as at one, and they do twenty times as much. A limit that defends the
//     shortest time (Gradient2, Envoy's adaptive concurrency, Vegas, and the BBR of Kratos and go-zero, which has maxPass × minRt)
//     would refuse most of what can be done.
//   - A service that takes longer than the goal even with little to do has a goal of its own: twice what answers take when less than
//     half of the limit is in flight. If that has not been of late and requests are refused, a quarter of the limit is tried out for a
//     window, every ten seconds at most, as BBR (Cardwell and others, ACM Queue 14/5, 2016) looks for the shortest way. Where a
//     quarter of the requests takes a quarter of the time, the rest only waits, and twice that draws the goal back; where it takes
//     more than half of it, more at a time gets more done.
//   - It does not fall below what half of the goal would take at the rate of answers of late (Little's law). Refusing costs processor time,
//     too: where that makes answers late, a lower limit means more refusals and later answers yet, down to nothing. Seen at 23,000
//     requests a second on two cores: 4,600 a second were served before, 600 after a few seconds of such a fall.
//
// limit_test.go has the simulations. Time is in nanoseconds since the guard was made.
const (
	windowAtLeast  = int64(100 * time.Millisecond)
	windowAtMost   = int64(2 * time.Second)
	windowAnswers  = 10              // that a window has, unless it is at its longest
	lateShare      = 0.9             // the time that is compared: that within which so many answers come
	shrinkAtMost   = 0.7             // of a limit in a window
	growAtMost     = 1.5             // times a limit in a window
	quiet          = 0.25            // of what is allowed, while few requests are tried out
	ownGoal        = 2.0             // times what answers take then
	pushedShare    = 0.05            // of answers that say "full": the service has a bound of its own, which was reached
	longestOwnGoal = 5 * time.Second // beyond it a service is late, whatever its nature
	keptShare      = 0.5             // of goal × rate: no lower
	probeEvery     = int64(10 * time.Second)
)

// limit bounds the requests in flight to one service. It is safe for concurrent use.
type limit struct {
	inFlight atomic.Int64
	allowed  atomic.Int64 // for those who pay
	crowd    atomic.Int64 // for all others; less while a few requests are tried out
	ends     atomic.Int64 // when the window does
	from     atomic.Int64 // answers to requests from before it are not looked at
	times    times
	answers  atomic.Int64 // of this window, failures too
	failed   atomic.Int64
	pushed   atomic.Int64 // answers that said "full"
	used     atomic.Bool  // more than half of what is allowed was in flight, or somebody was refused
	refused  atomic.Bool

	mu        sync.Mutex // the rest is one window's end at a time
	began     int64      // of the window
	limit     float64
	goal      time.Duration // in force, for metrics and tests
	took      time.Duration // of lateShare of the last window's answers
	light     lightest
	probe     probing
	probeNext int64 // not before
	warmup    warmup
}

// probing is what a trial with few requests is at.
type probing uint8

const (
	notProbing probing = iota
	emptying           // until what came before has been answered
	measuring
)

// lightest is what answers took when the service had least to do, in this and in the last period, and how many a second there were
// when it had most.
type lightest struct {
	until              int64
	this, last         time.Duration // 0: not known
	thisRate, lastRate float64
}

func (l *lightest) see(took time.Duration) {
	if took > 0 && (l.this == 0 || took < l.this) {
		l.this = took
	}
}

func (l *lightest) value() time.Duration {
	if l.this == 0 || l.last != 0 && l.last < l.this {
		return l.last
	}
	return l.this
}

func newLimit(cfg Config, now int64) *limit {
	l := &limit{limit: float64(cfg.Concurrency.Start), goal: cfg.Concurrency.Goal, began: now, warmup: newWarmup(cfg.WarmUp)}
	l.light.until = now + probeEvery
	l.ends.Store(now + windowAtLeast)
	l.allow(cfg)
	return l
}

// enter lets a request of this priority in, or not. One that was let in must leave.
func (l *limit) enter(p Priority) bool {
	if l.room(p, l.inFlight.Add(1)) {
		return true
	}
	l.inFlight.Add(-1)
	return false
}

// room tells whether n requests may be in flight, the last of them of this priority.
func (l *limit) room(p Priority, n int64) bool {
	allowed := l.crowd.Load()
	if p == Critical {
		allowed = l.allowed.Load()
	}
	if 2*n > allowed {
		set(&l.used)
	}
	// The first always gets in: no share of a small limit is nothing.
	if n <= 1 || float64(n) <= float64(allowed)*shareOf[p] {
		return true
	}
	set(&l.refused)
	return false
}

// set writes only what is not so already: many processors read it.
func set(b *atomic.Bool) {
	if !b.Load() {
		b.Store(true)
	}
}

// leave ends a request that was let in.
func (l *limit) leave(cfg *Config, began, now int64, o Outcome) {
	l.inFlight.Add(-1)
	if began < l.from.Load() {
		return
	}
	took := time.Duration(now - began)
	l.answers.Add(1)
	switch o {
	case Answered:
		l.times.add(took)
	case Failed:
		l.failed.Add(1)
		if took > cfg.Concurrency.Goal { // a quick failure says nothing about how much there is to do, one that took long does
			l.times.add(took)
		}
	case Pushed:
		l.pushed.Add(1)
	case Abandoned:
		l.answers.Add(-1)
	}
	ends := l.ends.Load()
	if now >= ends && (l.answers.Load() >= windowAnswers || now >= ends+windowAtMost) && l.mu.TryLock() {
		if now >= l.ends.Load() { // nobody else was quicker
			l.endWindow(cfg, now)
		}
		l.mu.Unlock()
	}
}

// endWindow draws conclusions and begins the next window.
func (l *limit) endWindow(cfg *Config, now int64) {
	n, took := l.times.drain(lateShare)
	answers, failed, pushed := l.answers.Swap(0), l.failed.Swap(0), l.pushed.Swap(0)
	wasProbing := l.probe != notProbing
	used, refused := l.used.Swap(false), l.refused.Swap(false)
	if n > 0 {
		l.took = took
	}
	if spent := time.Duration(now - l.began); spent > 0 {
		l.light.thisRate = max(l.light.thisRate, float64(answers-failed-pushed)/spent.Seconds())
	}
	l.warmup.window(cfg.WarmUp, now, answers, failed, l.limit)
	switch {
	case float64(pushed) > pushedShare*float64(answers):
		l.limit *= shrinkAtMost
	case l.probe == emptying:
		if l.inFlight.Load() <= l.crowd.Load() {
			l.probe = measuring
			l.from.Store(now)
		}
	default:
		measured := l.probe == measuring
		l.probe = notProbing
		if (measured || !used) && 2*failed < answers {
			l.light.see(took)
		}
		if !measured { // which is no time to grow or shrink
			l.adjust(cfg.Concurrency, took, used || refused)
		}
	}
	if now >= l.light.until {
		l.light = lightest{until: now + probeEvery, last: l.light.this, lastRate: l.light.thisRate}
	}
	if refused && !wasProbing && l.light.this == 0 && now >= l.probeNext {
		l.probe, l.probeNext = emptying, now+probeEvery
	}
	kept := keptShare * cfg.Concurrency.Goal.Seconds() * max(l.light.thisRate, l.light.lastRate)
	l.limit = min(max(l.limit, kept, float64(cfg.Concurrency.Min)), float64(cfg.Concurrency.Max))
	l.allow(*cfg)
	l.began = now
	l.ends.Store(now + min(max(windowAtLeast, int64(l.took)), windowAtMost))
}

// adjust multiplies the limit by what the window says.
func (l *limit) adjust(cfg Concurrency, took time.Duration, used bool) {
	l.goal = max(cfg.Goal, min(time.Duration(ownGoal*float64(l.light.value())), longestOwnGoal))
	if took == 0 || !used {
		return // late or not, it is not because of what is let in beyond this limit
	}
	factor := math.Sqrt(float64(l.goal) / float64(took))
	l.limit *= min(max(factor, shrinkAtMost), growAtMost)
}

// allow makes what was found hold.
func (l *limit) allow(cfg Config) {
	allowed := min(l.limit, l.warmup.cap(cfg.WarmUp))
	l.allowed.Store(max(1, int64(allowed)))
	if l.probe != notProbing {
		allowed *= quiet
	}
	l.crowd.Store(max(1, int64(allowed)))
}

// reconfigure makes a new section hold; what was found stays as far as it is within the new bounds.
func (l *limit) reconfigure(cfg Config) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit = min(max(l.limit, float64(cfg.Concurrency.Min)), float64(cfg.Concurrency.Max))
	l.allow(cfg)
}
