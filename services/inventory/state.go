package inventory

import (
	"fmt"
	"slices"
	"time"

	"github.com/tidwall/btree"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/money"
)

// Item is the stock of one SKU. Received is always Available + Reserved + Sold, and none of them is negative.
// An Item in a State is never changed, but by State.move: a change puts another one in its place.
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

// moved is i after units went between its accounts. An impossible move is a defect that would oversell,
// so it stops the process instead of going on with wrong figures.
func (i Item) moved(received, available, reserved, sold int64) Item {
	i.Received += received
	i.Available += available
	i.Reserved += reserved
	i.Sold += sold
	i.Version++
	if min(i.Received, i.Available, i.Reserved, i.Sold) < 0 || i.Received != i.Available+i.Reserved+i.Sold {
		panic(fmt.Sprintf("inventory: %q would become %+v", i.SKU, i))
	}
	return i
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

// Reservation is units of one SKU set aside for a caller of the public contract.
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

// Hold is the stock of one order in one shard.
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

// withStatus is r in another status; finishedAt is zero while it is reserved.
func (r Reservation) withStatus(status Status, finishedAt time.Time) *Reservation {
	r.Status, r.FinishedAt = status, finishedAt
	return &r
}

// State is everything one shard knows. Its maps are persistent: clone takes constant time, and a State that is no
// longer written to may be read by anybody at the same time. Reservations and holds, of which there may be millions,
// are kept in rows (rows.go) and given out as copies.
type State struct {
	items        *btree.Map[string, *Item] // by SKU
	own          *Item                     // of items, made by move since s was last cloned: no other State has it; nil if there is none
	names        names
	reservations table[reservationRow]
	holds        table[*holdRow]
	restocks     *btree.Map[string, *Restock] // by SKU and id: see pairKey

	finishedRestocks *btree.BTreeG[restockClock] // by time: forgotten in this order
}

// restockClock finds a restock, by its key in restocks, when it is to be forgotten.
type restockClock struct {
	at  int64 // Unix ms
	key string
}

func (a restockClock) before(b restockClock) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	return a.key < b.key
}

// unlocked is for trees that one goroutine changes before anybody else reads them.
var unlocked = btree.Options{NoLocks: true}

func newState() *State {
	return &State{
		items:            btree.NewMap[string, *Item](0),
		names:            newNames(),
		reservations:     newTable[reservationRow](),
		holds:            newTable[*holdRow](),
		restocks:         btree.NewMap[string, *Restock](0),
		finishedRestocks: btree.NewBTreeGOptions(restockClock.before, unlocked),
	}
}

func (s *State) clone() *State {
	s.own = nil
	return &State{
		items:            s.items.Copy(),
		names:            s.names.clone(),
		reservations:     s.reservations.clone(),
		holds:            s.holds.clone(),
		restocks:         s.restocks.Copy(),
		finishedRestocks: s.finishedRestocks.Copy(),
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
	return s.reservations.due.first(), s.holds.due.first()
}

// pairKey joins a SKU and an id; neither can contain the separator.
func pairKey(sku, id string) string { return sku + "|" + id }

func (s *State) putRestock(r *Restock) {
	key := pairKey(r.Item.SKU, r.ID)
	s.restocks.Set(key, r)
	s.finishedRestocks.Set(restockClock{r.At.UnixMilli(), key})
}

// forget drops at most maxForgottenPerEvent things of each sort whose time to be remembered is over now. It is
// called once an event, so it keeps up with any load while no single event does much.
func (s *State) forget(now time.Time) {
	limit, holdLimit := now.Add(-rememberFor).UnixMilli(), now.Add(-rememberHoldsFor).UnixMilli()
	s.reservations.forget(limit, maxForgottenPerEvent)
	s.holds.forget(holdLimit, maxForgottenPerEvent)
	for range maxForgottenPerEvent {
		oldest, ok := s.finishedRestocks.Min()
		if !ok || oldest.at >= limit {
			break
		}
		s.finishedRestocks.Delete(oldest)
		s.restocks.Delete(oldest.key)
	}
}
