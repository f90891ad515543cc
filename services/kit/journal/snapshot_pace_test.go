package journal_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

// A state that is large is written the more seldom: what snapshots write stays a share of what is committed.
func TestSnapshotsAreAShareOfWhatIsCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		cfg := journal.Config{SnapshotEverySegments: 10, SnapshotEvery: 1000 * time.Hour, TrimEvery: 1000 * time.Hour}
		r := start(t, store, options{name: "a", config: cfg})
		const textBytes = 10_000
		commit := func(n int, id func(i int) string) {
			for i := range n {
				_, err := r.DoShard(t.Context(), 0, pad{id(i), strings.Repeat("x", textBytes)})
				require.NoError(t, err)
			}
			rest(time.Minute) // a snapshot that is due is written
		}
		commit(100, func(i int) string { return fmt.Sprint(i) }) // a state of 1 MB
		first := headerOf(t, store).Seq
		require.NotZero(t, first)
		committed := 0
		same := func(int) string { return "0" } // the state stays as large as it is
		for headerOf(t, store).Seq == first {
			commit(10, same)
			committed += 10 * textBytes
			require.Less(t, committed, 100*textBytes*20, "no other snapshot")
		}
		require.GreaterOrEqual(t, committed+100*textBytes, 9*int(first)*textBytes)

		other := start(t, store, options{name: "b", config: cfg})
		require.Equal(t, picture(r.State(0)), picture(other.State(0)))
	})
}

// What is committed while a snapshot is written does not ask for the next one as soon as that is done.
func TestASnapshotIsNotFollowedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		store := journaltest.NewStore()
		r := start(t, store, options{
			name: "a", config: journal.Config{SnapshotEverySegments: 10, SnapshotEvery: 1000 * time.Hour, TrimEvery: 1000 * time.Hour},
			faults: journaltest.Faults{DelayUpTo: 9 * time.Second, Script: func(op, key string, _ int) (journaltest.Fault, bool) {
				if slow.Load() && op == journaltest.OpCreate && strings.HasPrefix(key, "test/snapshot/0/") {
					return journaltest.Delay, true
				}
				return journaltest.None, true
			}},
		})
		commit := func(id int) {
			_, err := r.DoShard(t.Context(), 0, pad{fmt.Sprint(id), strings.Repeat("x", 10_000)})
			require.NoError(t, err)
		}
		for id := range 100 { // a state of 1 MB, so that the next snapshot is due after 9 MB
			commit(id)
		}
		rest(time.Minute)
		first := headerOf(t, store).Seq
		slow.Store(true)
		for len(headerOf(t, store).OtherSets) == 0 || headerOf(t, store).OtherSets[0].Retired { // until it begins
			commit(0)
			rest(time.Millisecond)
		}
		for range 50 {
			commit(0)
		}
		rest(10 * time.Minute)
		second := headerOf(t, store).Seq
		require.Greater(t, second, first)
		require.LessOrEqual(t, second, r.Heads()[0]-50, "the one that was under way")
	})
}

// A process that dies in a snapshot holds up the next one for less than a minute; one that is slow shows that it lives.
func TestAnotherReplicaTakesASnapshotOver(t *testing.T) {
	for name, dies := range map[string]bool{"dead": true, "slow": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const chunks = 30
				cfg := quickUpkeep()
				cfg.SnapshotEverySegments = chunks
				store := journaltest.NewStore()
				var first *replica
				slow := journaltest.Faults{DelayUpTo: 9 * time.Second, Script: func(op, key string, _ int) (journaltest.Fault, bool) {
					if op != journaltest.OpCreate || !strings.HasPrefix(key, "test/snapshot/0/") {
						return journaltest.None, true
					}
					if dies {
						go first.client.Cut()
					}
					return journaltest.Delay, true
				}}
				var err error
				first, err = launch(store, options{name: "a", config: cfg, faults: slow})
				require.NoError(t, err)
				defer first.kill()
				<-first.Loaded()
				for i := range chunks {
					_, err := first.DoShard(t.Context(), 0, pad{fmt.Sprint(i), strings.Repeat("x", 150_000)})
					require.NoError(t, err)
				}
				rest(time.Second)
				require.Len(t, headerOf(t, store).OtherSets, 1, "a snapshot has begun")
				set, began := headerOf(t, store).OtherSets[0].ID, time.Now()
				second := start(t, store, options{name: "b", config: cfg})
				for n := 0; headerOf(t, store).Seq == 0; n++ {
					_, err := second.buy(t.Context(), fmt.Sprint(n))
					require.NoError(t, err)
					rest(time.Second)
				}
				if dies {
					require.NotEqual(t, set, headerOf(t, store).Set)
					require.Less(t, time.Since(began), time.Minute)
				} else {
					require.Equal(t, set, headerOf(t, store).Set, "it was taken for dead")
					require.Greater(t, time.Since(began), time.Minute, "slow enough to be taken for dead")
				}
			})
		})
	}
}
