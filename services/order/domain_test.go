package order

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/identity"
	"github.com/sidecart/sidecart/services/kit/money"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

func requireCode(t *testing.T, code string, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, code, errs.From(err).Code, "%v", err)
}

func TestPlacingIsRecordedOnce(t *testing.T) {
	l := newLedger(t)
	cmd := aPlacement("a", start)
	answer, events, err := l.do(cmd)
	require.NoError(t, err)
	require.Len(t, events, 1)
	first := answer.(placement)
	assert.False(t, first.Replayed)
	assert.Equal(t, start.Add(payWithin), first.Order.PayBy)

	l.must(requestPayment{OrderID: "a", By: ada, Method: "card"})
	l.must(aCharge("a", 1, "ch"))
	for _, archived := range []bool{false, true} {
		if archived {
			l.archiveAll()
			require.Nil(t, l.s.order("a"))
		}
		l.pass(time.Hour)
		answer, events, err = l.do(cmd)
		require.NoError(t, err)
		require.Empty(t, events)
		again := answer.(placement)
		assert.True(t, again.Replayed)
		assert.Equal(t, first.Order.Answer(), again.Order.Answer(), "a repeat gets the first answer")

		other := cmd
		other.Fingerprint = "g"
		_, _, err = l.do(other)
		requireCode(t, orderapi.CodeIdempotencyKeyReused, err)
	}
}

func TestNoOrderOutlivesItsHold(t *testing.T) {
	l := newLedger(t)
	cmd := aPlacement("a", start)
	l.pass(5 * time.Minute) // between hold and record
	answer, _, err := l.do(cmd)
	require.NoError(t, err)
	require.Equal(t, cmd.PayBefore, answer.(placement).Order.PayBy)

	late := aPlacement("b", start)
	l.pass(payWithin)
	_, _, err = l.do(late)
	requireCode(t, orderapi.CodeHoldExpired, err)
	assert.Equal(t, errs.Unavailable, errs.From(err).Kind)
	require.Nil(t, l.s.order("b"))
}

func TestOneAttemptAtATime(t *testing.T) {
	l := newLedger(t)
	l.must(aPlacement("a", start))
	require.Len(t, l.must(requestPayment{OrderID: "a", By: ada, Method: "card"}), 1)
	require.Empty(t, l.must(requestPayment{OrderID: "a", By: ada, Method: "card"}), "a repeat changes nothing")
	_, _, err := l.do(requestPayment{OrderID: "a", By: ada, Method: "transfer"})
	requireCode(t, orderapi.CodePaymentPending, err)

	require.Len(t, l.must(recordDecline{OrderID: "a", Attempt: 1, Reason: "card_declined"}), 1)
	require.Empty(t, l.must(recordDecline{OrderID: "a", Attempt: 1, Reason: "card_declined"}))
	shown := l.current("a").Answer().Payment
	assert.Equal(t, &orderapi.PaymentAnswer{Method: "card", Status: "declined", Attempt: 1, Reason: "card_declined"}, shown)

	events := l.must(requestPayment{OrderID: "a", By: ada, Method: "transfer"})
	assert.Equal(t, 2, events[0].(orderapi.PaymentRequested).Attempt)
	l.must(aCharge("a", 2, "ch"))
	assert.Equal(t, orderapi.StatusPaid, l.current("a").Status)
	require.Empty(t, l.must(requestPayment{OrderID: "a", By: ada, Method: "transfer"}), "a repeat of what paid it")
	_, _, err = l.do(requestPayment{OrderID: "a", By: ada, Method: "card"})
	requireCode(t, orderapi.CodeAlreadyPaid, err)
	_, _, err = l.do(cancelOrder{OrderID: "a", By: ada})
	requireCode(t, orderapi.CodeAlreadyPaid, err)
}

func TestAttemptsAreBounded(t *testing.T) {
	l := newLedger(t)
	l.must(aPlacement("a", start))
	for i := range orderapi.MaxAttempts {
		l.must(requestPayment{OrderID: "a", By: ada, Method: "card"})
		l.must(recordDecline{OrderID: "a", Attempt: i + 1, Reason: "card_declined"})
	}
	_, _, err := l.do(requestPayment{OrderID: "a", By: ada, Method: "card"})
	requireCode(t, orderapi.CodeTooManyAttempts, err)
}

func TestNotPaidInTime(t *testing.T) {
	l := newLedger(t)
	l.must(aPlacement("a", start))
	l.pass(payWithin)
	_, _, err := l.do(requestPayment{OrderID: "a", By: ada, Method: "card"})
	requireCode(t, orderapi.CodeOrderExpired, err)

	require.Empty(t, l.must(timeOut{Until: start.Add(payWithin)}), "pay_by itself is not over yet")
	l.pass(time.Second)
	require.Empty(t, l.must(timeOut{Until: start}), "payment's answers are not in yet")
	require.Len(t, l.must(timeOut{Until: l.at.Time}), 1)
	require.Empty(t, l.must(timeOut{Until: l.at.Time}))
	assert.Equal(t, orderapi.ReasonNotPaidInTime, l.current("a").CancelReason)
	_, _, err = l.do(requestPayment{OrderID: "a", By: ada, Method: "card"})
	requireCode(t, orderapi.CodeOrderCancelled, err)
	_, _, err = l.do(cancelOrder{OrderID: "a", By: ada})
	requireCode(t, orderapi.CodeAlreadyCancelled, err)
}

func TestAChargeAfterPayByStillPays(t *testing.T) {
	l := newLedger(t)
	l.must(aPlacement("a", start))
	l.must(requestPayment{OrderID: "a", By: ada, Method: "card"})
	l.pass(payWithin + time.Second)
	l.must(aCharge("a", 1, "ch"))
	assert.Equal(t, orderapi.StatusPaid, l.current("a").Status)
	require.Empty(t, l.must(timeOut{Until: l.at.Time}))
}

func TestAChargeAfterCancellingIsRefundedOnce(t *testing.T) {
	l := newLedger(t)
	l.must(aPlacement("a", start))
	l.must(requestPayment{OrderID: "a", By: ada, Method: "card"})
	l.must(cancelOrder{OrderID: "a", By: ada})
	l.archiveAll()
	require.NotNil(t, l.s.order("a"), "an attempt is in flight: the order stays")

	events := l.must(aCharge("a", 1, "ch"))
	require.Len(t, events, 1)
	assert.Equal(t, orderapi.ReasonPaidAfterCancel, events[0].(orderapi.RefundRequested).Reason)
	require.Empty(t, l.must(aCharge("a", 1, "ch")))
	assert.Equal(t, orderapi.PaymentRefundPending, l.current("a").Answer().Payment.Status)
	l.archiveAll()
	require.NotNil(t, l.s.order("a"), "a refund is due: the order stays")

	require.Len(t, l.must(recordRefund{OrderID: "a", ChargeID: "ch"}), 1)
	require.Empty(t, l.must(recordRefund{OrderID: "a", ChargeID: "ch"}))
	assert.Equal(t, orderapi.StatusRefunded, l.current("a").Status)
	_, _, err := l.do(cancelOrder{OrderID: "a", By: ada})
	requireCode(t, orderapi.CodeAlreadyRefunded, err)
	l.archiveAll()
	require.Nil(t, l.s.order("a"))
	_, _, err = l.do(requestPayment{OrderID: "a", By: ada, Method: "card"})
	requireCode(t, orderapi.CodeAlreadyRefunded, err)
}

func TestASecondChargeIsRefundedAndTheOrderStaysPaid(t *testing.T) {
	l := newLedger(t)
	l.must(aPlacement("a", start))
	l.must(requestPayment{OrderID: "a", By: ada, Method: "card"})
	l.must(recordDecline{OrderID: "a", Attempt: 1, Reason: "card_declined"})
	l.must(requestPayment{OrderID: "a", By: ada, Method: "card"})
	l.must(aCharge("a", 1, "ch1")) // the provider changed its mind
	l.must(aCharge("a", 2, "ch2"))
	require.Equal(t, 1, count[orderapi.RefundRequested](l.events))
	l.must(recordRefund{OrderID: "a", ChargeID: "ch2"})
	o := l.current("a")
	assert.Equal(t, orderapi.StatusPaid, o.Status)
	assert.Equal(t, &orderapi.PaymentAnswer{Method: "card", Status: "charged", Attempt: 1}, o.Answer().Payment)
}

func TestASecondChargeOfAnArchivedOrderIsRefunded(t *testing.T) {
	l := newLedger(t)
	l.must(aPlacement("a", start))
	l.must(requestPayment{OrderID: "a", By: ada, Method: "card"})
	l.must(recordDecline{OrderID: "a", Attempt: 1, Reason: "card_declined"})
	l.must(requestPayment{OrderID: "a", By: ada, Method: "card"})
	l.must(aCharge("a", 2, "ch2"))
	l.archiveAll()
	require.Nil(t, l.s.order("a"))
	l.must(aCharge("a", 1, "ch1")) // the provider changed its mind very late
	require.Equal(t, 1, count[orderapi.RefundRequested](l.events))
	l.must(recordRefund{OrderID: "a", ChargeID: "ch1"})
	assert.Equal(t, orderapi.StatusPaid, l.current("a").Status)
}

func TestLostStockOfAnArchivedOrder(t *testing.T) {
	l := newLedger(t)
	l.must(aPlacement("a", start))
	l.must(requestPayment{OrderID: "a", By: ada, Method: "card"})
	l.must(aCharge("a", 1, "ch"))
	l.archiveAll()
	require.Nil(t, l.s.order("a"))

	events := l.must(loseStock{OrderID: "a"})
	require.Equal(t, 1, count[orderapi.Restored](events))
	require.Equal(t, 1, count[orderapi.Cancelled](events))
	require.Equal(t, 1, count[orderapi.RefundRequested](events))
	require.Empty(t, l.must(loseStock{OrderID: "a"}))
	l.must(recordRefund{OrderID: "a", ChargeID: "ch"})
	assert.Equal(t, orderapi.StatusRefunded, l.current("a").Status)
	l.archiveAll()
	require.Nil(t, l.s.order("a"))
	assert.Equal(t, orderapi.StatusRefunded, l.views["a"].Status)
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	l := newLedger(t)
	l.must(aPlacement("a", start))
	l.must(requestPayment{OrderID: "a", By: ada, Method: "card"})
	_, _, err := l.do(aCharge("a", 2, "ch"))
	requireCode(t, "unknown_attempt", err)
	wrong := aCharge("a", 1, "ch")
	wrong.Amount = money.Of(1, "EUR")
	_, _, err = l.do(wrong)
	requireCode(t, "charge_amount_mismatch", err)
	l.must(aCharge("a", 1, "ch"))
	_, _, err = l.do(aCharge("a", 1, "other"))
	requireCode(t, "charge_conflict", err)
	_, _, err = l.do(recordRefund{OrderID: "a", ChargeID: "ch"})
	requireCode(t, "unknown_charge", err)
	for _, cmd := range []any{requestPayment{OrderID: "x", By: ada, Method: "card"}, cancelOrder{OrderID: "x", By: ada}, aCharge("x", 1, "ch"),
		recordDecline{OrderID: "x", Attempt: 1}, recordRefund{OrderID: "x"}, loseStock{OrderID: "x"}} {
		_, _, err = l.do(cmd)
		requireCode(t, orderapi.CodeUnknownOrder, err)
	}
}

func TestArchivingLeavesOutWhatChanged(t *testing.T) {
	l := newLedger(t)
	l.must(aPlacement("a", start))
	l.must(cancelOrder{OrderID: "a", By: ada})
	seq := l.s.order("a").Seq
	require.Empty(t, l.must(archiveOrders{[]archive.Ref{{ID: "a", Seq: seq - 1}, {ID: "gone", Seq: 1}}}))
	require.Len(t, l.must(archiveOrders{[]archive.Ref{{ID: "a", Seq: seq}}}), 1)
	require.Empty(t, l.must(archiveOrders{[]archive.Ref{{ID: "a", Seq: seq}}}))
}

func TestTimingOutIsBounded(t *testing.T) {
	l := newLedger(t)
	for i := range 3 * maxTimedOutOrders {
		l.must(aPlacement(fmt.Sprint("o", i), start))
	}
	l.pass(time.Hour)
	require.Len(t, l.must(timeOut{Until: l.at.Time}), maxTimedOutOrders)
	big := newLedger(t)
	for i := range 10 {
		cmd := aPlacement(fmt.Sprint("o", i), start)
		for j := range orderapi.MaxLines {
			cmd.Lines = append(cmd.Lines, orderapi.Line{SKU: fmt.Sprint("s", j), Title: strings.Repeat("x", 800), Quantity: 1, UnitPrice: cmd.Total})
		}
		big.must(cmd)
	}
	big.pass(time.Hour)
	require.Len(t, big.must(timeOut{Until: big.at.Time}), 2, "orders of 45 KB each")
	require.Len(t, big.must(timeOut{Until: big.at.Time}), 2)
}

func TestACustomersOrdersNewestFirst(t *testing.T) {
	l := newLedger(t)
	for i := range 5 {
		l.must(aPlacement(fmt.Sprint("o", i), start))
		l.pass(time.Second)
		other := aPlacement(fmt.Sprint("x", i), start)
		other.Customer = "bob"
		l.must(other)
	}
	ids := func(found []*orderapi.Order) (out []string) {
		for _, o := range found {
			out = append(out, o.ID)
		}
		return out
	}
	require.Equal(t, []string{"o4", "o3", "o2", "o1", "o0"}, ids(l.s.ofOwner(ada.Owner(), stamp{}, 10)))
	first := l.s.ofOwner(ada.Owner(), stamp{}, 2)
	require.Equal(t, []string{"o2", "o1"}, ids(l.s.ofOwner(ada.Owner(), placedStamp(first[1]), 2)))
	require.Empty(t, l.s.ofOwner(identity.Owner{Subject: "eve"}, stamp{}, 10))
}

func TestAnOrdersIDIsItsNameForEver(t *testing.T) {
	for _, n := range []struct{ tenant, subject, caller, key string }{
		{"", "", "", "k"}, {"", "", "", ""}, {"", "ada", "ada", "k"}, {"acme", "ada", "acme\x00ada", "k"},
		{"", strings.Repeat("a", 200), strings.Repeat("a", 200), strings.Repeat("k", 128)},
	} {
		want := uuid.NewSHA1(orderNamespace, fmt.Appendf(nil, "%d:%s%s", len(n.caller), n.caller, n.key)).String()
		assert.Equal(t, want, orderID(identity.Owner{Tenant: n.tenant, Subject: n.subject}, n.key))
	}
	assert.Equal(t, "6e97fd52", orderID(inside.Owner(), "k")[:8], "changing it would make every repeat of before there were accounts a new order")
}
