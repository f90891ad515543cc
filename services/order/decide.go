package order

import (
	"fmt"

	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/kit/identity"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// Decide holds the rules of an order. Those of payment's answers are in decide_money.go.
func (machine) Decide(s *state, at journal.At, cmd journal.Command) (any, []journal.Event, error) {
	switch c := cmd.(type) {
	case placeOrder:
		return decidePlace(s, at, c)
	case requestPayment:
		return decidePayment(s, at, c)
	case cancelOrder:
		return decideCancel(s, at, c)
	case timeOut:
		n, events := decideTimeOut(s, at, c)
		return n, events, nil
	case recordCharge:
		return decideCharge(s, at, c)
	case recordDecline:
		return decideDecline(s, c)
	case recordRefund:
		return decideRefund(s, at, c)
	case loseStock:
		return decideLoseStock(s, at, c)
	case archiveOrders:
		n, events := decideArchive(s, c)
		return n, events, nil
	}
	return nil, nil, fmt.Errorf("order: no such command: %T", cmd)
}

// find gives the order that a command is about: from memory, or from what the store says, in which case events about
// it must be preceded by bringing it back. It is a refusal if there is none.
func find(s *state, id string, l look) (*orderapi.Order, []journal.Event, error) {
	if o := s.order(id); o != nil {
		return o, nil, nil
	}
	view, err := archive.Find(s.archived, id, l)
	if err != nil {
		return nil, nil, err
	}
	if view == nil {
		return nil, nil, refuseUnknown(id)
	}
	return &view.Doc, []journal.Event{orderapi.Restored{Order: view.Doc}}, nil
}

// findFor is find for somebody who asks: an order that they have no say in is unknown to them.
func findFor(by identity.Caller, s *state, id string, l look) (*orderapi.Order, error) {
	o, _, err := find(s, id, l)
	if err == nil && !ownerOf(o).Admits(by) {
		return nil, refuseUnknown(id)
	}
	return o, err
}

func decidePlace(s *state, at journal.At, c placeOrder) (any, []journal.Event, error) {
	first := s.order(c.OrderID)
	if first == nil {
		view, err := archive.Find(s.archived, c.OrderID, c.Look)
		if err != nil {
			return nil, nil, err
		}
		if view != nil {
			first = &view.Doc
		}
	}
	if first != nil {
		if first.Fingerprint != c.Fingerprint || first.Tenant != c.Tenant {
			return nil, nil, refuseReusedKey()
		}
		return placement{Order: asPlaced(*first), Replayed: true}, nil, nil
	}
	payBy := at.Time.Add(c.PayWithin)
	if c.PayBefore.Before(payBy) {
		payBy = c.PayBefore
	}
	if !payBy.After(at.Time) {
		return nil, nil, refuseHoldOver()
	}
	event := orderapi.Placed{
		OrderID: c.OrderID, Fingerprint: c.Fingerprint, Customer: c.Customer, Tenant: c.Tenant, Contact: c.Contact,
		Lines: c.Lines, Total: c.Total, PayBy: payBy.UTC(), PlacedAt: at.Time,
	}
	return placement{Order: orderOf(event, at)}, []journal.Event{event}, nil
}

func decidePayment(s *state, at journal.At, c requestPayment) (any, []journal.Event, error) {
	o, err := findFor(c.By, s, c.OrderID, c.Look)
	if err != nil {
		return nil, nil, err
	}
	if o.Status == orderapi.StatusPaid && o.Charges[len(o.Charges)-1].Method == c.Method {
		return *o, nil, nil // a repeat of the request that paid it, perhaps because its answer was lost
	}
	if o.Status != orderapi.StatusAwaitingPayment {
		return nil, nil, refuseFinished(o, orderapi.CodeOrderCancelled)
	}
	if p := pendingCharge(o); p != nil {
		if p.Method != c.Method {
			return nil, nil, refusePending(p)
		}
		return *o, nil, nil
	}
	if !at.Time.Before(o.PayBy) {
		return nil, nil, refuseExpired(o)
	}
	if len(o.Charges) >= orderapi.MaxAttempts {
		return nil, nil, refuseTooManyAttempts()
	}
	event := orderapi.PaymentRequested{
		OrderID: o.ID, Attempt: len(o.Charges) + 1, Method: c.Method, Amount: o.Total, Customer: o.Customer, Contact: o.Contact,
	}
	return *withPayment(o, at, event), []journal.Event{event}, nil
}

func decideCancel(s *state, at journal.At, c cancelOrder) (any, []journal.Event, error) {
	o, err := findFor(c.By, s, c.OrderID, c.Look)
	if err != nil {
		return nil, nil, err
	}
	if o.Status != orderapi.StatusAwaitingPayment {
		return nil, nil, refuseFinished(o, orderapi.CodeAlreadyCancelled)
	}
	event := cancellation(o, at, orderapi.ReasonCustomer)
	return *withCancel(o, at, event), []journal.Event{event}, nil
}

// decideTimeOut cancels the orders that are due longest. Whoever asks has made sure that payment's answers up to
// Until are in.
func decideTimeOut(s *state, at journal.At, c timeOut) (int, []journal.Event) {
	var events []journal.Event
	bytes := 0
	s.due.Scan(func(o *orderapi.Order) bool {
		if !o.PayBy.Before(c.Until) || o.PayBy.After(at.Time) || len(events) == maxTimedOutOrders || bytes > maxTimedOutBytes {
			return false
		}
		bytes += roughBytes(o)
		events = append(events, cancellation(o, at, orderapi.ReasonNotPaidInTime))
		return true
	})
	return len(events), events
}

// roughBytes is about how long an event with the whole order is.
func roughBytes(o *orderapi.Order) int {
	const fixed, perLine = 500, 100
	n := fixed
	for _, l := range o.Lines {
		n += perLine + len(l.SKU) + len(l.Title)
	}
	return n
}

// decideArchive leaves out what has changed since its view was written.
func decideArchive(s *state, c archiveOrders) (int, []journal.Event) {
	var ids []string
	for _, r := range c.Refs[:min(len(c.Refs), orderapi.MaxArchivedOrders)] {
		if o := s.order(r.ID); o != nil && o.Seq == r.Seq && settled(o) {
			ids = append(ids, r.ID)
		}
	}
	if len(ids) == 0 {
		return 0, nil
	}
	return len(ids), []journal.Event{orderapi.Archived{OrderIDs: ids}}
}

func cancellation(o *orderapi.Order, at journal.At, reason string) orderapi.Cancelled {
	return orderapi.Cancelled{
		OrderID: o.ID, Reason: reason, Customer: o.Customer, Tenant: o.Tenant, Contact: o.Contact,
		Lines: o.Lines, Total: o.Total, CancelledAt: at.Time,
	}
}
