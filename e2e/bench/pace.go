package bench

import (
	"sync"
	"sync/atomic"
	"time"
)

// Shooter sends the nth request of a load as one of its clients and says what came of it. Calls of one client come one after the
// other, those of several at once.
type Shooter func(client int, n int64) Outcome

// Pace says how a load is driven.
type Pace struct {
	Clients int           `json:"clients"` // connections, and requests under way, at most
	Rate    float64       `json:"rate"`    // requests a second that are due; 0: closed loop
	Warm    time.Duration `json:"warm"`    // before anything is measured
	Measure time.Duration `json:"measure"` // the window
	// Drain is how long after the window what was due in it is still sent. What is due then and was not sent is Unsent, and
	// counts as if it had been answered just then.
	Drain time.Duration `json:"drain"`
}

// Run is what a load gave.
type Run struct {
	All    Tally // every request, warm-up and drain included: what the books are compared with
	Window Tally // those that were answered in the window
	// Took are the waits: in the closed loop of the requests answered in the window, from their sending; in the open
	// loop of those due in the window, from when they were due.
	Took []time.Duration
	// Late is, in the open loop, how long after it was due each of those requests was sent: because every client was busy, or because the
	// load itself did not get the processor in time.
	Late []time.Duration
	// Seconds is how long the window was.
	Seconds float64
}

// window is the part of a load that counts.
type window struct {
	began time.Time
	from  time.Time
	until time.Time
	stop  time.Time
}

// Drive sends requests until the window and the drain are over and everything under way has been answered. begun and ended are called
// at the two ends of the window.
func Drive(p Pace, shoot Shooter, begun, ended func()) Run {
	now := time.Now()
	w := window{began: now, from: now.Add(p.Warm), until: now.Add(p.Warm + p.Measure), stop: now.Add(p.Warm + p.Measure + p.Drain)}
	var edges, clients sync.WaitGroup
	edges.Go(func() {
		await(w.from)
		begun()
		await(w.until)
		ended()
	})
	var next atomic.Int64
	runs := make([]Run, p.Clients)
	for c := range runs {
		clients.Go(func() {
			if p.Rate == 0 {
				runs[c].closed(w, &next, func(n int64) Outcome { return shoot(c, n) })
				return
			}
			runs[c].open(w, p.Rate, &next, func(n int64) Outcome { return shoot(c, n) })
		})
	}
	clients.Wait()
	edges.Wait()
	sum := Run{Seconds: p.Measure.Seconds()}
	for _, r := range runs {
		sum.All.Add(r.All)
		sum.Window.Add(r.Window)
		sum.Took = append(sum.Took, r.Took...)
		sum.Late = append(sum.Late, r.Late...)
	}
	return sum
}

// closed sends one request after the other until the window ends.
func (r *Run) closed(w window, next *atomic.Int64, shoot func(n int64) Outcome) {
	for sent := time.Now(); sent.Before(w.until); {
		o := shoot(next.Add(1) - 1)
		r.All[o]++
		answered := time.Now()
		if !answered.Before(w.from) && answered.Before(w.until) {
			r.Window[o]++
			r.Took = append(r.Took, answered.Sub(sent))
		}
		sent = answered
	}
}

// open takes the next request of the schedule, waits until it is due and sends it. When every client is busy, requests are sent late,
// and their time runs since they were due.
func (r *Run) open(w window, rate float64, next *atomic.Int64, shoot func(n int64) Outcome) {
	for {
		n := next.Add(1) - 1
		due := w.began.Add(time.Duration(float64(n) / rate * float64(time.Second)))
		if !due.Before(w.until) {
			return
		}
		await(due)
		counts := !due.Before(w.from)
		sending := time.Now()
		if !sending.Before(w.stop) {
			r.All[Unsent]++
			if counts {
				r.Window[Unsent]++
				r.Took = append(r.Took, w.stop.Sub(due))
			}
			continue
		}
		o := shoot(n)
		answered := time.Now()
		r.All[o]++
		if counts {
			r.Took = append(r.Took, answered.Sub(due))
			r.Late = append(r.Late, sending.Sub(due))
		}
		if !answered.Before(w.from) && answered.Before(w.until) {
			r.Window[o]++
		}
	}
}

// await waits until t.
func await(t time.Time) {
	if wait := time.Until(t); wait > 0 {
		<-time.After(wait)
	}
}
