package inventory

import (
	"fmt"
	"slices"
	"time"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// apply changes s by what has happened. An event that does not fit the state panics: see Item.moved.
func apply(s *State, at journal.At, event journal.Event) {
	switch e := event.(type) {
	case inventoryapi.ItemCreated:
		s.items.Set(e.SKU, created(e))
	case inventoryapi.ItemChanged:
		s.items.Set(e.SKU, s.must(e.SKU).changed(e))
	case inventoryapi.Restocked:
		item := s.move(e.SKU, e.Quantity, e.Quantity, 0, 0)
		s.putRestock(&Restock{ID: e.ID, Quantity: e.Quantity, At: at.Time, Item: *item})
	case inventoryapi.Reserved:
		s.move(e.SKU, 0, -e.Quantity, e.Quantity, 0)
		s.putReservation(reserved(e))
	case inventoryapi.Confirmed:
		s.move(e.SKU, 0, 0, -e.Quantity, e.Quantity)
		s.resolve(at, e.SKU, e.ID, StatusConfirmed)
	case inventoryapi.Released:
		s.move(e.SKU, 0, e.Quantity, -e.Quantity, 0)
		s.resolve(at, e.SKU, e.ID, StatusReleased)
	case inventoryapi.Expired:
		for _, r := range e.Reservations {
			s.move(r.SKU, 0, r.Quantity, -r.Quantity, 0)
			s.resolve(at, r.SKU, r.ID, StatusExpired)
		}
	default:
		applyHold(s, at, event)
	}
	s.forget(at.Time)
}

func applyHold(s *State, at journal.At, event journal.Event) {
	switch e := event.(type) {
	case inventoryapi.Held:
		for _, l := range e.Lines {
			s.move(l.SKU, 0, -l.Quantity, l.Quantity, 0)
		}
		s.putHold(held(e))
	case inventoryapi.HoldClaimed:
		h := s.mustHold(e.ID)
		h.Claims = append(slices.Clone(h.Claims), e.Claim)
		s.putHold(h)
	case inventoryapi.HoldDropped:
		s.drop(e)
	case inventoryapi.HoldsExpired:
		for _, id := range e.IDs {
			s.expireHold(at, s.mustHold(id))
		}
	case inventoryapi.HoldConfirmed:
		s.move(e.SKU, 0, e.FromReserved-e.Quantity, -e.FromReserved, e.Quantity)
		s.settle(at, e.OrderID, e.SKU, e.Quantity, StatusConfirmed)
	case inventoryapi.HoldReleased:
		s.move(e.SKU, 0, e.FromReserved+e.FromSold, -e.FromReserved, -e.FromSold)
		s.settle(at, e.OrderID, e.SKU, e.FromReserved+e.FromSold, StatusReleased)
	case inventoryapi.HoldLost:
		s.lose(at, e)
	default:
		panic(fmt.Sprintf("inventory: unknown event %T", event))
	}
}

func created(e inventoryapi.ItemCreated) *Item {
	item := Item{SKU: e.SKU, Title: e.Title, Price: e.Price}.moved(e.Quantity, e.Quantity, 0, 0)
	return &item
}

func (i *Item) changed(e inventoryapi.ItemChanged) *Item {
	n := i.moved(0, 0, 0, 0)
	n.Title, n.Price = e.Title, e.Price
	return &n
}

func reserved(e inventoryapi.Reserved) Reservation {
	return Reservation{SKU: e.SKU, ID: e.ID, Quantity: e.Quantity, HoldSeconds: e.HoldSeconds,
		ExpiresAt: e.ExpiresAt, Status: StatusReserved}
}

func held(e inventoryapi.Held) *Hold {
	h := &Hold{ID: e.ID, Fingerprint: e.Fingerprint, Claims: []string{e.Claim}, Lines: make([]Line, 0, len(e.Lines)), ExpiresAt: e.ExpiresAt}
	for _, l := range e.Lines {
		h.Lines = append(h.Lines, Line{HeldLine: l, Status: StatusReserved})
	}
	return h
}

// over tells whether the hold expired and no order came of it.
func (h *Hold) over() bool {
	return !h.any(StatusReserved, StatusConfirmed, StatusReleased, StatusLost)
}

func (s *State) must(sku string) *Item {
	item := s.Item(sku)
	if item == nil {
		panic(fmt.Sprintf("inventory: an event names the unknown SKU %q", sku))
	}
	return item
}

func (s *State) mustHold(id string) *Hold {
	h, ok := s.hold(id)
	if !ok {
		panic(fmt.Sprintf("inventory: an event names the unknown hold %q", id))
	}
	return h
}

// move moves units of a SKU, in place where a flash sale's other reservations of the same segment just did.
func (s *State) move(sku string, received, available, reserved, sold int64) *Item {
	item := s.must(sku)
	moved := item.moved(received, available, reserved, sold)
	if item != s.own {
		s.own = new(Item)
		s.items.Set(sku, s.own)
	}
	*s.own = moved
	return s.own
}

func (s *State) resolve(at journal.At, sku, id string, status Status) {
	r, ok := s.reservation(sku, id)
	if !ok {
		panic(fmt.Sprintf("inventory: an event names the unknown reservation %q of %q", id, sku))
	}
	s.putReservation(*r.withStatus(status, at.Time))
}

// settle gives a line of an order's hold its status. A hold that was forgotten, or a line that never was, is made
// anew, so that a repeat is known as such.
func (s *State) settle(at journal.At, orderID, sku string, quantity int64, status Status) {
	h, ok := s.hold(orderID)
	if !ok {
		h = &Hold{ID: orderID, ExpiresAt: at.Time.UTC().Truncate(time.Millisecond)}
	}
	i := h.line(sku)
	if i < 0 {
		i = len(h.Lines)
		h.Lines = append(h.Lines, Line{HeldLine: inventoryapi.HeldLine{SKU: sku}})
	}
	h.Lines[i].Quantity, h.Lines[i].Status = quantity, status
	s.putHold(h.finished(at))
}

// finished stamps a hold of which nothing is reserved any more.
func (h *Hold) finished(at journal.At) *Hold {
	if !h.any(StatusReserved) {
		h.FinishedAt = at.Time
	}
	return h
}

func (s *State) expireHold(at journal.At, h *Hold) {
	for i, l := range h.Lines {
		if l.Status == StatusReserved {
			s.move(l.SKU, 0, l.Quantity, -l.Quantity, 0)
			h.Lines[i].Status = StatusExpired
		}
	}
	s.putHold(h.finished(at))
}

func (s *State) drop(e inventoryapi.HoldDropped) {
	h := s.mustHold(e.ID)
	if !e.Gone {
		h.Claims = slices.DeleteFunc(slices.Clone(h.Claims), func(c string) bool { return c == e.Claim })
		s.putHold(h)
		return
	}
	for _, l := range h.Lines {
		if l.Status == StatusReserved {
			s.move(l.SKU, 0, l.Quantity, -l.Quantity, 0)
		}
	}
	s.holds.drop(refOf(0, e.ID))
}

func (s *State) lose(at journal.At, e inventoryapi.HoldLost) {
	for _, sku := range e.SKUs {
		var quantity int64
		if h, ok := s.hold(e.OrderID); ok {
			if i := h.line(sku); i >= 0 {
				quantity = h.Lines[i].Quantity
				if h.Lines[i].Status == StatusReserved {
					s.move(sku, 0, quantity, -quantity, 0)
				}
			}
		}
		s.settle(at, e.OrderID, sku, quantity, StatusLost)
	}
}
