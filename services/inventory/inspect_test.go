package inventory

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

// TestDigestIsOfTheStateAndNotOfItsHistory holds that rows, which are dumped in no order, do not make a copy differ from
// what it was copied from: one store gives the state from all segments, the other from a snapshot of its middle.
func TestDigestIsOfTheStateAndNotOfItsHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
		sell := func(every uint64) (store *journaltest.Store, digest string) {
			store = journaltest.NewStore()
			j, err := journal.New(journal.Config{Service: Name, Shards: 1, SnapshotEverySegments: every}, Machine{},
				journal.Deps{State: store.Client("w", journaltest.Faults{}), Writer: "w", Now: func() time.Time { return noon }})
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- j.Run(ctx) }()
			<-j.Loaded()
			do := func(cmd journal.Command) {
				_, err := j.DoShard(t.Context(), 0, cmd)
				require.NoError(t, err)
			}
			for _, sku := range []string{"b", "c", "a"} {
				do(PutItem{SKU: sku, Title: "T", Price: eur(1), Quantity: 1000})
				for i := range 100 {
					do(Reserve{SKU: sku, ID: fmt.Sprint(i), Quantity: 1, HoldSeconds: 60})
					do(hold(fmt.Sprint(sku, i), lines(sku, 1)))
					if i >= 10 {
						do(DropHold{ID: fmt.Sprint(sku, i-10), All: true})
					}
				}
			}
			synctest.Wait()
			cancel()
			require.NoError(t, <-done)
			found, err := journal.Inspect(t.Context(), Name, Machine{}, store.Client("i", journaltest.Faults{}))
			require.NoError(t, err)
			require.Equal(t, 3+300+30, found[0].Records)
			return store, found[0].Digest
		}
		all, fromSegments := sell(1 << 40)
		require.Empty(t, all.Keys(Name+"/snapshot/"))
		some, fromSnapshot := sell(250)
		require.NotEmpty(t, some.Keys(Name+"/snapshot/"))
		require.Equal(t, fromSegments, fromSnapshot)
	})
}
