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

// paymentReactions say what payment's events mean to an order.
var paymentReactions = follow.React(
	follow.On(func(_ journal.At, e paymentapi.Charged) []follow.Routed {
		return routed(recordCharge{OrderID: e.OrderID, Attempt: e.Attempt, ChargeID: e.ChargeID, Amount: e.Amount})
	}),
	follow.On(func(_ journal.At, e paymentapi.Declined) []follow.Routed {
		return routed(recordDecline{OrderID: e.OrderID, Attempt: e.Attempt, Reason: short(e.Reason)})
	}),
	follow.On(func(_ journal.At, e paymentapi.Abandoned) []follow.Routed {
		return routed(recordDecline{OrderID: e.OrderID, Attempt: e.Attempt, Reason: short(e.Reason)})
	}),
	follow.On(func(_ journal.At, e paymentapi.Refunded) []follow.Routed {
		return routed(recordRefund{OrderID: e.OrderID, ChargeID: e.ChargeID})
	}),
)

// inventoryReactions say what inventory's events mean to an order.
var inventoryReactions = follow.React(
	follow.On(func(_ journal.At, e inventoryapi.HoldLost) []follow.Routed {
		return routed(loseStock{OrderID: e.OrderID})
	}),
)

// short bounds a reason without breaking a character.
func short(reason string) string {
	return strings.ToValidUTF8(reason[:min(len(reason), maxReasonBytes)], "")
}

func routed(cmd interface{ AggregateID() string }) []follow.Routed {
	return []follow.Routed{{AggregateID: cmd.AggregateID(), Cmd: cmd}}
}
