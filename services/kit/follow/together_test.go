package follow

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

// counting counts what is asked of a Target, and what of it was done.
type counting struct {
	Target
	tries, commits atomic.Int64
}

func (c *counting) DoShard(ctx context.Context, shard int, cmd journal.Command) (journal.Result, error) {
	c.tries.Add(1)
	r, err := c.Target.DoShard(ctx, shard, cmd)
	if err == nil {
		c.commits.Add(1)
	}
	return r, err
}

func TestSegmentsThatWaitShareACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, target := newFakeSource(1), newFakeTarget(2)
		var want []int
		for i := range 3 * maxTogetherSteps {
			s.commit(0, happened{"b", 3 * i}, happened{"a", 3*i + 1}, happened{"b", 3*i + 2}) // "b" is in own shard 0
			want = append(want, 3*i, 3*i+2)
		}
		defer start(follower(t, s, target, nil))()
		elapse(5 * time.Second)
		assert.Equal(t, want, target.all(0, 0), "once and in order")
		assert.Len(t, target.all(1, 0), 3*maxTogetherSteps)
		assert.Less(t, target.commits, len(want)/10)
	})
}

func TestAFailureAmongSegmentsThatWaitIsThatOfOneEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, target := newFakeSource(1), newFakeTarget(1)
		const bad = 5
		target.refuse = func(h happened) error {
			if h.N == bad {
				return errs.New(errs.Conflict, "no_stock", "there is none")
			}
			return nil
		}
		var want []int
		for i := range 10 {
			s.commit(0, happened{"a", i})
			want = append(want, i)
		}
		defer start(follower(t, s, target, nil))()
		elapse(time.Second)
		assert.Equal(t, want[:bad], target.all(0, 0), "what comes before it does not wait")
		elapse(2 * time.Minute)
		assert.Equal(t, slices.Delete(want, bad, bad+1), target.all(0, 0))
		require.Len(t, target.Parked(), 1)
		assert.EqualValues(t, bad+1, target.Parked()[0].Seq)
	})
}

// Two hundred effects of 1.5 KB are more than the own journal takes in one commit.
func TestSegmentsOfLargeEffectsStillShareACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const segments, events = 400, 5
		s, long := newFakeSource(1), strings.Repeat("x", 1500)
		var want []int
		for i := range segments {
			var batch []happened
			for n := range events {
				batch = append(batch, happened{long, refusedEvery*(i*events+n) + 1})
				want = append(want, batch[n].N)
			}
			s.commit(0, batch...)
		}
		j, err := journal.New(journal.Config{Service: "own", Shards: 1}, scribe{}, journal.Deps{
			State: journaltest.NewStore().Client("one", journaltest.Faults{}), Writer: "one"})
		require.NoError(t, err)
		target, prepared := &counting{Target: j}, 0
		f := follower(t, s, target, func(c *Config) {
			c.React = React(On(func(at journal.At, h happened) []Routed {
				return []Routed{{"a", notice{noticed{h.N, h.Aggregate, at.Shard}}}}
			}))
			c.Prepare = func(_ context.Context, r Routed) (journal.Command, error) { prepared++; return r.Cmd, nil }
		})
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { assert.NoError(t, j.Run(ctx)) })
		all.Go(func() { _ = f.Run(ctx) })
		elapse(10 * time.Second)
		cancel()
		all.Wait()
		var got []int
		j.State(0).entries.Scan(func(_ int, e noticed) bool { got = append(got, e.N); return true })
		assert.Equal(t, want, got)
		tries, commits := target.tries.Load(), target.commits.Load()
		t.Logf("%d tries, %d commits, %d commands prepared", tries, commits, prepared)
		assert.Less(t, commits, tries, "the journal refuses what is too large, or this shows nothing")
		assert.Less(t, commits, int64(segments/5))
		assert.Less(t, tries-commits, commits/2, "few are in vain")
		assert.Less(t, prepared, 2*segments*events)
	})
}
