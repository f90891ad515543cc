package inventory

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/tidwall/btree"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/money"
)

// Item is the stock of one SKU. Received is always Available + Reserved + Sold, and none of them is negative.
// An Item in a State is never changed: a change puts another one in its place.
type Item struct {
	SKU       string      `json:"sku"`
	Title     string      `json:"title"`
	Price     money.Money `json:"price"`
	Received  int64       `json:"received"`
	Available int64       `json:"available"`
	Reserved  int64       `json:"reserved"`
	Sold      int64       `json:"sold"`
	Version   uint64      `json:"version"` // counts the changes of this SKU, from 1
}

// moved is a copy of i after units went between its accounts. An impossible move is a defect that would oversell,
// so it stops the process instead of going on with wrong figures.
func (i *Item) moved(received, available, reserved, sold int64) *Item {
	n := *i
	n.Received += received
	n.Available += available
	n.Reserved += reserved
	n.Sold += sold
	n.Version++
	if min(n.Received, n.Available, n.Reserved, n.Sold) < 0 || n.Received != n.Available+n.Reserved+n.Sold {
		panic(fmt.Sprintf("inventory: %q would become %+v", i.SKU, n))
	}
	return &n
}

// Status is what became of a reservation or of a line of a hold.
type Status string

// The statuses. Only a hold's line can be lost: its order was paid when its units were already gone.
const (
	StatusReserved  Status = "reserved"
	StatusConfirmed Status = "confirmed"
	StatusReleased  Status = "released"
	StatusExpired   Status = "expired"
	StatusLost      Status = "lost"
)

// Reservation is units of one SKU set aside for a caller of the public contract. Immutable in a State.
type Reservation struct {
	SKU         string    `json:"sku"`
	ID          string    `json:"id"`
	Quantity    int64     `json:"quantity"`
	HoldSeconds int64     `json:"hold_seconds"`
	ExpiresAt   time.Time `json:"expires_at"`
	Status      Status    `json:"status"`
	FinishedAt  time.Time `json:"finished_at,omitzero"` // zero while it is reserved
}

// Restock remembers a delivery and what it was answered with.
type Restock struct {
	ID       string    `json:"id"`
	Quantity int64     `json:"quantity"`
	At       time.Time `json:"at"`
	Item     Item      `json:"item"`
}

// Line is one line of a Hold.
type Line struct {
	inventoryapi.HeldLine
	Status Status `json:"status"`
}

// Hold is the stock of one order in one shard. Immutable in a State.
type Hold struct {
	ID          string    `json:"id"`
	Fingerprint string    `json:"fingerprint"`      // empty when it came from a late payment alone
	Claims      []string  `json:"claims,omitempty"` // the requests that rely on it, at most maxClaims
	Lines       []Line    `json:"lines"`
	ExpiresAt   time.Time `json:"expires_at"`
	FinishedAt  time.Time `json:"finished_at,omitzero"` // zero while a line is reserved
}

// line finds the line of a SKU; -1 when there is none.
func (h *Hold) line(sku string) int {
	return slices.IndexFunc(h.Lines, func(l Line) bool { return l.SKU == sku })
}

// any tells whether a line has one of the statuses.
func (h *Hold) any(statuses ...Status) bool {
	return slices.ContainsFunc(h.Lines, func(l Line) bool { return slices.Contains(statuses, l.Status) })
}

// State is everything one shard knows. Its maps are persistent: clone takes constant time, and a State that is no
// longer written to may be read by anybody at the same time.
type State struct {
	items        *btree.Map[string, *Item]        // by SKU
	reservations *btree.Map[string, *Reservation] // by SKU and id: see pairKey
	restocks     *btree.Map[string, *Restock]     // by SKU and id
	holds        *btree.Map[string, *Hold]        // by id

	// Indexes by time: see timeKey. What is finished is remembered for a time, so that repeats get their
	// first answer, and then forgotten.
	dueReservations      *btree.Map[string, *Reservation]
	dueHolds             *btree.Map[string, *Hold]
	finishedReservations *btree.Map[string, *Reservation]
	finishedHolds        *btree.Map[string, *Hold]
	finishedRestocks     *btree.Map[string, string] // to the key in restocks
}

func newState() *State {
	return &State{
		items:                btree.NewMap[string, *Item](0),
		reservations:         btree.NewMap[string, *Reservation](0),
		restocks:             btree.NewMap[string, *Restock](0),
		holds:                btree.NewMap[string, *Hold](0),
		dueReservations:      btree.NewMap[string, *Reservation](0),
		dueHolds:             btree.NewMap[string, *Hold](0),
		finishedReservations: btree.NewMap[string, *Reservation](0),
		finishedHolds:        btree.NewMap[string, *Hold](0),
		finishedRestocks:     btree.NewMap[string, string](0),
	}
}

func (s *State) clone() *State {
	return &State{
		items:                s.items.Copy(),
		reservations:         s.reservations.Copy(),
		restocks:             s.restocks.Copy(),
		holds:                s.holds.Copy(),
		dueReservations:      s.dueReservations.Copy(),
		dueHolds:             s.dueHolds.Copy(),
		finishedReservations: s.finishedReservations.Copy(),
		finishedHolds:        s.finishedHolds.Copy(),
		finishedRestocks:     s.finishedRestocks.Copy(),
	}
}

// Item is the stock of a SKU, nil when the shard does not have it.
func (s *State) Item(sku string) *Item {
	i, _ := s.items.Get(sku)
	return i
}

// ItemsAfter gives up to limit items in the order of their SKUs, beginning after a SKU ("" = from the first).
func (s *State) ItemsAfter(sku string, limit int) []*Item {
	var items []*Item
	s.items.Ascend(sku, func(key string, i *Item) bool {
		if key != sku {
			items = append(items, i)
		}
		return len(items) < limit
	})
	return items
}

// NextDue is when the next reservation and the next hold are over; zero when there is none.
func (s *State) NextDue() (reservation, hold time.Time) {
	if _, r, ok := s.dueReservations.Min(); ok {
		reservation = r.ExpiresAt
	}
	if _, h, ok := s.dueHolds.Min(); ok {
		hold = h.ExpiresAt
	}
	return reservation, hold
}

// pairKey joins a SKU and an id; neither can contain the separator.
func pairKey(sku, id string) string { return sku + "|" + id }

// timeKey sorts by time (to the millisecond) and then by key.
func timeKey(t time.Time, key string) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(t.UnixMilli()))
	return string(b[:]) + key
}

// putReservation puts r in the place of what had its key, and keeps the indexes.
func (s *State) putReservation(r *Reservation) {
	key := pairKey(r.SKU, r.ID)
	if old, ok := s.reservations.Get(key); ok {
		s.dueReservations.Delete(timeKey(old.ExpiresAt, key))
		s.finishedReservations.Delete(timeKey(old.FinishedAt, key))
	}
	s.reservations.Set(key, r)
	if r.FinishedAt.IsZero() {
		s.dueReservations.Set(timeKey(r.ExpiresAt, key), r)
		return
	}
	s.finishedReservations.Set(timeKey(r.FinishedAt, key), r)
}

// putHold puts h in the place of what had its id, and keeps the indexes.
func (s *State) putHold(h *Hold) {
	s.dropHold(h.ID)
	s.holds.Set(h.ID, h)
	if h.FinishedAt.IsZero() {
		s.dueHolds.Set(timeKey(h.ExpiresAt, h.ID), h)
		return
	}
	s.finishedHolds.Set(timeKey(h.FinishedAt, h.ID), h)
}

func (s *State) dropHold(id string) {
	old, ok := s.holds.Delete(id)
	if !ok {
		return
	}
	s.dueHolds.Delete(timeKey(old.ExpiresAt, id))
	s.finishedHolds.Delete(timeKey(old.FinishedAt, id))
}

func (s *State) putRestock(r *Restock) {
	key := pairKey(r.Item.SKU, r.ID)
	s.restocks.Set(key, r)
	s.finishedRestocks.Set(timeKey(r.At, key), key)
}

// forget drops at most maxForgottenPerEvent things of each sort whose time to be remembered is over now. It is
// called once an event, so it keeps up with any load while no single event does much.
func (s *State) forget(now time.Time) {
	limit, holdLimit := timeKey(now.Add(-rememberFor), ""), timeKey(now.Add(-rememberHoldsFor), "")
	for range maxForgottenPerEvent {
		key, r, ok := s.finishedReservations.Min()
		if !ok || key >= limit {
			break
		}
		s.finishedReservations.Delete(key)
		s.reservations.Delete(pairKey(r.SKU, r.ID))
	}
	for range maxForgottenPerEvent {
		key, h, ok := s.finishedHolds.Min()
		if !ok || key >= holdLimit {
			break
		}
		s.dropHold(h.ID)
	}
	for range maxForgottenPerEvent {
		key, restock, ok := s.finishedRestocks.Min()
		if !ok || key >= limit {
			break
		}
		s.finishedRestocks.Delete(key)
		s.restocks.Delete(restock)
	}
}
