package order

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// world is the order service with payment and inventory around it, whose answers come in any order, late and more
// than once.
type world struct {
	*ledger
	ids      []string
	answers  []journal.Command // said once, and perhaps again
	asked    []orderapi.PaymentRequested
	refunds  []orderapi.RefundRequested
	landed   map[string]string // charge id → order id
	earlier  *state
	earlierD map[string][]string
}

func (w *world) run(cmd journal.Command) error {
	_, events, err := w.do(cmd)
	for _, e := range events {
		switch e := e.(type) {
		case orderapi.PaymentRequested:
			w.asked = append(w.asked, e)
		case orderapi.RefundRequested:
			w.refunds = append(w.refunds, e)
		}
	}
	return err
}

// said is an answer of another service: it must be taken.
func (w *world) said(t *rapid.T, cmd journal.Command) {
	w.answers = append(w.answers, cmd)
	require.NoError(t, w.run(cmd))
}

// TestOrdersUnderAnyOrderOfEvents drives orders through everything that can happen to them and checks after each
// step what always holds.
func TestOrdersUnderAnyOrderOfEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{ledger: newLedger(t), landed: make(map[string]string)}
		anOrder := func(t *rapid.T) string {
			if len(w.ids) == 0 {
				t.Skip("no orders yet")
			}
			return rapid.SampledFrom(w.ids).Draw(t, "order")
		}
		t.Repeat(map[string]func(*rapid.T){
			"place": func(t *rapid.T) {
				id := fmt.Sprint("o", rapid.IntRange(0, 7).Draw(t, "id"))
				if !slices.Contains(w.ids, id) {
					w.ids = append(w.ids, id)
				}
				require.NoError(t, w.run(aPlacement(id, w.at.Time)))
			},
			"pay": func(t *rapid.T) {
				_ = w.run(requestPayment{OrderID: anOrder(t), By: inside, Method: rapid.SampledFrom([]string{"card", "transfer"}).Draw(t, "method")})
			},
			"cancel":  func(t *rapid.T) { _ = w.run(cancelOrder{OrderID: anOrder(t), By: inside}) },
			"time":    func(t *rapid.T) { w.pass(time.Duration(rapid.IntRange(1, 900).Draw(t, "seconds")) * time.Second) },
			"timeOut": func(t *rapid.T) { require.NoError(t, w.run(timeOut{Until: w.at.Time})) },
			"charge or decline": func(t *rapid.T) {
				if len(w.asked) == 0 {
					t.Skip("nothing asked")
				}
				i := rapid.IntRange(0, len(w.asked)-1).Draw(t, "which")
				e := w.asked[i]
				w.asked = slices.Delete(w.asked, i, i+1)
				switch rapid.IntRange(0, 3).Draw(t, "answer") {
				case 0:
					w.said(t, recordDecline{OrderID: e.OrderID, Attempt: e.Attempt, Reason: "declined"})
				case 1: // declined and charged all the same, as nobody promised that providers are sane
					w.said(t, recordDecline{OrderID: e.OrderID, Attempt: e.Attempt, Reason: "declined"})
					fallthrough
				default:
					id := fmt.Sprintf("ch-%s-%d", e.OrderID, e.Attempt)
					w.landed[id] = e.OrderID
					w.said(t, aCharge(e.OrderID, e.Attempt, id))
				}
			},
			"refund": func(t *rapid.T) {
				if len(w.refunds) == 0 {
					t.Skip("nothing to refund")
				}
				e := w.refunds[0]
				w.refunds = w.refunds[1:]
				w.said(t, recordRefund{OrderID: e.OrderID, ChargeID: e.ChargeID})
			},
			"lose stock": func(t *rapid.T) { w.said(t, loseStock{OrderID: anOrder(t)}) },
			"hear again": func(t *rapid.T) {
				if len(w.answers) == 0 {
					t.Skip("nothing said yet")
				}
				before := len(w.events)
				again := rapid.SampledFrom(w.answers).Draw(t, "answer")
				if _, lost := again.(loseStock); lost {
					t.Skip("it is an answer of the moment")
				}
				require.NoError(t, w.run(again))
				require.Len(t, w.events, before, "hearing %#v again changed something", again)
			},
			"archive": func(t *rapid.T) { w.archiveAll() },
			"restart": func(t *rapid.T) { w.s = reloaded(t, w.s) },
			"remember": func(t *rapid.T) {
				w.earlier, w.earlierD = w.s, dump(t, w.s)
			},
			"": w.check,
		})
	})
}

// check is what holds whatever happened.
func (w *world) check(t *rapid.T) {
	refunds := make(map[string]int)
	for _, e := range w.events {
		if r, is := e.(orderapi.RefundRequested); is {
			refunds[r.ChargeID]++
		}
	}
	for _, id := range w.ids {
		o := w.current(id)
		good, pending := 0, 0
		for _, c := range o.Charges {
			if c.Status == orderapi.ChargeCharged && c.RefundReason == "" {
				good++
			}
			if c.Status == orderapi.ChargePending {
				pending++
			}
		}
		require.LessOrEqual(t, pending, 1)
		if o.Status == orderapi.StatusPaid {
			require.Equal(t, 1, good, "a paid order has one charge: %+v", o)
		} else {
			require.Zero(t, good, "%+v", o)
		}
		if o.Status == orderapi.StatusRefunded {
			require.NotEmpty(t, o.CancelReason)
		}
		inMemory := w.s.order(id) != nil
		require.True(t, inMemory || settled(&o), "only what is settled leaves memory: %+v", o)
		require.Equal(t, inMemory && o.Status == orderapi.StatusAwaitingPayment, slices.Contains(w.s.due.Items(), w.s.order(id)))
		require.Equal(t, inMemory && settled(&o), slices.Contains(w.s.settled.Items(), w.s.order(id)))
		require.Equal(t, inMemory, slices.Contains(w.s.owners.Items(), w.s.order(id)))
	}
	for charge, id := range w.landed {
		o := w.current(id)
		c := o.Charges[chargeOf(&o, charge)]
		if c.RefundReason == "" {
			require.Zero(t, refunds[charge])
			require.Equal(t, orderapi.StatusPaid, o.Status)
		} else {
			require.Equal(t, 1, refunds[charge], "one refund for charge %s", charge)
		}
	}
	if w.earlier != nil {
		require.Equal(t, w.earlierD, dump(t, w.earlier), "a committed state was changed")
	}
}
