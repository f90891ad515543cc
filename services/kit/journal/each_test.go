package journal_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

// TestDoEach: each command has the answer that it would have had alone, in the order of the list, and they share commits.
func TestDoEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const queue = 20
		r := start(t, journaltest.NewStore(), options{tickets: 3, config: journal.Config{Shards: 2, MaxQueueCommands: queue}})
		before := r.Heads()
		var all []*journal.Assigned
		for i := range queue {
			all = append(all, &journal.Assigned{Shard: i % 2, Cmd: buy{fmt.Sprint(i)}})
		}
		all = append(all, &journal.Assigned{Shard: 2, Cmd: buy{"nowhere"}})
		r.DoEach(t.Context(), all)
		for i, a := range all[:queue] {
			if i >= 6 { // three tickets a shard, whoever comes first
				require.ErrorIs(t, a.Err, errSoldOut, i)
				continue
			}
			require.NoError(t, a.Err)
			require.Equal(t, i/2+1, a.Result.Answer)
			require.Equal(t, i%2, a.Result.Shard)
		}
		require.True(t, errs.HasCode(all[queue].Err, errs.CodeNotFound))
		for shard, head := range r.Heads() {
			require.LessOrEqual(t, head, before[shard]+2, "they share commits")
		}
	})
}

// TestDoEachFillsAQueueAndNoMore: what finds no room is refused alone, and what found it is answered.
func TestDoEachFillsAQueueAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const queue = 20
		slow := journaltest.Faults{Script: func(op, _ string, _ int) (journaltest.Fault, bool) {
			return journaltest.Delay, op == journaltest.OpCreate
		}}
		r := start(t, journaltest.NewStore(), options{tickets: 3 * queue, faults: slow, config: journal.Config{MaxQueueCommands: queue}})
		var first sync.WaitGroup
		first.Go(func() {
			_, err := r.buy(t.Context(), "first")
			assert.NoError(t, err)
		})
		synctest.Wait() // it is being written, and the shard takes nothing more until it is
		var all []*journal.Assigned
		for i := range 3 * queue {
			all = append(all, &journal.Assigned{Cmd: buy{fmt.Sprint(i)}})
		}
		r.DoEach(t.Context(), all)
		first.Wait()
		for i, a := range all {
			if i < queue {
				require.NoError(t, a.Err, i)
				require.Equal(t, i+2, a.Result.Answer)
				continue
			}
			require.True(t, errs.HasCode(a.Err, errs.CodeOverloaded), "%d: %v", i, a.Err)
		}
		require.Equal(t, 1+queue, r.State(0).sold.Len())
	})
}
