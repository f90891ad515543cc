package order

import (
	"context"

	"github.com/sidecart/sidecart/services/datacopy"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Account loads the journal from a store and says what it comes to: orders in memory by status. It writes nothing.
func Account(ctx context.Context, state sidecar.State) (datacopy.Account, error) {
	return datacopy.AccountOf(ctx, Name, machine{}, state, total)
}

// total adds a shard's orders to the totals.
func total(s *state, totals map[string]int64) error {
	for _, o := range s.orders.All() {
		totals["orders "+o.Status]++
	}
	return nil
}
