package overload

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// unlimited is a guard that lets everything in, to compare with.
var unlimited = Config{Concurrency: Concurrency{Start: maxInFlight, Min: maxInFlight, Max: maxInFlight}}

// TestGoodputHoldsAtFiveTimesTheCapacity is the figure, 0.85, for a service that commits in groups and for one with workers.
func TestGoodputHoldsAtFiveTimesTheCapacity(t *testing.T) {
	for name, service := range map[string]func() (serve func(*simulation, func(Outcome)), capacity float64){
		"group commit": func() (func(*simulation, func(Outcome)), float64) {
			g := &groupCommit{commit: 8 * time.Millisecond, each: 500 * time.Microsecond}
			return g.serve, g.capacity()
		},
		"slow store": func() (func(*simulation, func(Outcome)), float64) {
			g := &groupCommit{commit: 60 * time.Millisecond, each: 500 * time.Microsecond}
			return g.serve, g.capacity()
		},
		"workers": func() (func(*simulation, func(Outcome)), float64) {
			return (&workers{free: 4, mean: 4 * time.Millisecond}).serve, 1000
		},
	} {
		for _, times := range []float64{2, 5} {
			serve, capacity := service()
			s := simulate(t, Config{}, serve)
			s.arrive(High, times*capacity)
			s.run(3*time.Second, 30*time.Second)
			c := &s.counts[High]
			goodput := float64(c.useful) / 30 / capacity
			t.Logf("%s at %v×: goodput %.2f of the capacity, p50 %v, p99 %v, limit %d", name, times, goodput, c.within(.5), c.within(.99), s.guard.limits["shop"].allowed.Load())
			assert.Greater(t, goodput, 0.85, "%s at %v×", name, times)
			assert.Less(t, c.within(.99), 2*patience/3, "%s at %v×", name, times)
		}
		serve, capacity := service()
		s := simulate(t, unlimited, serve)
		s.arrive(High, 5*capacity)
		s.run(3*time.Second, 30*time.Second)
		assert.Less(t, float64(s.counts[High].useful)/30/capacity, 0.05, "%s: without a limit nobody is served in time", name)
	}
}

func TestNothingIsRefusedWithinTheCapacity(t *testing.T) {
	g := &groupCommit{commit: 8 * time.Millisecond, each: 500 * time.Microsecond}
	s := simulate(t, Config{}, g.serve)
	s.arrive(High, 0.8*g.capacity())
	s.run(0, 30*time.Second)
	assert.Zero(t, s.counts[High].refused, "of %d", s.counts[High].asked)
}

// TestAServiceThatIsSlowByNatureIsNotStarved: its answers take longer than the goal, however few there are.
func TestAServiceThatIsSlowByNatureIsNotStarved(t *testing.T) {
	for _, rate := range []float64{200, 800} {
		s := simulate(t, Config{Concurrency: Concurrency{Goal: 100 * time.Millisecond}}, far(400*time.Millisecond))
		s.arrive(High, rate)
		s.run(15*time.Second, 60*time.Second)
		c := &s.counts[High]
		assert.Less(t, float64(c.refused), 0.03*float64(c.asked), "at %v/s, limit %d", rate, s.guard.limits["shop"].allowed.Load())
	}
}

// TestTheLimitFollowsTheCapacity: two of three workers go, and come back.
func TestTheLimitFollowsTheCapacity(t *testing.T) {
	w := &workers{free: 6, mean: 6 * time.Millisecond}
	s := simulate(t, Config{}, w.serve)
	s.arrive(High, 3000)
	s.run(3*time.Second, 10*time.Second)
	assert.InDelta(t, 1000, float64(s.counts[High].useful)/10, 150)
	w.free = 2
	s.run(3*time.Second, 10*time.Second)
	assert.InDelta(t, 333, float64(s.counts[High].useful)/10, 50)
	assert.Less(t, s.counts[High].within(.99), 2*patience/3)
	w.free = 6
	s.run(3*time.Second, 10*time.Second)
	assert.InDelta(t, 1000, float64(s.counts[High].useful)/10, 150)
}

// TestPayingIsRefusedLast: a crowd places, looks and lists at five times the capacity; those who pay hardly notice.
func TestPayingIsRefusedLast(t *testing.T) {
	g := &groupCommit{commit: 8 * time.Millisecond, each: 500 * time.Microsecond}
	s := simulate(t, Config{}, g.serve)
	for p, share := range map[Priority]float64{Critical: 0.05, High: 0.5, Normal: 2, Low: 2.5} {
		s.arrive(p, share*g.capacity())
	}
	s.run(3*time.Second, 30*time.Second)
	refused := func(p Priority) float64 { return float64(s.counts[p].refused) / float64(s.counts[p].asked) }
	t.Logf("refused: low %.2f, normal %.2f, high %.3f, critical %.4f", refused(Low), refused(Normal), refused(High), refused(Critical))
	assert.Less(t, refused(Critical), 0.005)
	assert.Less(t, refused(High), 0.1)
	assert.Greater(t, refused(Normal), refused(High))
	assert.Greater(t, refused(Low), refused(Normal))
}

// TestAServiceThatSaysFullIsAskedForLess: its own bound is far below ours.
func TestAServiceThatSaysFullIsAskedForLess(t *testing.T) {
	full := 0
	s := simulate(t, Config{}, func(s *simulation, done func(Outcome)) {
		s.after(time.Millisecond, func() {
			if s.guard.limits["shop"].inFlight.Load() > 40 {
				full++
				done(Pushed)
				return
			}
			s.after(50*time.Millisecond, func() { done(Answered) })
		})
	})
	s.arrive(High, 4000)
	s.run(0, 10*time.Second)
	assert.Positive(t, full)
	assert.Less(t, s.guard.limits["shop"].limit, 100.0)
}
