package datacopy

import (
	"errors"

	"github.com/sidecart/sidecart/services/kit/journal"
)

// AccountOf makes the account of an inspected journal. add adds a shard's state to the totals; its error says what is
// wrong with the state.
func AccountOf[S any](shards []journal.Inspection[S], add func(s S, totals map[string]int64) error) (Account, error) {
	a := Account{Totals: map[string]int64{}}
	var wrong error
	for _, s := range shards {
		a.Shards = append(a.Shards, ShardAccount{Head: s.Head, Records: s.Records, Digest: s.Digest})
		wrong = errors.Join(wrong, add(s.State, a.Totals))
	}
	return a, wrong
}
