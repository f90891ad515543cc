package payment

import (
	"fmt"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/task"
	"github.com/sidecart/sidecart/services/payment/paymentapi"
)

// decide answers one command; see journal.Machine.
func decide(s *state, at journal.At, cmd journal.Command) (any, []journal.Event, error) {
	if answer, changed, err, handled := task.Decide(s.tasks, at.Time, cmd); handled {
		return answer, taskEvents(s, changed), err
	}
	switch c := cmd.(type) {
	case requestCharge:
		return decideRequestCharge(s, at, c)
	case cancelOrder:
		return decideCancelOrder(s, c)
	case requestRefund:
		return decideRequestRefund(s, at, c)
	case forgetOrder:
		return decideForgetOrder(s, c)
	case recordCharged:
		return decideRecordCharged(s, at, c)
	case recordDeclined:
		return decideRecordDeclined(s, c)
	case recordRefunded:
		return decideRecordRefunded(s, at, c)
	case task.Discard:
		return decideDiscard(s, at, c)
	default:
		return nil, nil, fmt.Errorf("payment: no such command: %T", cmd)
	}
}

// taskEvents wraps what happened to tasks.
func taskEvents(s *state, changed []task.Task) []journal.Event {
	events := make([]journal.Event, 0, len(changed))
	for _, t := range changed {
		w, _ := s.work(t.ID)
		events = append(events, paymentapi.TaskChanged{OrderID: w.orderID, Task: t})
	}
	return events
}

func decideRequestCharge(s *state, at journal.At, c requestCharge) (any, []journal.Event, error) {
	if s.account(c.OrderID).charge(c.Attempt) != nil {
		return nil, nil, nil
	}
	return nil, []journal.Event{paymentapi.Requested{
		OrderID: c.OrderID, Attempt: c.Attempt, Method: c.Method, Amount: c.Amount,
		Task: task.NewClaimed(chargeKey(c.OrderID, c.Attempt), at.Time, c.By, c.Lease).In(at.Trace),
	}}, nil
}

// decideCancelOrder abandons what certainly took no money. What was attempted may have: it goes on until the
// provider's answer is known, and order asks for the refund if it was a charge.
func decideCancelOrder(s *state, c cancelOrder) (any, []journal.Event, error) {
	a := s.account(c.OrderID)
	if a == nil {
		return nil, nil, nil
	}
	var events []journal.Event
	for _, ch := range a.Charges {
		if ch.Status != statusPending {
			continue
		}
		if t, ok := s.tasks.Get(chargeKey(c.OrderID, ch.Attempt)); ok && !t.Attempted() {
			events = append(events, paymentapi.Abandoned{
				OrderID: c.OrderID, Attempt: ch.Attempt, Reason: paymentapi.AbandonedOrderCancelled,
			})
		}
	}
	return nil, events, nil
}

func decideRequestRefund(s *state, at journal.At, c requestRefund) (any, []journal.Event, error) {
	if s.account(c.OrderID).refund(c.ChargeID) != nil {
		return nil, nil, nil
	}
	return nil, []journal.Event{paymentapi.RefundRequested{
		OrderID: c.OrderID, ChargeID: c.ChargeID, Attempt: c.Attempt, Amount: c.Amount, Reason: c.Reason,
		Task: task.NewClaimed(refundKey(c.ChargeID), at.Time, c.By, c.Lease).In(at.Trace),
	}}, nil
}

// decideForgetOrder keeps an order that is not settled: order says it is finished once more when it is.
func decideForgetOrder(s *state, c forgetOrder) (any, []journal.Event, error) {
	if a := s.account(c.OrderID); a == nil || !a.settled() {
		return nil, nil, nil
	}
	return nil, []journal.Event{paymentapi.Forgotten{OrderID: c.OrderID}}, nil
}

// decideRecordCharged believes the provider whatever we thought: money that was taken must never go unnoticed.
func decideRecordCharged(s *state, at journal.At, c recordCharged) (any, []journal.Event, error) {
	if ch := s.account(c.OrderID).charge(c.Attempt); ch != nil && ch.Status == statusCharged {
		return nil, nil, nil
	}
	return nil, []journal.Event{paymentapi.Charged{
		OrderID: c.OrderID, Attempt: c.Attempt, ChargeID: c.ChargeID, Amount: c.Amount, ChargedAt: at.Time,
	}}, nil
}

func decideRecordDeclined(s *state, c recordDeclined) (any, []journal.Event, error) {
	if ch := s.account(c.OrderID).charge(c.Attempt); ch == nil || ch.Status != statusPending {
		return nil, nil, nil
	}
	return nil, []journal.Event{paymentapi.Declined(c)}, nil
}

func decideRecordRefunded(s *state, at journal.At, c recordRefunded) (any, []journal.Event, error) {
	r := s.account(c.OrderID).refund(c.ChargeID)
	if r == nil || r.Status == statusRefunded {
		return nil, nil, nil
	}
	return nil, []journal.Event{refunded(at, c.OrderID, r, c.RefundID)}, nil
}

func refunded(at journal.At, orderID string, r *refund, refundID string) paymentapi.Refunded {
	return paymentapi.Refunded{
		OrderID: orderID, ChargeID: r.ChargeID, Attempt: r.Attempt, Amount: r.Amount, RefundID: refundID, RefundedAt: at.Time,
	}
}

// decideDiscard ends a parked charge as declined and a parked refund as settled in another way: the operator who
// discards it has looked at the provider's books.
func decideDiscard(s *state, at journal.At, c task.Discard) (any, []journal.Event, error) {
	if _, err := task.CheckParked(s.tasks, c.ID); err != nil {
		return nil, nil, err
	}
	w, ok := s.work(c.ID)
	switch {
	case !ok:
		return nil, nil, fmt.Errorf("payment: task %q is about nothing", c.ID)
	case w.refund != nil:
		return nil, []journal.Event{refunded(at, w.orderID, w.refund, paymentapi.RefundedByOperator)}, nil
	default:
		return nil, []journal.Event{paymentapi.Declined{
			OrderID: w.orderID, Attempt: w.charge.Attempt, Reason: paymentapi.DeclinedByOperator,
		}}, nil
	}
}
