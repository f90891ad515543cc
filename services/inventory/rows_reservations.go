package inventory

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/sidecart/sidecart/services/kit/exact"
)

// reservationRow is a Reservation but for its SKU and id.
type reservationRow struct {
	expires  int64 // Unix ns, as is finished: 0 while it is reserved
	finished int64
	quantity uint32
	hold     uint32 // seconds
	status   uint8  // index in statuses
}

// statuses in the order of their numbers in rows.
var statuses = []Status{StatusReserved, StatusConfirmed, StatusReleased, StatusExpired, StatusLost}

// statusNumber is the number of a status in a row.
func statusNumber(s Status) uint8 {
	i := slices.Index(statuses, s)
	if i < 0 {
		panic(fmt.Sprintf("inventory: unknown status %q", s))
	}
	return uint8(i)
}

// small is n in four bytes, in which every quantity and hold of the contract fits.
func small(n int64) uint32 {
	if n < 0 || n > math.MaxUint32 {
		panic(fmt.Sprintf("inventory: %d is not a quantity", n))
	}
	return uint32(n)
}

func (row reservationRow) times() (expires, finished int64) { return row.expires, row.finished }

// reservation finds a reservation.
func (s *State) reservation(sku, id string) (Reservation, bool) {
	number, ok := s.names.numbers.Get(sku)
	if !ok {
		return Reservation{}, false
	}
	row, ok := s.reservations.get(refOf(number, id))
	if !ok {
		return Reservation{}, false
	}
	return row.reservation(sku, id), true
}

// reservationOf is the reservation of a ref that has one.
func (s *State) reservationOf(r ref) Reservation {
	row, _ := s.reservations.get(r)
	return row.reservation(s.names.sku(r.sku), s.reservations.id(r))
}

func (row reservationRow) reservation(sku, id string) Reservation {
	return Reservation{SKU: sku, ID: id, Quantity: int64(row.quantity), HoldSeconds: int64(row.hold),
		ExpiresAt: ofNanos(row.expires), Status: statuses[row.status], FinishedAt: ofNanos(row.finished)}
}

// AppendJSON appends what json.Marshal would write: a snapshot has a record of each reservation.
func (r Reservation) AppendJSON(to []byte) ([]byte, error) {
	w := exact.Writer{To: to}
	w.Text(`{"sku":`, r.SKU)
	w.Text(`,"id":`, r.ID)
	w.Number(`,"quantity":`, r.Quantity)
	w.Number(`,"hold_seconds":`, r.HoldSeconds)
	w.Time(`,"expires_at":`, r.ExpiresAt)
	w.Text(`,"status":`, string(r.Status))
	w.TimeIfAny(`,"finished_at":`, r.FinishedAt)
	w.Raw(`}`)
	return w.To, w.Err
}

// putReservation puts r in the place of what had its SKU and id, and keeps the indexes.
func (s *State) putReservation(r Reservation) {
	s.reservations.put(refOf(s.names.number(r.SKU), r.ID), r.ID, reservationRow{
		expires: nanos(r.ExpiresAt), finished: nanos(r.FinishedAt),
		quantity: small(r.Quantity), hold: small(r.HoldSeconds), status: statusNumber(r.Status),
	})
}

// allReservations gives every reservation.
func (s *State) allReservations(yield func(Reservation) bool) {
	for at, r := range s.reservations.all() {
		if !yield(r.row.reservation(s.names.sku(at.sku), r.id)) {
			return
		}
	}
}

// dueReservations gives up to limit reservations whose time is over, the earliest first, and whether there are more.
func (s *State) dueReservations(until time.Time, limit int) (due []Reservation, more bool) {
	refs, more := s.reservations.due.until(until, limit)
	for _, r := range refs {
		due = append(due, s.reservationOf(r))
	}
	return due, more
}
