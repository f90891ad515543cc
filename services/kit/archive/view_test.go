package archive

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// trouble is a store that fails in every way that does not wait for a deadline.
func trouble(seed uint64) journaltest.Faults {
	return journaltest.Faults{Seed: seed, FailBefore: 0.1, FailAfter: 0.15, PlainConflict: 0.2, Delay: 0.1, DelayUpTo: time.Microsecond}
}

func TestTheLatestViewStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shared := journaltest.NewStore()
		seed := rapid.Uint64().Draw(t, "seed")
		seqs := rapid.SliceOfN(rapid.Uint64Range(1, 20), 1, 12).Draw(t, "seqs")
		var writers errgroup.Group
		for i, seq := range seqs {
			store := NewStore[string](shared.Client(fmt.Sprint(i), trouble(seed)), "shop", "thing")
			writers.Go(func() error {
				for range 50 { // a failed round is repeated
					if store.Put(t.Context(), View[string]{ID: "a", Shard: 1, Seq: seq, Doc: fmt.Sprint("doc", seq)}) == nil {
						return nil
					}
				}
				return fmt.Errorf("seed %d: view %d was never written", seed, seq)
			})
		}
		require.NoError(t, writers.Wait())
		latest := seqs[0]
		for _, s := range seqs {
			latest = max(latest, s)
		}
		store := NewStore[string](shared.Client("reader", journaltest.Faults{}), "shop", "thing")
		view, err := store.Get(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, &View[string]{ID: "a", Shard: 1, Seq: latest, Doc: fmt.Sprint("doc", latest)}, view)
	})
}

func TestManyViews(t *testing.T) {
	store := NewStore[int](journaltest.NewStore().Client("x", journaltest.Faults{}), "shop", "thing")
	var ids []string
	for i := range 3*maxBulkViews + 7 {
		id := fmt.Sprint("v", i)
		ids = append(ids, id)
		if i%2 == 0 {
			require.NoError(t, store.Put(t.Context(), View[int]{ID: id, Seq: 1, Doc: i}))
		}
	}
	views, err := store.GetMany(t.Context(), ids)
	require.NoError(t, err)
	require.Len(t, views, len(ids)/2+1)
	require.Equal(t, 2, views["v2"].Doc)
	missing, err := store.Get(t.Context(), "v1")
	require.NoError(t, err)
	require.Nil(t, missing)
}

func TestAViewThatIsTooLargeIsRefused(t *testing.T) {
	store := NewStore[string](journaltest.NewStore().Client("x", journaltest.Faults{}), "shop", "thing")
	require.ErrorContains(t, store.Put(t.Context(), View[string]{ID: "a", Doc: string(make([]byte, 300<<10))}), "the bound is")
}

// staleBulk is a store whose bulk reads see nothing at all of what is there, as eventually consistent ones may for a moment.
type staleBulk struct{ sidecar.State }

func (s staleBulk) GetBulk(context.Context, []string) (map[string]sidecar.Item, error) {
	return map[string]sidecar.Item{}, nil
}

// A customer's list names views that were written before it. One that a bulk read does not see yet is no missing view.
func TestStaleBulkReadsHideNoView(t *testing.T) {
	store := NewStore[string](staleBulk{journaltest.NewStore().Client("a", journaltest.Faults{})}, "shop", "thing")
	for _, id := range []string{"a", "c"} {
		require.NoError(t, store.Put(t.Context(), View[string]{ID: id, Seq: 1, Doc: "doc " + id}))
	}
	views, err := store.GetMany(t.Context(), []string{"a", "b", "c"})
	require.NoError(t, err)
	require.Len(t, views, 2)
	require.Equal(t, "doc a", views["a"].Doc)
	require.Equal(t, "doc c", views["c"].Doc)
}
