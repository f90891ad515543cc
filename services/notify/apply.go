package notify

import (
	"fmt"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/task"
	"github.com/sidecart/sidecart/services/notify/notifyapi"
)

// apply changes s by what has happened; see journal.Machine.
func apply(s *state, at journal.At, event journal.Event) {
	switch e := event.(type) {
	case notifyapi.Queued:
		s.change(at, e.OrderID, func(o *notifyapi.Order) {
			if e.Customer != "" {
				o.Customer, o.Tenant = e.Customer, e.Tenant
			}
			o.Messages = append(o.Messages, e.Messages...)
		})
		for i, m := range e.Messages {
			s.open.Set(m.ID, e.OrderID)
			s.set(m.Channel).Put(e.Tasks[i])
		}
	case notifyapi.Sent:
		s.end(at, e.OrderID, e.MessageID, notifyapi.StatusSent)
	case notifyapi.Discarded:
		s.end(at, e.OrderID, e.MessageID, notifyapi.StatusDiscarded)
	case notifyapi.TaskChanged:
		s.moved(at, e.Task)
	case notifyapi.Archived:
		for _, id := range e.OrderIDs {
			s.remove(id)
		}
		s.archived.Add(e.OrderIDs)
	case notifyapi.Restored:
		o := e.Order
		s.put(&o)
	default:
		panic(fmt.Sprintf("notify: no such event: %T", event))
	}
}

// change puts a changed copy of an order in its place; an order that is not there begins.
func (s *state) change(at journal.At, orderID string, change func(*notifyapi.Order)) {
	next := notifyapi.Order{ID: orderID}
	if o := s.order(orderID); o != nil {
		next.Customer, next.Tenant = o.Customer, o.Tenant
		next.Messages = append([]notifyapi.Message(nil), o.Messages...)
	}
	change(&next)
	next.ChangedAt, next.Seq = at.Time, at.Seq
	s.put(&next)
}

// changeMessage changes one message of an order.
func (s *state) changeMessage(at journal.At, orderID, id string, change func(*notifyapi.Message)) {
	s.change(at, orderID, func(o *notifyapi.Order) {
		for i := range o.Messages {
			if o.Messages[i].ID == id {
				change(&o.Messages[i])
			}
		}
	})
}

// end closes a message and forgets what it said and to whom.
func (s *state) end(at journal.At, orderID, id, status string) {
	s.changeMessage(at, orderID, id, func(m *notifyapi.Message) {
		m.Status, m.To, m.Subject, m.Text = status, "", "", ""
		s.set(m.Channel).Remove(id)
	})
	s.open.Delete(id)
}

// moved follows the work on a message.
func (s *state) moved(at journal.At, t task.Task) {
	orderID, m, ok := s.message(t.ID)
	if !ok {
		return
	}
	s.set(m.Channel).Put(t)
	status := notifyapi.StatusQueued
	if t.Status == task.Parked {
		status = notifyapi.StatusParked
	}
	if m.Status == status && m.Attempts == t.Attempts {
		return
	}
	s.changeMessage(at, orderID, t.ID, func(m *notifyapi.Message) { m.Status, m.Attempts = status, t.Attempts })
}
