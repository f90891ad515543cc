package notify

import (
	"fmt"

	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/task"
	"github.com/sidecart/sidecart/services/notify/notifyapi"
)

// decide answers one command; see journal.Machine.
func decide(s *state, at journal.At, cmd journal.Command) (any, []journal.Event, error) {
	switch c := cmd.(type) {
	case queue:
		return decideQueue(s, at, c)
	case recordSent:
		return decideSent(s, at, c)
	case task.Discard:
		return decideDiscard(s, c)
	case archiveOrders:
		return decideArchive(s, c)
	}
	// What is left are the commands of kit/task, each about tasks of one channel.
	set := s.mail
	if id, ok := task.Subject(cmd); ok {
		if _, has := s.sms.Get(id); has {
			set = s.sms
		}
	}
	answer, changed, err, handled := task.Decide(set, at.Time, cmd)
	if !handled {
		return nil, nil, fmt.Errorf("notify: no such command: %T", cmd)
	}
	events := make([]journal.Event, 0, len(changed))
	for _, t := range changed {
		orderID, _, _ := s.message(t.ID)
		events = append(events, notifyapi.TaskChanged{OrderID: orderID, Task: t})
	}
	return answer, events, err
}

func decideQueue(s *state, at journal.At, c queue) (any, []journal.Event, error) {
	var events []journal.Event
	o := s.order(c.OrderID)
	if o == nil {
		view, err := archive.Find(s.archived, c.OrderID, c.Look)
		if err != nil {
			return nil, nil, err
		}
		if view != nil {
			o = &view.Doc
			events = append(events, notifyapi.Restored{Order: view.Doc})
		}
	}
	queued := notifyapi.Queued{OrderID: c.OrderID, Customer: c.Owner.Subject, Tenant: c.Owner.Tenant}
	for _, m := range c.Messages {
		if _, made := messageOf(o, m.ID); made {
			continue
		}
		m.Status = notifyapi.StatusQueued
		t := task.NewClaimed(m.ID, at.Time, c.By, c.Lease).In(at.Trace)
		m.Attempts = t.Attempts
		queued.Messages = append(queued.Messages, m)
		queued.Tasks = append(queued.Tasks, t)
	}
	if len(queued.Messages) == 0 {
		return nil, nil, nil
	}
	return nil, append(events, queued), nil
}

func decideSent(s *state, at journal.At, c recordSent) (any, []journal.Event, error) {
	orderID, m, ok := s.message(c.MessageID)
	if !ok {
		return nil, nil, nil // sent by somebody else as well, or discarded
	}
	return nil, []journal.Event{notifyapi.Sent{
		OrderID: orderID, MessageID: c.MessageID, Attempts: m.Attempts, SentAt: at.Time,
	}}, nil
}

func decideDiscard(s *state, c task.Discard) (any, []journal.Event, error) {
	orderID, m, _ := s.message(c.ID)
	if _, err := task.CheckParked(s.set(m.Channel), c.ID); err != nil {
		return nil, nil, err
	}
	return nil, []journal.Event{notifyapi.Discarded{OrderID: orderID, MessageID: c.ID}}, nil
}

// decideArchive leaves out what has changed since its view was made, as archive.Rules asks.
func decideArchive(s *state, c archiveOrders) (any, []journal.Event, error) {
	var ids []string
	for _, ref := range c.Refs {
		if o := s.order(ref.ID); o != nil && o.Seq == ref.Seq && settled(o) {
			ids = append(ids, ref.ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil, nil
	}
	return nil, []journal.Event{notifyapi.Archived{OrderIDs: ids}}, nil
}
