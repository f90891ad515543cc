package order

import (
	"slices"

	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/kit/identity"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// machine is the pure domain of order; see decide.go for the rules and apply.go for what events change.
type machine struct{}

var _ journal.Machine[*state] = machine{}

func (machine) New() *state           { return newState() }
func (machine) Clone(s *state) *state { return s.clone() }
func (machine) Types() journal.Types  { return orderapi.Types() }
func indexOf(s *state) *archive.Index { return s.archived }

// asPlaced is the order as its first answer showed it, whatever happened to it since.
func asPlaced(o orderapi.Order) orderapi.Order {
	o.Status, o.CancelReason, o.Charges = orderapi.StatusAwaitingPayment, "", nil
	return o
}

// ownerOf is whose order it is.
func ownerOf(o *orderapi.Order) identity.Owner {
	return identity.Owner{Tenant: o.Tenant, Subject: o.Customer}
}

// chargeOf is the index of the charge with the provider's id, or -1.
func chargeOf(o *orderapi.Order, chargeID string) int {
	return slices.IndexFunc(o.Charges, func(c orderapi.Charge) bool { return chargeID != "" && c.ChargeID == chargeID })
}

// pendingCharge is the attempt that payment has not answered, or nil. There is at most one while the order
// awaits payment.
func pendingCharge(o *orderapi.Order) *orderapi.Charge {
	for i := range o.Charges {
		if o.Charges[i].Status == orderapi.ChargePending {
			return &o.Charges[i]
		}
	}
	return nil
}

// refundDue tells whether payment still owes the refund of c.
func refundDue(c orderapi.Charge) bool {
	return c.RefundReason != "" && c.Status == orderapi.ChargeCharged
}

// settled tells whether the order is finished and nothing is expected to happen to it any more.
func settled(o *orderapi.Order) bool {
	return o.Status != orderapi.StatusAwaitingPayment && pendingCharge(o) == nil && !slices.ContainsFunc(o.Charges, refundDue)
}

// Bounds of the domain.
const (
	// maxTimedOutBytes and maxTimedOutOrders bound what one TimeOut cancels, so that a segment stays small.
	maxTimedOutBytes  = 48 << 10
	maxTimedOutOrders = 64
)
