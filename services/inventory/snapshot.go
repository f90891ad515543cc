package inventory

import (
	"errors"
	"fmt"
	"iter"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/btree"
)

// The kinds of a snapshot's records. The indexes are not in it: they are made again from the records.
const (
	kindItem        = "item"
	kindReservation = "reservation"
	kindHold        = "hold"
	kindRestock     = "restock"
)

func (s *State) dump(emit func(kind string, record any) error) error {
	return errors.Join(
		emitAll(values(s.items), kindItem, emit),
		emitAll(s.allReservations, kindReservation, emit),
		emitAll(s.allHolds, kindHold, emit),
		emitAll(values(s.restocks), kindRestock, emit),
	)
}

func values[V any](m *btree.Map[string, V]) iter.Seq[V] {
	return func(yield func(V) bool) {
		m.Scan(func(_ string, v V) bool { return yield(v) })
	}
}

func emitAll[V any](all iter.Seq[V], kind string, emit func(kind string, record any) error) error {
	for v := range all {
		if err := emit(kind, v); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) load(kind string, record jsontext.Value) error {
	switch kind {
	case kindItem:
		return loadInto(record, func(i *Item) { s.items.Set(i.SKU, i) })
	case kindReservation:
		return loadInto(record, func(r *Reservation) { s.putReservation(*r) })
	case kindHold:
		return loadInto(record, s.putHold)
	case kindRestock:
		return loadInto(record, s.putRestock)
	}
	return fmt.Errorf("inventory: unknown kind of snapshot record %q", kind)
}

func loadInto[V any](record jsontext.Value, put func(*V)) error {
	v := new(V)
	if err := json.Unmarshal(record, v); err != nil {
		return fmt.Errorf("inventory: snapshot record: %w", err)
	}
	put(v)
	return nil
}
