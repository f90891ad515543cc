package order

import (
	"strings"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/follow"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/payment/paymentapi"
)

// maxReasonBytes bounds what an order keeps of the reason of a decline.
const maxReasonBytes = 200

// reactToPayment says what payment's events mean to an order.
func reactToPayment(_ journal.At, event journal.Event) []follow.Routed {
	switch e := event.(type) {
	case paymentapi.Charged:
		return routed(recordCharge{OrderID: e.OrderID, Attempt: e.Attempt, ChargeID: e.ChargeID, Amount: e.Amount})
	case paymentapi.Declined:
		return routed(recordDecline{OrderID: e.OrderID, Attempt: e.Attempt, Reason: short(e.Reason)})
	case paymentapi.Abandoned:
		return routed(recordDecline{OrderID: e.OrderID, Attempt: e.Attempt, Reason: short(e.Reason)})
	case paymentapi.Refunded:
		return routed(recordRefund{OrderID: e.OrderID, ChargeID: e.ChargeID})
	}
	return nil
}

// reactToInventory says what inventory's events mean to an order.
func reactToInventory(_ journal.At, event journal.Event) []follow.Routed {
	if e, ok := event.(inventoryapi.HoldLost); ok {
		return routed(loseStock{OrderID: e.OrderID})
	}
	return nil
}

// short bounds a reason without breaking a character.
func short(reason string) string {
	return strings.ToValidUTF8(reason[:min(len(reason), maxReasonBytes)], "")
}

func routed(cmd interface{ AggregateID() string }) []follow.Routed {
	return []follow.Routed{{AggregateID: cmd.AggregateID(), Cmd: cmd}}
}
