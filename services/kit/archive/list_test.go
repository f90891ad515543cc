package archive

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// readAll reads the owner's list page by page.
func readAll(t require.TestingT, l *List, owner string, limit int) []Entry {
	ctx := contextOf(t)
	var all []Entry
	var cursor Entry
	for {
		page, err := l.Before(ctx, owner, cursor, limit)
		require.NoError(t, err)
		all = append(all, page...)
		if len(page) < limit {
			return all
		}
		cursor = page[limit-1]
	}
}

func TestAListHasEverythingOnceNewestFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shared := journaltest.NewStore()
		seed := rapid.Uint64().Draw(t, "seed")
		spread := rapid.Int64Range(1, 5000).Draw(t, "spread")
		n := rapid.SampledFrom([]int{1, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200, 220, 240, maxHeadEntries + 1, 2*maxHeadEntries + spillEntries}).Draw(t, "entries")
		var model []Entry
		for i := range n { // about in their order, as orders finish
			at := noon.Add(time.Duration(int64(i)+(int64(i)*7919)%spread) * time.Second)
			model = append(model, Entry{ID: fmt.Sprintf("id%06d", (i*31)%n), At: at})
		}
		seen := map[string]bool{}
		model = slices.DeleteFunc(model, func(e Entry) bool { was := seen[e.ID]; seen[e.ID] = true; return was })
		var writers errgroup.Group
		for w := range 2 { // replicas archive the same entries
			l := NewList(shared.Client(fmt.Sprint(w), trouble(seed)), "shop", "customer")
			writers.Go(func() error {
				for chunk := range slices.Chunk(model, 300) {
					for try := 0; l.Add(t.Context(), "ada", chunk) != nil; try++ {
						if try == 50 {
							return fmt.Errorf("seed %d: entries were never added", seed)
						}
					}
				}
				return nil
			})
		}
		require.NoError(t, writers.Wait())
		l := NewList(shared.Client("reader", journaltest.Faults{}), "shop", "customer")
		slices.SortFunc(model, func(a, b Entry) int {
			return newestFirst(entry{a.ID, a.At.UnixNano()}, entry{b.ID, b.At.UnixNano()})
		})
		require.Equal(t, model, readAll(t, l, "ada", rapid.SampledFrom([]int{120, 999}).Draw(t, "limit")))
		require.Empty(t, readAll(t, l, "bob", 50))
	})
}

func TestTheListOfABusyCustomerStaysWithinItsBounds(t *testing.T) {
	shared := journaltest.NewStore()
	l := NewList(shared.Client("x", journaltest.Faults{}), "shop", "customer")
	h := head{}
	for i := range maxPages {
		at := noon.Add(time.Duration(i) * time.Second).UnixNano()
		h.Pages = append(h.Pages, page{Key: fmt.Sprintf("%040d", i), Newest: at, Oldest: at})
	}
	slices.Reverse(h.Pages)
	oldest := h.Pages[maxPages-1].Key
	for i := range maxHeadEntries + 1 {
		h.add([]Entry{{ID: fmt.Sprintf("%036d", i), At: noon.Add(time.Duration(maxPages+i) * time.Second)}})
	}
	require.NoError(t, l.spill(t.Context(), l.ownerKey("ada"), &h))
	require.Len(t, h.Pages, maxPages)
	require.NotEqual(t, oldest, h.Pages[maxPages-1].Key, "the oldest page is no longer listed")
	for i := range spillEntries - 1 {
		h.add([]Entry{{ID: fmt.Sprintf("%036d", i), At: noon.Add(-time.Duration(i) * time.Second)}})
	}
	require.Len(t, h.Entries, maxHeadEntries)
	require.Less(t, jsonBytes(t, h), sidecar.MaxValueBytes)
}
