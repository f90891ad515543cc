package follow

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// Whatever the broker, the source, the own journal and our own deaths do: each effect once, in the source's order.
func TestEveryEffectOnceAndInOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		plan := drawPlan(rt)
		var failure error
		synctest.Test(t, func(t *testing.T) { failure = plan.run(t) })
		if failure != nil {
			rt.Fatal(failure)
		}
	})
}

type plan struct {
	seed                                uint64
	own, source, rounds, perRound       int
	drop, sourceFaults, journalFaults   int // percent
	crash, window, pull, maxSteps, skip int
}

func drawPlan(rt *rapid.T) plan {
	n := func(name string, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(rt, name) }
	return plan{
		seed: rapid.Uint64().Draw(rt, "seed"), own: n("own", 1, 3), source: n("source", 1, 3), rounds: n("rounds", 1, 6), perRound: n("perRound", 1, 30),
		drop: n("drop", 0, 100), sourceFaults: n("sourceFaults", 0, 50), journalFaults: n("journalFaults", 0, 50), crash: n("crash", 0, 1),
		window: n("window", 1, 40), pull: n("pull", 1, 20), maxSteps: n("maxSteps", 1, 4), skip: n("skip", 0, 100),
	}
}

func (p plan) run(t *testing.T) error {
	r := rand.New(rand.NewPCG(p.seed, 1))
	s, target := newFakeSource(p.source), newFakeTarget(p.own)
	target.maxSteps = p.maxSteps
	sourceRand, targetRand := rand.New(rand.NewPCG(p.seed, 2)), rand.New(rand.NewPCG(p.seed, 3))
	s.fault = func() bool { return sourceRand.IntN(100) < p.sourceFaults }
	target.fault = func() (bool, bool) {
		n := targetRand.IntN(100)
		return n < p.journalFaults/2, n >= p.journalFaults/2 && n < p.journalFaults
	}
	configure := func(c *Config) {
		c.WindowSegments, c.PullSegments, c.CheckpointEverySegments = p.window, p.pull, 7
	}
	f := follower(t, s, target, configure)
	stop := start(f)
	n := 0
	for range p.rounds {
		var pushes [][]byte
		for range p.perRound {
			var events []happened
			for range r.IntN(5) {
				if r.IntN(100) < p.skip {
					continue
				}
				n++
				events = append(events, happened{fmt.Sprint(r.IntN(10)), n})
			}
			pushes = append(pushes, s.commit(r.IntN(p.source), events...))
		}
		mess(f, r, pushes, p.drop)
		elapse(time.Duration(r.IntN(5000)) * time.Millisecond) // lets the follower work a little
		if p.crash == 1 {
			stop()
			f = follower(t, s, target, configure)
			stop = start(f)
		}
	}
	defer func() { stop() }()
	for range 4000 { // hours of the bubble's clock, never of ours
		elapse(time.Second)
		if !f.LevelAt().IsZero() && p.complete(s, target) == nil && f.level(s) {
			return nil
		}
	}
	return errors.Join(fmt.Errorf("not level after an hour: %+v", f.Status()), p.complete(s, target))
}

func (p plan) complete(s *fakeSource, target *fakeTarget) error {
	for own := range p.own {
		for shard := range p.source {
			if got, want := target.all(own, shard), want(s, target, own, shard); fmt.Sprint(got) != fmt.Sprint(want) {
				return fmt.Errorf("own %d source %d: got %v want %v", own, shard, got, want)
			}
		}
	}
	return nil
}

// level tells whether every position has reached the source's heads.
func (f *Follower) level(s *fakeSource) bool {
	for _, st := range f.Status() {
		if st.Offset != uint64(len(s.shards[st.SourceShard])) {
			return false
		}
	}
	return true
}
