package notify

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/task"
	"github.com/sidecart/sidecart/services/notify/notifyapi"
)

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
func (machine) Types() journal.Types { return notifyapi.Types() }

// Kinds of snapshot records; a task comes after its order.
const (
	recordOrder = "order"
	recordTask  = "task"
)

// Dump gives every order in memory, every task, and the index of what was archived.
func (machine) Dump(s *state, emit func(kind string, record any) error) error {
	for _, o := range s.orders.All() {
		if err := emit(recordOrder, o); err != nil {
			return err
		}
	}
	for _, set := range []*task.Set{s.mail, s.sms} {
		for t := range set.All() {
			if err := emit(recordTask, t); err != nil {
				return err
			}
		}
	}
	return s.archived.Dump(emit)
}

// Load adds one record of Dump.
func (machine) Load(s *state, kind string, record jsontext.Value) error {
	switch kind {
	case recordOrder:
		o := &notifyapi.Order{}
		if err := json.Unmarshal(record, o); err != nil {
			return fmt.Errorf("notify: order in a snapshot: %w", err)
		}
		s.put(o)
		for _, m := range o.Messages {
			if !final(m.Status) {
				s.open.Set(m.ID, o.ID)
			}
		}
		return nil
	case recordTask:
		var t task.Task
		if err := json.Unmarshal(record, &t); err != nil {
			return fmt.Errorf("notify: task in a snapshot: %w", err)
		}
		_, m, ok := s.message(t.ID)
		if !ok {
			return fmt.Errorf("notify: task %s in a snapshot is about no message", t.ID)
		}
		s.set(m.Channel).Put(t)
		return nil
	default:
		mine, err := s.archived.Load(kind, record)
		if err == nil && !mine {
			err = fmt.Errorf("notify: unknown kind of snapshot record: %q", kind)
		}
		return err
	}
}
