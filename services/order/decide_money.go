package order

import (
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// decideCharge: the first charge of an order that awaits payment pays it, even past its pay_by. Any other is
// refunded.
func decideCharge(s *state, at journal.At, c recordCharge) (any, []journal.Event, error) {
	o, events, err := find(s, c.OrderID, c.Look)
	if err != nil {
		return nil, nil, err
	}
	if c.Attempt < 1 || c.Attempt > len(o.Charges) {
		return nil, nil, refuseUnknownAttempt(c.Attempt)
	}
	switch there := o.Charges[c.Attempt-1].ChargeID; {
	case there == c.ChargeID:
		return nil, nil, nil
	case there != "":
		return nil, nil, refuseSecondCharge(c.Attempt)
	case c.Amount != o.Total:
		return nil, nil, refuseAmount()
	}
	switch o.Status {
	case orderapi.StatusAwaitingPayment:
		return nil, append(events, paidBy(o, at, c)), nil
	case orderapi.StatusPaid:
		return nil, append(events, refundOf(o, c.ChargeID, c.Attempt, orderapi.ReasonChargedTwice)), nil
	}
	return nil, append(events, refundOf(o, c.ChargeID, c.Attempt, orderapi.ReasonPaidAfterCancel)), nil
}

// decideDecline takes note of a refusal while the attempt has no other answer.
func decideDecline(s *state, c recordDecline) (any, []journal.Event, error) {
	o, events, err := find(s, c.OrderID, c.Look)
	if err != nil {
		return nil, nil, err
	}
	if c.Attempt < 1 || c.Attempt > len(o.Charges) {
		return nil, nil, refuseUnknownAttempt(c.Attempt)
	}
	if o.Charges[c.Attempt-1].Status != orderapi.ChargePending {
		return nil, nil, nil
	}
	return nil, append(events, orderapi.PaymentDeclined{OrderID: o.ID, Attempt: c.Attempt, Reason: c.Reason}), nil
}

// decideRefund closes a refund that was asked for; a cancelled order is then refunded.
func decideRefund(s *state, at journal.At, c recordRefund) (any, []journal.Event, error) {
	o, events, err := find(s, c.OrderID, c.Look)
	if err != nil {
		return nil, nil, err
	}
	i := chargeOf(o, c.ChargeID)
	if i < 0 || o.Charges[i].RefundReason == "" {
		return nil, nil, refuseUnknownCharge(c.ChargeID)
	}
	if o.Charges[i].Status == orderapi.ChargeRefunded {
		return nil, nil, nil
	}
	status := o.Status
	if status == orderapi.StatusCancelled {
		status = orderapi.StatusRefunded
	}
	return nil, append(events, orderapi.Refunded{
		OrderID: o.ID, ChargeID: c.ChargeID, Amount: o.Total, Status: status, Customer: o.Customer, Tenant: o.Tenant,
		Contact: o.Contact, Lines: o.Lines, RefundedAt: at.Time,
	}), nil
}

// decideLoseStock takes a paid order back that cannot be delivered: its hold had expired and the stock was gone.
func decideLoseStock(s *state, at journal.At, c loseStock) (any, []journal.Event, error) {
	o, events, err := find(s, c.OrderID, c.Look)
	if err != nil {
		return nil, nil, err
	}
	if o.Status != orderapi.StatusPaid {
		return nil, nil, nil
	}
	events = append(events, cancellation(o, at, orderapi.ReasonStockLost))
	for _, charge := range o.Charges {
		if charge.Status == orderapi.ChargeCharged && charge.RefundReason == "" {
			events = append(events, refundOf(o, charge.ChargeID, charge.Attempt, orderapi.ReasonStockLost))
		}
	}
	return nil, events, nil
}

func paidBy(o *orderapi.Order, at journal.At, c recordCharge) orderapi.Paid {
	return orderapi.Paid{
		OrderID: o.ID, Attempt: c.Attempt, ChargeID: c.ChargeID, Customer: o.Customer, Tenant: o.Tenant,
		Contact: o.Contact, Lines: o.Lines, Total: o.Total, PaidAt: at.Time,
	}
}

func refundOf(o *orderapi.Order, chargeID string, attempt int, reason string) orderapi.RefundRequested {
	return orderapi.RefundRequested{OrderID: o.ID, ChargeID: chargeID, Attempt: attempt, Amount: o.Total, Reason: reason}
}
