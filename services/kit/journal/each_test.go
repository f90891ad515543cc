package journal_test

import (
	"fmt"
	"testing"
	"testing/synctest"

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

		all = nil
		for i := range 3 * queue { // more than one shard's queue has room for
			all = append(all, &journal.Assigned{Cmd: buy{fmt.Sprint("more", i)}})
		}
		r.DoEach(t.Context(), all)
		require.ErrorIs(t, all[0].Err, errSoldOut)
		for _, a := range all { // how many find room depends on how soon the shard takes the first
			if !errs.HasCode(a.Err, errs.CodeOverloaded) {
				require.ErrorIs(t, a.Err, errSoldOut)
			}
		}
	})
}
