package follow

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
)

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
