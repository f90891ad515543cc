package datacopy

import (
	"context"
	"errors"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// AccountOf loads a service's journal from a store and makes the account of it; it writes nothing. add adds a shard's
// state to the totals; its error says what is wrong with the state.
func AccountOf[S any](
	ctx context.Context, service string, m journal.Machine[S], state sidecar.State, add func(s S, totals map[string]int64) error,
) (Account, error) {
	shards, err := journal.Inspect(ctx, service, m, state)
	if err != nil {
		return Account{}, err
	}
	a := Account{Totals: map[string]int64{}}
	var wrong error
	for _, s := range shards {
		a.Shards = append(a.Shards, ShardAccount{Head: s.Head, Records: s.Records, Digest: s.Digest})
		wrong = errors.Join(wrong, add(s.State, a.Totals))
	}
	return a, wrong
}
