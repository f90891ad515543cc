package e2e

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
)

// TestUnpaidOrdersTimeOut: an order that is not paid in time is cancelled and its stock is on sale again.
func TestUnpaidOrdersTimeOut(t *testing.T) {
	harness.Each(t, func(t *testing.T, p harness.Placement) {
		s := harness.Open(t, p, harness.WithPayWithin(2*time.Second))
		sku := stocked(t, s, 2)
		late := placed(t, s, sku, 2)
		becomes(t, s, late.ID, client.Cancelled)
		assert.Equal(t, "order_cancelled", problem(s.Pay(t.Context(), late.ID, "card")).Code)
		var next client.Order
		harness.Eventually(t, "the stock is on sale again", 0, func() (err error) {
			next, err = s.Place(t.Context(), uuid.NewString(), basket(sku, 2))
			return err
		})
		require.NoError(t, s.Pay(t.Context(), next.ID, "card"))
		becomes(t, s, next.ID, client.Paid)
		audit(t, s, []string{sku}, []string{late.ID, next.ID})
	})
}
