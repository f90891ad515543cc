package payment

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/task"
	"github.com/sidecart/sidecart/services/payment/paymentapi"
)

// apply changes s by what has happened; see journal.Machine.
func apply(s *state, at journal.At, event journal.Event) {
	switch e := event.(type) {
	case paymentapi.Requested:
		a := s.account(e.OrderID).copy(e.OrderID)
		a.Charges = append(a.Charges, charge{Attempt: e.Attempt, Method: e.Method, Amount: e.Amount, Status: statusPending})
		s.accounts.Set(e.OrderID, a)
		s.tasks.Put(e.Task)
	case paymentapi.Charged:
		s.resolveCharge(e.OrderID, e.Attempt, at.Time, func(c *charge) {
			c.Status, c.ChargeID, c.Amount = statusCharged, e.ChargeID, e.Amount
		})
	case paymentapi.Declined:
		s.resolveCharge(e.OrderID, e.Attempt, at.Time, func(c *charge) { c.Status, c.Reason = statusDeclined, e.Reason })
	case paymentapi.Abandoned:
		s.resolveCharge(e.OrderID, e.Attempt, at.Time, func(c *charge) { c.Status, c.Reason = statusAbandoned, e.Reason })
	case paymentapi.RefundRequested:
		a := s.account(e.OrderID).copy(e.OrderID)
		a.Refunds = append(a.Refunds, refund{
			ChargeID: e.ChargeID, Attempt: e.Attempt, Amount: e.Amount, Reason: e.Reason, Status: statusPending,
		})
		s.accounts.Set(e.OrderID, a)
		s.refunds.Set(e.Task.ID, e.OrderID)
		s.tasks.Put(e.Task)
	case paymentapi.Refunded:
		a := s.account(e.OrderID).copy(e.OrderID)
		if r := a.refund(e.ChargeID); r != nil {
			r.Status, r.RefundID, r.Resolved = statusRefunded, e.RefundID, at.Time
		}
		s.accounts.Set(e.OrderID, a)
		s.refunds.Delete(refundKey(e.ChargeID))
		s.tasks.Remove(refundKey(e.ChargeID))
	case paymentapi.TaskChanged:
		s.tasks.Put(e.Task)
	case paymentapi.Forgotten:
		s.accounts.Delete(e.OrderID)
	default:
		panic(fmt.Sprintf("payment: no such event: %T", event))
	}
}

// resolveCharge ends the work on a charge. A charge that is not known (its order was forgotten) is known again.
func (s *state) resolveCharge(orderID string, attempt int, at time.Time, change func(*charge)) {
	a := s.account(orderID).copy(orderID)
	c := a.charge(attempt)
	if c == nil {
		a.Charges = append(a.Charges, charge{Attempt: attempt})
		c = &a.Charges[len(a.Charges)-1]
	}
	change(c)
	c.Resolved = at
	s.accounts.Set(orderID, a)
	s.tasks.Remove(chargeKey(orderID, attempt))
}

// machine is the domain as the journal wants it.
type machine struct{}

// New is an empty shard.
func (machine) New() *state { return newState() }

// Clone takes constant time.
func (machine) Clone(s *state) *state { return s.clone() }

// Decide answers a command.
func (machine) Decide(s *state, at journal.At, cmd journal.Command) (any, []journal.Event, error) {
	return decide(s, at, cmd)
}

// Apply changes the state by an event.
func (machine) Apply(s *state, at journal.At, event journal.Event) { apply(s, at, event) }

// Types lists the events.
func (machine) Types() journal.Types { return paymentapi.Types() }

// Kinds of snapshot records.
const (
	recordAccount = "account"
	recordTask    = "task"
)

// Dump gives every account and every open task.
func (machine) Dump(s *state, emit func(kind string, record any) error) error {
	for _, a := range s.accounts.All() {
		if err := emit(recordAccount, a); err != nil {
			return err
		}
	}
	for t := range s.tasks.All() {
		if err := emit(recordTask, t); err != nil {
			return err
		}
	}
	return nil
}

// Load adds one record of Dump. The index of open refunds follows from the accounts.
func (machine) Load(s *state, kind string, record jsontext.Value) error {
	switch kind {
	case recordAccount:
		a := &account{}
		if err := json.Unmarshal(record, a); err != nil {
			return fmt.Errorf("payment: account in a snapshot: %w", err)
		}
		s.accounts.Set(a.OrderID, a)
		for _, r := range a.Refunds {
			if r.Status == statusPending {
				s.refunds.Set(refundKey(r.ChargeID), a.OrderID)
			}
		}
		return nil
	case recordTask:
		var t task.Task
		if err := json.Unmarshal(record, &t); err != nil {
			return fmt.Errorf("payment: task in a snapshot: %w", err)
		}
		s.tasks.Put(t)
		return nil
	default:
		return fmt.Errorf("payment: unknown kind of snapshot record: %q", kind)
	}
}
