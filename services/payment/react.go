package payment

import (
	"time"

	"github.com/sidecart/sidecart/services/kit/follow"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// react says what order's events mean here. The writer that records a request claims it in the same commit.
func react(writer string, lease time.Duration) func(journal.At, journal.Event) []follow.Routed {
	return func(_ journal.At, event journal.Event) []follow.Routed {
		switch e := event.(type) {
		case orderapi.PaymentRequested:
			return []follow.Routed{{AggregateID: e.OrderID, Cmd: requestCharge{
				OrderID: e.OrderID, Attempt: e.Attempt, Method: e.Method, Amount: e.Amount, By: writer, Lease: lease,
			}}}
		case orderapi.Cancelled:
			return []follow.Routed{{AggregateID: e.OrderID, Cmd: cancelOrder{OrderID: e.OrderID}}}
		case orderapi.RefundRequested:
			return []follow.Routed{{AggregateID: e.OrderID, Cmd: requestRefund{
				OrderID: e.OrderID, ChargeID: e.ChargeID, Attempt: e.Attempt, Amount: e.Amount, Reason: e.Reason,
				By: writer, Lease: lease,
			}}}
		case orderapi.Archived:
			routed := make([]follow.Routed, len(e.OrderIDs))
			for i, id := range e.OrderIDs {
				routed[i] = follow.Routed{AggregateID: id, Cmd: forgetOrder{OrderID: id}}
			}
			return routed
		default:
			return nil
		}
	}
}
