package notify

import (
	"time"

	"github.com/sidecart/sidecart/services/kit/follow"
	"github.com/sidecart/sidecart/services/kit/identity"
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

// reactions say which messages order's events make. The writer that records them claims them in the same commit.
func reactions(writer string, lease time.Duration) follow.Reactions {
	return follow.React(
		follow.On(func(_ journal.At, e orderapi.Placed) []follow.Routed {
			return queued(e.OrderID, identity.Owner{Tenant: e.Tenant, Subject: e.Customer}, whenPlaced(e), writer, lease)
		}),
		follow.On(func(_ journal.At, e orderapi.Paid) []follow.Routed {
			return queued(e.OrderID, identity.Owner{Tenant: e.Tenant, Subject: e.Customer}, whenPaid(e), writer, lease)
		}),
		follow.On(func(_ journal.At, e orderapi.Cancelled) []follow.Routed {
			return queued(e.OrderID, identity.Owner{Tenant: e.Tenant, Subject: e.Customer}, whenCancelled(e), writer, lease)
		}),
		follow.On(func(_ journal.At, e orderapi.Refunded) []follow.Routed {
			return queued(e.OrderID, identity.Owner{Tenant: e.Tenant, Subject: e.Customer}, whenRefunded(e), writer, lease)
		}),
	)
}

func queued(orderID string, owner identity.Owner, made []notifyapi.Message, writer string, lease time.Duration) []follow.Routed {
	if len(made) == 0 {
		return nil
	}
	return []follow.Routed{{AggregateID: orderID, Cmd: queue{OrderID: orderID, Owner: owner, Messages: made, By: writer, Lease: lease}}}
}

func whenPlaced(e orderapi.Placed) []notifyapi.Message {
	return messages(templatePlaced, "", e.Contact, facts{
		OrderID: e.OrderID, Lines: e.Lines, Amount: e.Total, PayBy: e.PayBy.UTC().Format("2006-01-02 15:04 MST"),
	})
}

func whenPaid(e orderapi.Paid) []notifyapi.Message {
	return messages(templatePaid, "", e.Contact, facts{OrderID: e.OrderID, Lines: e.Lines, Amount: e.Total})
}

func whenCancelled(e orderapi.Cancelled) []notifyapi.Message {
	reason, known := reasons[e.Reason]
	if !known {
		reason = "it cannot be delivered"
	}
	return messages(templateCancelled, "", e.Contact, facts{OrderID: e.OrderID, Amount: e.Total, Reason: reason})
}

func whenRefunded(e orderapi.Refunded) []notifyapi.Message {
	return messages(templateRefunded, "/"+e.ChargeID, e.Contact, facts{OrderID: e.OrderID, Amount: e.Amount})
}
