package order

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecart/sidecart/services/order/orderapi"
)

// kindOrder is the record of one order in a snapshot; those of the archive's index stand beside it.
const kindOrder = "order"

// Dump gives every order that is in memory and the index of those that are not.
func (machine) Dump(s *state, emit func(kind string, record any) error) error {
	for _, o := range s.orders.All() {
		if err := emit(kindOrder, o); err != nil {
			return err
		}
	}
	return s.archived.Dump(emit)
}

// Load adds a record of Dump.
func (machine) Load(s *state, kind string, record jsontext.Value) error {
	if kind == kindOrder {
		o := new(orderapi.Order)
		if err := json.Unmarshal(record, o); err != nil {
			return err
		}
		s.put(o)
		return nil
	}
	if mine, err := s.archived.Load(kind, record); mine {
		return err
	}
	return fmt.Errorf("order: no such record: %q", kind)
}
