package inventory

import (
	"github.com/sidecart/sidecart/services/kit/follow"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// reactions say what order's events mean for stock. There is no Seed for a trimmed source: order does not trim what we
// have not acknowledged.
var reactions = follow.React(follow.On(whenPaid), follow.On(whenCancelled))

func whenPaid(_ journal.At, e orderapi.Paid) []follow.Routed {
	routed := make([]follow.Routed, len(e.Lines))
	for i, l := range e.Lines {
		routed[i] = follow.Routed{AggregateID: l.SKU, Cmd: ConfirmHold{OrderID: e.OrderID, SKU: l.SKU, Quantity: l.Quantity}}
	}
	return routed
}

func whenCancelled(_ journal.At, e orderapi.Cancelled) []follow.Routed {
	routed := make([]follow.Routed, len(e.Lines))
	for i, l := range e.Lines {
		routed[i] = follow.Routed{AggregateID: l.SKU, Cmd: ReleaseHold{OrderID: e.OrderID, SKU: l.SKU}}
	}
	return routed
}
