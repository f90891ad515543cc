package payment

import (
	"context"

	"github.com/sidecart/sidecart/services/datacopy"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Account loads the journal from a store and says what it comes to: charges and refunds in memory by status. It writes nothing.
func Account(ctx context.Context, state sidecar.State) (datacopy.Account, error) {
	return datacopy.AccountOf(ctx, Name, machine{}, state, total)
}

// total adds a shard's money to the totals.
func total(s *state, totals map[string]int64) error {
	for _, a := range s.accounts.All() {
		for _, c := range a.Charges {
			totals["charges "+c.Status]++
		}
		for _, r := range a.Refunds {
			totals["refunds "+r.Status]++
		}
	}
	return nil
}
