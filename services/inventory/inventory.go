package inventory

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// Machine is the domain of one shard of inventory: state.go says what it knows, commands.go what can be asked,
// decide.go what is answered and happens, apply.go what that changes. All of it is pure.
type Machine struct{}

var _ journal.Machine[*State] = Machine{}

// New is an empty shard.
func (Machine) New() *State { return newState() }

// Clone is an independent copy in constant time.
func (Machine) Clone(s *State) *State { return s.clone() }

// Decide answers cmd from s.
func (Machine) Decide(s *State, at journal.At, cmd journal.Command) (any, []journal.Event, error) {
	return decide(s, at, cmd)
}

// Apply changes s by an event.
func (Machine) Apply(s *State, at journal.At, event journal.Event) { apply(s, at, event) }

// Dump gives s as records.
func (Machine) Dump(s *State, emit func(kind string, record any) error) error { return s.dump(emit) }

// Load adds a record of Dump.
func (Machine) Load(s *State, kind string, record jsontext.Value) error { return s.load(kind, record) }

// Types lists the events.
func (Machine) Types() journal.Types { return inventoryapi.Types() }
