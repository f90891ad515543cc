package datacopy

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

// A store that keeps numbers as floats rounds times in nanoseconds, which lists are ordered by. What it gives back is not
// what was written, however alike the two are.
func TestARoundedNumberIsADifference(t *testing.T) {
	source, target := journaltest.NewStore(), journaltest.NewStore()
	target.Put("shop/list/owner/a", []byte(`{"entries": [{"id": "c1", "at": 1795557190986476800}]}`))
	err := plainCopier(t, source, target).createAll(t.Context(), []document{
		{"shop/list/owner/a", []byte(`{"entries":[{"id":"c1","at":1795557190986476812}]}`)},
	})
	require.ErrorContains(t, err, "the target holds another value at shop/list/owner/a")
	require.NoError(t, plainCopier(t, source, target).createAll(t.Context(), []document{
		{"shop/list/owner/a", []byte(`{"entries":[{"at":1795557190986476800,"id":"c1"}]}`)},
	}), "the same in other words")
}
