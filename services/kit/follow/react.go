package follow

import (
	"github.com/sidecart/sidecart/services/kit/journal"
)

// Reactions say what a source's events mean to a follower, by event type. Make them with React; they are immutable.
type Reactions map[string]func(at journal.At, event journal.Event) []Routed

// Reaction is that of one event type. Make it with On.
type Reaction struct {
	eventType string
	react     func(at journal.At, event journal.Event) []Routed
}

// On reacts to the events of type E. react is pure: the same event gives the same answer, and nil passes it over. at is
// the source's: its shard, segment and time.
func On[E journal.Event](react func(at journal.At, event E) []Routed) Reaction {
	var sample E
	return Reaction{sample.EventType(), func(at journal.At, event journal.Event) []Routed {
		return react(at, event.(E)) // journal.Types makes events of a type what their type says
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

// To says what an event means; nothing if no reaction is to its type.
func (r Reactions) To(at journal.At, event journal.Event) []Routed {
	if react := r[event.EventType()]; react != nil {
		return react(at, event)
	}
	return nil
}
