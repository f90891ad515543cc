package follow

import (
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/sidecart/sidecart/services/kit/journal"
)

// Reactions say what a source's events mean to a follower, by event type. Make them with React; they are immutable.
type Reactions map[string]react

// react reads one event and says what it means.
type react func(at journal.At, record journal.Record) ([]Routed, error)

// Reaction is that of one event type. Make it with On.
type Reaction struct {
	eventType string
	react     react
}

// On reacts to the events of type E. what is pure: the same event gives the same answer, and nil passes it over. at is
// the source's: its shard, segment and time.
func On[E journal.Event](what func(at journal.At, event E) []Routed) Reaction {
	var sample E
	return Reaction{sample.EventType(), func(at journal.At, record journal.Record) ([]Routed, error) {
		var event E
		if err := json.Unmarshal(record.Data, &event); err != nil {
			return nil, fmt.Errorf("follow: event %q: %w", record.Type, err)
		}
		return what(at, event), nil
	}}
}

// React makes Reactions. Two to the same event type are a mistake in the program.
func React(on ...Reaction) Reactions {
	all := make(Reactions, len(on))
	for _, r := range on {
		if all[r.eventType] != nil {
			panic("follow: two reactions to " + r.eventType)
		}
		all[r.eventType] = r.react
	}
	return all
}

// To says what an event means; nothing if no reaction is to its type. An error is of one that cannot be read.
func (r Reactions) To(at journal.At, record journal.Record) ([]Routed, error) {
	if react := r[record.Type]; react != nil {
		return react(at, record)
	}
	return nil, nil
}
