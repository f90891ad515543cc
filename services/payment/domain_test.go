package payment

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/money"
	"github.com/sidecart/sidecart/services/kit/task"
	"github.com/sidecart/sidecart/services/payment/paymentapi"
)

var (
	start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	price = money.Of(1250, "EUR")
)

// book is a shard with everything that happened to it.
type book struct {
	t   require.TestingT
	s   *state
	at  journal.At
	log []journal.Event
}

func newBook(t require.TestingT) *book {
	return &book{t: t, s: newState(), at: journal.At{Seq: 1, Time: start}}
}

// do decides and applies one command, through an encoding as the journal would.
func (b *book) do(cmd journal.Command) (answer any, err error) {
	before := dump(b.t, b.s)
	next := b.s.clone()
	answer, events, err := decide(next, b.at, cmd)
	if err != nil {
		require.Empty(b.t, events)
		return nil, err
	}
	for _, e := range events {
		data, err := json.Marshal(e)
		require.NoError(b.t, err)
		decoded, err := paymentapi.Types().Decode(journal.Record{Type: e.EventType(), Data: data})
		require.NoError(b.t, err)
		require.Equal(b.t, e, decoded)
		apply(next, b.at, e)
	}
	require.Equal(b.t, before, dump(b.t, b.s), "a committed state never changes")
	b.s = next
	b.at.Seq++
	b.log = append(b.log, events...)
	return answer, nil
}

func (b *book) must(cmd journal.Command) any {
	answer, err := b.do(cmd)
	require.NoError(b.t, err)
	return answer
}

func dump(t require.TestingT, s *state) []string {
	var records []string
	require.NoError(t, machine{}.Dump(s, func(kind string, r any) error {
		text, err := json.Marshal(r)
		records = append(records, kind+" "+string(text))
		return err
	}))
	slices.Sort(records) // they come in no order
	return records
}

func count[E journal.Event](b *book, keep func(E) bool) int {
	n := 0
	for _, e := range b.log {
		if one, ok := e.(E); ok && keep(one) {
			n++
		}
	}
	return n
}

func charge1() requestCharge {
	return requestCharge{OrderID: "o", Attempt: 1, Method: "card", Amount: price}
}

func TestChargeOnce(t *testing.T) {
	b := newBook(t)
	b.must(charge1())
	b.must(charge1())
	require.Len(t, b.log, 1)
	for range 2 {
		b.must(recordCharged{OrderID: "o", Attempt: 1, ChargeID: "ch", Amount: price})
	}
	b.must(recordDeclined{OrderID: "o", Attempt: 1, Reason: "card_declined"})
	require.Len(t, b.log, 2)
	require.Equal(t, paymentapi.Charged{OrderID: "o", Attempt: 1, ChargeID: "ch", Amount: price, ChargedAt: start}, b.log[1])
	require.Zero(t, b.s.tasks.Len())
}

func TestCancelAbandonsOnlyWhatWasNeverAttempted(t *testing.T) {
	b := newBook(t)
	b.must(charge1())
	b.must(cancelOrder{OrderID: "o"})
	b.must(cancelOrder{OrderID: "o"})
	require.Equal(t, 1, count(b, func(e paymentapi.Abandoned) bool { return e.Reason == "order_cancelled" }))
	require.Zero(t, b.s.tasks.Len())

	b = newBook(t)
	b.must(charge1())
	b.must(task.Claim{By: "w", IDs: []string{"o:1"}, Lease: time.Minute})
	b.must(task.Fail{ID: "o:1", By: "w", Reason: "timeout"})
	b.must(cancelOrder{OrderID: "o"})
	require.Zero(t, count(b, func(paymentapi.Abandoned) bool { return true }), "it may have been charged")
	require.Equal(t, 1, b.s.tasks.Len())
}

func TestRefundNeedsOnlyItsEvent(t *testing.T) {
	b := newBook(t)
	ask := requestRefund{OrderID: "o", ChargeID: "ch", Attempt: 1, Amount: price, Reason: "paid_after_cancel"}
	b.must(ask)
	b.must(ask)
	b.must(recordRefunded{OrderID: "o", ChargeID: "ch", RefundID: "re"})
	b.must(recordRefunded{OrderID: "o", ChargeID: "ch", RefundID: "re"})
	require.Len(t, b.log, 2)
	require.Equal(t, price, b.log[1].(paymentapi.Refunded).Amount)
	b.must(forgetOrder{OrderID: "o"})
	b.must(forgetOrder{OrderID: "o"})
	require.Len(t, b.log, 3)
	require.Empty(t, dump(t, b.s))
}

func TestOperatorsDiscard(t *testing.T) {
	b := newBook(t)
	b.must(charge1())
	b.must(requestRefund{OrderID: "o", ChargeID: "ch", Attempt: 1, Amount: price})
	_, err := b.do(task.Discard{ID: "o:1"})
	require.True(t, errs.HasCode(err, task.CodeNotParked))
	_, err = b.do(task.Discard{ID: "o:9"})
	require.True(t, errs.HasCode(err, task.CodeUnknownTask))
	for _, id := range []string{"o:1", "refund:ch"} {
		b.must(task.Claim{By: "w", IDs: []string{id}, Lease: time.Minute})
		b.must(task.Park{ID: id, By: "w", Reason: "never"})
		b.must(task.Discard{ID: id})
	}
	require.Equal(t, 1, count(b, func(e paymentapi.Declined) bool { return e.Reason == paymentapi.DeclinedByOperator }))
	require.Equal(t, 1, count(b, func(e paymentapi.Refunded) bool { return e.RefundID == paymentapi.RefundedByOperator }))
	b.must(recordCharged{OrderID: "o", Attempt: 1, ChargeID: "late", Amount: price})
	require.Equal(t, 1, count(b, func(e paymentapi.Charged) bool { return e.ChargeID == "late" }), "money that was taken is never hidden")
}

// TestDomain runs random commands in any order, repeats included, and checks what must always hold.
func TestDomain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBook(t)
		order := rapid.SampledFrom([]string{"o", "p"})
		attempt := rapid.IntRange(1, 2)
		writer := rapid.SampledFrom([]string{"", "w", "v"})
		id := rapid.SampledFrom([]string{"o:1", "o:2", "p:1", "refund:ch-o-1", "refund:ch-p-1"})
		chargeID := func(order string, attempt int) string { return fmt.Sprintf("ch-%s-%d", order, attempt) }
		t.Repeat(map[string]func(*rapid.T){
			"request": func(t *rapid.T) {
				b.must(requestCharge{order.Draw(t, "o"), attempt.Draw(t, "n"), "card", price, writer.Draw(t, "w"), 9 * time.Second})
			},
			"cancel": func(t *rapid.T) { b.must(cancelOrder{order.Draw(t, "o")}) },
			"refund": func(t *rapid.T) {
				o, n := order.Draw(t, "o"), attempt.Draw(t, "n")
				b.must(requestRefund{o, chargeID(o, n), n, price, "r", writer.Draw(t, "w"), 9 * time.Second})
			},
			"forget": func(t *rapid.T) { b.must(forgetOrder{order.Draw(t, "o")}) },
			"charged": func(t *rapid.T) {
				o, n := order.Draw(t, "o"), attempt.Draw(t, "n")
				if b.s.account(o).charge(n) != nil {
					b.must(recordCharged{o, n, chargeID(o, n), price})
				}
			},
			"declined": func(t *rapid.T) { b.must(recordDeclined{order.Draw(t, "o"), attempt.Draw(t, "n"), "no"}) },
			"refunded": func(t *rapid.T) {
				o := order.Draw(t, "o")
				b.must(recordRefunded{o, chargeID(o, attempt.Draw(t, "n")), "re"})
			},
			"claim":   func(t *rapid.T) { b.must(task.Claim{By: "w", IDs: []string{id.Draw(t, "id")}, Lease: 9 * time.Second}) },
			"fail":    func(t *rapid.T) { _, _ = b.do(task.Fail{ID: id.Draw(t, "id"), By: "w", Reason: "down"}) },
			"park":    func(t *rapid.T) { _, _ = b.do(task.Park{ID: id.Draw(t, "id"), By: "w", Reason: "no"}) },
			"retry":   func(t *rapid.T) { _, _ = b.do(task.Retry{ID: id.Draw(t, "id")}) },
			"discard": func(t *rapid.T) { _, _ = b.do(task.Discard{ID: id.Draw(t, "id")}) },
			"time":    func(t *rapid.T) { b.at.Time = b.at.Time.Add(5 * time.Second) },
			"":        func(t *rapid.T) { check(t, b) },
		})
	})
}

// check holds the rules against the state.
func check(t *rapid.T, b *book) {
	open := 0
	for id, a := range b.s.accounts.All() {
		for _, c := range a.Charges {
			_, working := b.s.tasks.Get(chargeKey(id, c.Attempt))
			require.Equal(t, c.Status == statusPending, working, "a charge is pending exactly while there is a task for it")
			open += one(working)
		}
		for _, r := range a.Refunds {
			_, working := b.s.tasks.Get(refundKey(r.ChargeID))
			require.Equal(t, r.Status == statusPending, working)
			_, found := b.s.work(refundKey(r.ChargeID))
			require.Equal(t, working, found)
			open += one(working)
		}
	}
	require.Equal(t, open, b.s.tasks.Len(), "every task is about something")

	again := machine{}.New()
	require.NoError(t, machine{}.Dump(b.s, func(kind string, r any) error {
		text, err := json.Marshal(r)
		require.NoError(t, err)
		return machine{}.Load(again, kind, jsontext.Value(text))
	}))
	require.Equal(t, dump(t, b.s), dump(t, again), "a snapshot gives the same state")
	require.Equal(t, slices.Collect(b.s.tasks.Due(b.at.Time)), slices.Collect(again.tasks.Due(b.at.Time)))
	require.Equal(t, b.s.refunds.Len(), again.refunds.Len())
	for id := range b.s.tasks.All() {
		_, want := b.s.work(id.ID)
		_, got := again.work(id.ID)
		require.Equal(t, want, got)
	}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}
