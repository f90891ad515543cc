package bench

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

const ms = time.Millisecond

func nobody() {}

func TestClosedLoopCountsWhatIsAnsweredInTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun, ended time.Duration
		start := time.Now()
		r := Drive(Pace{Clients: 4, Warm: 995 * ms, Measure: 2 * time.Second}, func(int, int64) Outcome {
			time.Sleep(10 * ms) // the server's time, not ours
			return Accepted
		}, func() { begun = time.Since(start) }, func() { ended = time.Since(start) })
		assert.Equal(t, 995*ms, begun)
		assert.Equal(t, 2995*ms, ended)
		assert.EqualValues(t, 4*200, r.Window[Accepted])
		assert.EqualValues(t, 4*300, r.All[Accepted], "the warm-up is in the books, too")
		assert.Len(t, r.Took, 4*200)
		assert.Equal(t, 10*ms, slices.Max(r.Took))
	})
}

func TestOpenLoopSendsOnScheduleWhateverTheAnswersDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var sent [100]time.Duration
		r := Drive(Pace{Clients: 100, Rate: 100, Measure: time.Second, Drain: 10 * time.Second}, func(_ int, n int64) Outcome {
			sent[n] = time.Since(start)
			time.Sleep(3 * time.Second)
			return Accepted
		}, nobody, nobody)
		for n, at := range sent {
			assert.Equal(t, time.Duration(n)*10*ms, at)
		}
		assert.EqualValues(t, 100, r.All[Accepted])
		assert.Zero(t, r.Window[Accepted], "all answers came after the window")
		assert.Len(t, r.Took, 100)
	})
}

// A server that stands still for a second: everybody who was due meanwhile waited for the rest of it.
func TestOpenLoopTimesFromWhenRequestsWereDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		r := Drive(Pace{Clients: 1, Rate: 100, Measure: 2 * time.Second, Drain: time.Minute}, func(int, int64) Outcome {
			if stall := time.Second - time.Since(start); stall > 0 {
				time.Sleep(stall)
			}
			return Accepted
		}, nobody, nobody)
		assert.Len(t, r.Took, 200)
		slices.Sort(r.Took)
		assert.Equal(t, time.Second, r.Took[199])
		assert.Equal(t, 500*ms, r.Took[149], "a quarter of all waited for more than half a second")
		assert.Zero(t, r.Took[99])
	})
}

func TestOpenLoopCountsWhatItCouldNotSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		r := Drive(Pace{Clients: 1, Rate: 10, Measure: time.Second, Drain: 500 * ms}, func(int, int64) Outcome {
			calls.Add(1)
			time.Sleep(time.Second)
			return Unknown
		}, nobody, nobody)
		assert.EqualValues(t, 2, calls.Load())
		assert.EqualValues(t, 8, r.All[Unsent])
		assert.EqualValues(t, 2, r.All[Unknown])
		assert.Len(t, r.Took, 10, "none is left out")
		assert.Equal(t, 1900*ms, slices.Max(r.Took), "due at 0.1 s, answered at 2 s")
	})
}
