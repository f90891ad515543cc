package inventory

import (
	"slices"
	"time"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/trie"
)

// holds are those of a shard, and what finds them when their time has come.
type holds struct {
	rows          trie.Map[ref, *holdRow]
	due, finished clocks
}

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

func (h *holds) clone() holds {
	return holds{rows: h.rows.Clone(), due: h.due.clone(), finished: h.finished.clone()}
}

// forget drops the hold that was finished first, if that was before an instant (Unix ms).
func (h *holds) forget(before int64, names *names) bool {
	oldest, ok := h.finished.takeBefore(before)
	if ok {
		h.rows.Delete(oldest)
		names.drop(oldest)
	}
	return ok
}

// hold finds a hold; what is given may be changed, but for the claims.
func (s *State) hold(id string) (*Hold, bool) {
	row, ok := s.holds.rows.Get(refOf(0, id))
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
	at := refOf(0, h.ID)
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
	if old, replaced := s.holds.rows.Set(at, row); replaced {
		s.holds.unclock(at, old)
	} else {
		s.names.keep(at, h.ID)
	}
	if h.FinishedAt.IsZero() {
		s.holds.due.set(h.ExpiresAt, at)
		return
	}
	s.holds.finished.set(h.FinishedAt, at)
}

// unclock takes a hold out of the index that it is in.
func (h *holds) unclock(at ref, row *holdRow) {
	if row.finished == 0 {
		h.due.delete(ofNanos(row.expires), at)
		return
	}
	h.finished.delete(ofNanos(row.finished), at)
}

func (s *State) dropHold(id string) {
	at := refOf(0, id)
	if old, ok := s.holds.rows.Get(at); ok {
		s.holds.rows.Delete(at)
		s.names.drop(at)
		s.holds.unclock(at, old)
	}
}

// allHolds gives every hold.
func (s *State) allHolds(yield func(*Hold) bool) {
	for at, row := range s.holds.rows.All() {
		if !yield(s.holdOf(s.names.id(at), row)) {
			return
		}
	}
}

// dueHolds gives the ids of up to limit holds whose time is over, the earliest first, and whether there are more.
func (s *State) dueHolds(until time.Time, limit int) (due []string, more bool) {
	refs, more := s.holds.due.until(until, limit)
	for _, r := range refs {
		due = append(due, s.names.id(r))
	}
	return due, more
}
