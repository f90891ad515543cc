package payment

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/money"
	"github.com/sidecart/sidecart/services/kit/task"
	"github.com/sidecart/sidecart/services/payment/paymentapi"
)

// BenchmarkRecordCharges is what 100 charges of as many orders take to apply, requested in one segment and charged in the next, as the
// journal does it: on clones of a state that has 50,000 accounts.
func BenchmarkRecordCharges(b *testing.B) {
	const had, each = 50_000, 100
	m, at, price := machine{}, journal.At{Time: start}, money.Of(1250, "EUR")
	record := func(s *state, orders int) *state {
		ids := make([]string, orders)
		s = m.Clone(s)
		for i := range ids {
			ids[i] = uuid.NewString()
			charge := task.NewClaimed(chargeKey(ids[i], 1), at.Time, "w", time.Minute)
			m.Apply(s, at, paymentapi.Requested{OrderID: ids[i], Attempt: 1, Method: "card", Amount: price, Task: charge})
		}
		s = m.Clone(s)
		for _, id := range ids {
			m.Apply(s, at, paymentapi.Charged{OrderID: id, Attempt: 1, ChargeID: "ch_1", Amount: price})
		}
		return s
	}
	s := record(m.New(), had)
	b.ReportAllocs()
	for b.Loop() {
		s = record(s, each)
	}
}
