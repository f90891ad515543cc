package follow

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// replace gives the source an empty journal of another identity, as a wiped store does.
func (s *fakeSource) replace() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal, s.writes = "src-2", 0
	for i := range s.shards {
		s.shards[i], s.first[i] = nil, 1
	}
}

// The broker outlived the store: what it still delivers is of a journal that is no more.
func TestPushesOfAnotherJournalAreNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, target := newFakeSource(1), newFakeTarget(1)
		old := [][]byte{s.commit(0, happened{"a", 1}), s.commit(0, happened{"a", 2})}
		s.replace()
		f := follower(t, s, target, func(c *Config) { c.PollEvery = time.Hour })
		defer start(f)()
		synctest.Wait()
		for _, push := range old {
			f.Deliver(t.Context(), push)
		}
		synctest.Wait()
		assert.Empty(t, target.all(0, 0))
		f.Deliver(t.Context(), s.commit(0, happened{"a", 3}))
		synctest.Wait()
		assert.Equal(t, []int{3}, target.all(0, 0))
		assert.EqualValues(t, 2, counted(t, f.metrics.pushesDropped))
	})
}

// The store was replaced under a follower, which lives on or is started again: the new numbers are not taken for the old.
func TestAReplacedSourceIsNoticed(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s, target := newFakeSource(1), newFakeTarget(1)
			f := follower(t, s, target, nil)
			stop := start(f)
			s.commit(0, happened{"a", 1})
			elapse(time.Minute)
			require.Equal(t, []int{1}, target.all(0, 0))
			if restarted {
				stop()
			}
			s.replace()
			for i := range 5 { // it soon is further than the old one was
				s.commit(0, happened{"a", 100 + i})
			}
			if restarted {
				f = follower(t, s, target, nil)
				stop = start(f)
			}
			defer stop()
			elapse(5 * time.Second)
			level := f.LevelAt()
			elapse(10 * time.Minute)
			assert.Equal(t, []int{1}, target.all(0, 0), "restarted %v", restarted)
			assert.Equal(t, level, f.LevelAt(), "nothing was heard of the journal that is followed")
		})
	}
}
