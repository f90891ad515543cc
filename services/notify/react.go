package notify

import (
	"time"

	"github.com/sidecart/sidecart/services/kit/follow"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/notify/notifyapi"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// reasons says why an order was cancelled, in words for the customer.
var reasons = map[string]string{
	orderapi.ReasonCustomer:      "you asked for it",
	orderapi.ReasonNotPaidInTime: "it was not paid in time",
	orderapi.ReasonStockLost:     "an item is not available any more",
}

// react says which messages an event of order makes. The writer that records them claims them in the same commit.
func react(writer string, lease time.Duration) func(journal.At, journal.Event) []follow.Routed {
	return func(_ journal.At, event journal.Event) []follow.Routed {
		orderID, made := messagesFor(event)
		if len(made) == 0 {
			return nil
		}
		return []follow.Routed{{AggregateID: orderID, Cmd: queue{OrderID: orderID, Messages: made, By: writer, Lease: lease}}}
	}
}

// messagesFor makes the messages of one event.
func messagesFor(event journal.Event) (orderID string, made []notifyapi.Message) {
	switch e := event.(type) {
	case orderapi.Placed:
		return e.OrderID, messages(templatePlaced, "", e.Contact, facts{
			OrderID: e.OrderID, Lines: e.Lines, Amount: e.Total, PayBy: e.PayBy.UTC().Format("2006-01-02 15:04 MST"),
		})
	case orderapi.Paid:
		return e.OrderID, messages(templatePaid, "", e.Contact, facts{OrderID: e.OrderID, Lines: e.Lines, Amount: e.Total})
	case orderapi.Cancelled:
		reason, known := reasons[e.Reason]
		if !known {
			reason = "it cannot be delivered"
		}
		return e.OrderID, messages(templateCancelled, "", e.Contact, facts{OrderID: e.OrderID, Amount: e.Total, Reason: reason})
	case orderapi.Refunded:
		return e.OrderID, messages(templateRefunded, "/"+e.ChargeID, e.Contact, facts{OrderID: e.OrderID, Amount: e.Amount})
	default:
		return "", nil
	}
}
