package inventory

import (
	"slices"
	"time"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
)

// holdRow is a Hold but for its id. It is never changed.
type holdRow struct {
	fingerprint string
	claims      []string // soleClaim where that is what they are
	lines       []lineRow
	expires     int64 // Unix ns, as is finished: 0 while a line is reserved
	finished    int64
}

// lineRow is a Line.
type lineRow struct {
	offer    *offer // shared by all lines that have it
	sku      uint32
	quantity uint32
	status   uint8
}

// soleClaim is the claims of a hold that one request made whose order has no lines in other shards.
var soleClaim = []string{""}

func (row *holdRow) times() (expires, finished int64) { return row.expires, row.finished }

// hold finds a hold; what is given may be changed, but for the claims.
func (s *State) hold(id string) (*Hold, bool) {
	row, ok := s.holds.get(refOf(0, id))
	if !ok {
		return nil, false
	}
	return s.holdOf(id, row), true
}

func (s *State) holdOf(id string, row *holdRow) *Hold {
	h := &Hold{ID: id, Fingerprint: row.fingerprint, Claims: row.claims, Lines: make([]Line, len(row.lines)),
		ExpiresAt: ofNanos(row.expires), FinishedAt: ofNanos(row.finished)}
	for i, l := range row.lines {
		h.Lines[i] = Line{Status: statuses[l.status], HeldLine: inventoryapi.HeldLine{
			SKU: s.names.sku(l.sku), Title: l.offer.title, Quantity: int64(l.quantity), UnitPrice: l.offer.price}}
	}
	return h
}

// putHold puts h in the place of what had its id, and keeps the indexes.
func (s *State) putHold(h *Hold) {
	row := &holdRow{fingerprint: h.Fingerprint, claims: h.Claims, lines: make([]lineRow, len(h.Lines)),
		expires: nanos(h.ExpiresAt), finished: nanos(h.FinishedAt)}
	if slices.Equal(h.Claims, soleClaim) {
		row.claims = soleClaim
	}
	for i, l := range h.Lines {
		sku := s.names.number(l.SKU)
		row.lines[i] = lineRow{offer: s.names.offer(sku, l.Title, l.UnitPrice), sku: sku,
			quantity: small(l.Quantity), status: statusNumber(l.Status)}
	}
	s.holds.put(refOf(0, h.ID), h.ID, row)
}

// allHolds gives every hold.
func (s *State) allHolds(yield func(*Hold) bool) {
	for _, h := range s.holds.all() {
		if !yield(s.holdOf(h.id, h.row)) {
			return
		}
	}
}

// dueHolds gives the ids of up to limit holds whose time is over, the earliest first, and whether there are more.
func (s *State) dueHolds(until time.Time, limit int) (due []string, more bool) {
	refs, more := s.holds.due.until(until, limit)
	for _, r := range refs {
		due = append(due, s.holds.id(r))
	}
	return due, more
}
