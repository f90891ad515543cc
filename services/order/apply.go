package order

import (
	"fmt"
	"slices"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// Apply changes s by an event. Every order is replaced by a changed copy; nobody's earlier state changes.
func (machine) Apply(s *state, at journal.At, event journal.Event) {
	switch e := event.(type) {
	case orderapi.Placed:
		o := orderOf(e, at)
		s.put(&o)
	case orderapi.PaymentRequested:
		s.put(withPayment(s.order(e.OrderID), at, e))
	case orderapi.PaymentDeclined:
		s.put(withCharge(s.order(e.OrderID), at, e.Attempt, func(c *orderapi.Charge) {
			c.Status, c.Reason = orderapi.ChargeDeclined, e.Reason
		}))
	case orderapi.Paid:
		o := withCharge(s.order(e.OrderID), at, e.Attempt, func(c *orderapi.Charge) {
			c.Status, c.ChargeID, c.Reason = orderapi.ChargeCharged, e.ChargeID, ""
		})
		o.Status = orderapi.StatusPaid
		s.put(o)
	case orderapi.Cancelled:
		s.put(withCancel(s.order(e.OrderID), at, e))
	case orderapi.RefundRequested:
		s.put(withCharge(s.order(e.OrderID), at, e.Attempt, func(c *orderapi.Charge) {
			c.Status, c.ChargeID, c.Reason, c.RefundReason = orderapi.ChargeCharged, e.ChargeID, "", e.Reason
		}))
	case orderapi.Refunded:
		o := s.order(e.OrderID)
		o = withCharge(o, at, chargeOf(o, e.ChargeID)+1, func(c *orderapi.Charge) { c.Status = orderapi.ChargeRefunded })
		o.Status = e.Status
		s.put(o)
	case orderapi.Archived:
		for _, id := range e.OrderIDs {
			s.remove(id)
		}
		s.archived.Add(e.OrderIDs)
	case orderapi.Restored:
		s.put(changed(&e.Order, at))
	default:
		panic(fmt.Sprintf("order: no such event: %T", event))
	}
}

// orderOf is the order that a Placed event begins.
func orderOf(e orderapi.Placed, at journal.At) orderapi.Order {
	return orderapi.Order{
		ID: e.OrderID, Seq: at.Seq, Fingerprint: e.Fingerprint, Status: orderapi.StatusAwaitingPayment,
		Customer: e.Customer, Tenant: e.Tenant, Contact: e.Contact, Lines: e.Lines, Total: e.Total,
		PayBy: e.PayBy, PlacedAt: e.PlacedAt, ChangedAt: at.Time,
	}
}

// changed is a copy of o that at changes.
func changed(o *orderapi.Order, at journal.At) *orderapi.Order {
	c := *o
	c.Seq, c.ChangedAt = at.Seq, at.Time
	c.Charges = slices.Clone(o.Charges)
	return &c
}

func withPayment(o *orderapi.Order, at journal.At, e orderapi.PaymentRequested) *orderapi.Order {
	c := changed(o, at)
	c.Charges = append(c.Charges, orderapi.Charge{Attempt: e.Attempt, Method: e.Method, Status: orderapi.ChargePending})
	return c
}

func withCharge(o *orderapi.Order, at journal.At, attempt int, change func(*orderapi.Charge)) *orderapi.Order {
	c := changed(o, at)
	change(&c.Charges[attempt-1])
	return c
}

func withCancel(o *orderapi.Order, at journal.At, e orderapi.Cancelled) *orderapi.Order {
	c := changed(o, at)
	c.Status, c.CancelReason = orderapi.StatusCancelled, e.Reason
	return c
}
