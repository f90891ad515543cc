package payment

import (
	"time"

	"github.com/sidecart/sidecart/services/kit/follow"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// reactions say what order's events mean here. The writer that records a request claims it in the same commit.
func reactions(writer string, lease time.Duration) follow.Reactions {
	return follow.React(
		follow.On(func(_ journal.At, e orderapi.PaymentRequested) []follow.Routed {
			return []follow.Routed{{AggregateID: e.OrderID, Cmd: requestCharge{
				OrderID: e.OrderID, Attempt: e.Attempt, Method: e.Method, Amount: e.Amount, By: writer, Lease: lease,
			}}}
		}),
		follow.On(func(_ journal.At, e orderapi.Cancelled) []follow.Routed {
			return []follow.Routed{{AggregateID: e.OrderID, Cmd: cancelOrder{OrderID: e.OrderID}}}
		}),
		follow.On(func(_ journal.At, e orderapi.RefundRequested) []follow.Routed {
			return []follow.Routed{{AggregateID: e.OrderID, Cmd: requestRefund{
				OrderID: e.OrderID, ChargeID: e.ChargeID, Attempt: e.Attempt, Amount: e.Amount, Reason: e.Reason,
				By: writer, Lease: lease,
			}}}
		}),
		follow.On(func(_ journal.At, e orderapi.Archived) []follow.Routed {
			routed := make([]follow.Routed, len(e.OrderIDs))
			for i, id := range e.OrderIDs {
				routed[i] = follow.Routed{AggregateID: id, Cmd: forgetOrder{OrderID: id}}
			}
			return routed
		}),
	)
}
