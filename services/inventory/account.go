package inventory

import (
	"context"
	"fmt"

	"github.com/sidecart/sidecart/services/datacopy"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Account loads the journal from a store and says what it comes to: units by where they are. Units that do not add up are an error. It writes nothing.
func Account(ctx context.Context, state sidecar.State) (datacopy.Account, error) {
	return datacopy.AccountOf(ctx, Name, Machine{}, state, total)
}

// total adds a shard's stock to the totals.
func total(s *State, totals map[string]int64) (err error) {
	totals["skus"] += int64(s.items.Len())
	totals["holds"] += int64(s.holds.len())
	s.items.Scan(func(_ string, i *Item) bool {
		totals["received"] += i.Received
		totals["available"] += i.Available
		totals["reserved"] += i.Reserved
		totals["sold"] += i.Sold
		if min(i.Received, i.Available, i.Reserved, i.Sold) < 0 || i.Received != i.Available+i.Reserved+i.Sold {
			err = fmt.Errorf("inventory: %q does not add up: %+v", i.SKU, *i)
		}
		return err == nil
	})
	return err
}
