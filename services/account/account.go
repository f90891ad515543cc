package account

import (
	"context"

	"github.com/sidecart/sidecart/services/datacopy"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Account loads the journal from a store and says what it comes to: accounts and open sessions. It writes nothing.
func Account(ctx context.Context, state sidecar.State) (datacopy.Account, error) {
	return datacopy.AccountOf(ctx, Name, machine{}, state, total)
}

// total adds a shard's accounts to the totals.
func total(s *state, totals map[string]int64) error {
	for _, a := range s.accounts.All() {
		totals["accounts"]++
		totals["sessions"] += int64(len(a.Sessions))
	}
	return nil
}
