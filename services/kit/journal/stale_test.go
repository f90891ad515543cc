package journal_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// staleBulk is a store whose bulk reads see nothing at all of what is there, as eventually consistent ones may for a moment.
type staleBulk struct{ sidecar.State }

func (s staleBulk) GetBulk(context.Context, []string) (map[string]sidecar.Item, error) {
	return map[string]sidecar.Item{}, nil
}

// TestStaleBulkReadsHideNothing starts on a store whose bulk reads are behind: what they miss is neither the end of the journal,
// nor trimmed, nor a damaged snapshot.
func TestStaleBulkReadsHideNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		a := start(t, store, options{name: "a", config: quickUpkeep()})
		fill(t, a, "x", 35)
		waitFor(t, "a snapshot", func() bool { return headerOf(t, store).Seq >= 10 })
		want := picture(a.State(0))

		stale := options{name: "b", config: quickUpkeep(), deps: func(d *journal.Deps) { d.State = staleBulk{d.State} }}
		b := start(t, store, stale)
		require.Equal(t, want, picture(b.State(0)))
		require.Equal(t, a.Heads(), b.Heads())
		trimmed := headerOf(t, store).TrimmedThrough
		segments, err := b.Segments(t.Context(), 0, trimmed, 100)
		require.NoError(t, err)
		require.Len(t, segments, 35-int(trimmed))
		ticket, err := b.buy(t.Context(), "x3")
		require.NoError(t, err)
		require.Equal(t, 4, ticket, "the first answer")
	})
}
