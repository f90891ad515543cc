package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/run"
)

// TestBackup: a copy of the data folder of a stopped shop is a shop, in either placement, that knows every order, its
// idempotency key and the stock; and what is sold in the copy does not touch the original.
func TestBackup(t *testing.T) {
	harness.SkipIfShort(t)
	data := t.TempDir()
	original, backup := filepath.Join(data, "original"), filepath.Join(data, "backup")
	in := func(dir string) harness.Option { return func(o *run.Options) { o.DataDir = dir } }

	s := harness.Open(t, harness.One, in(original))
	sku := stocked(t, s, 5)
	paid := placed(t, s, sku, 1)
	require.NoError(t, s.Pay(t.Context(), paid.ID, "card"))
	becomes(t, s, paid.ID, client.Paid)
	kept, err := s.Place(t.Context(), "kept", basket(sku, 1))
	require.NoError(t, err)
	require.NoError(t, s.Stack.Stop(t.Context()))
	require.NoError(t, os.CopyFS(backup, os.DirFS(original)))

	s = harness.Open(t, harness.Split, in(backup))
	again, err := s.Place(t.Context(), "kept", basket(sku, 1))
	require.NoError(t, err)
	assert.Equal(t, kept.ID, again.ID, "the same key is the same order")
	sold := placed(t, s, sku, 1)
	audit(t, s, []string{sku}, []string{paid.ID, kept.ID, sold.ID})
	require.NoError(t, s.Stack.Stop(t.Context()))

	s = harness.Open(t, harness.Split, in(original))
	_, err = s.Order(t.Context(), sold.ID)
	assert.Equal(t, "unknown_order", problem(err).Code, "what the copy sold is not in the original")
	audit(t, s, []string{sku}, []string{paid.ID, kept.ID})
}
