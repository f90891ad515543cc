package order

import (
	"cmp"
	"math"
	"time"

	"github.com/tidwall/btree"

	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/kit/trie"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// state is one shard: the orders that are not archived, and what finds them. An order in it is never changed, only
// replaced.
type state struct {
	orders   trie.Map[string, *orderapi.Order]
	due      *btree.BTreeG[stamp]  // awaiting payment, by pay_by
	settled  *btree.BTreeG[stamp]  // see settled, by changed_at
	owners   *btree.BTreeG[placed] // all, by listOwner and placed_at
	archived *archive.Index
}

// stamp finds an order by a time.
type stamp struct {
	at int64 // Unix nanoseconds
	id string
}

func earlier(a, b stamp) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	return a.id < b.id
}

// placed finds the orders of an owner.
type placed struct {
	owner string // listOwner
	stamp
}

func placedBefore(a, b placed) bool {
	if c := cmp.Compare(a.owner, b.owner); c != 0 {
		return c < 0
	}
	return earlier(a.stamp, b.stamp)
}

// ownersDegree is that of a B-tree whose keys come in no order: each new one copies a leaf of its own, with up to twice as many entries. By
// the usual degree of 32 these copies were a twentieth of all memory that orders took.
const ownersDegree = 6

func newState() *state {
	// One goroutine changes a state, and readers see only states that are not changed any more: no locks.
	unlocked := btree.Options{NoLocks: true}
	return &state{
		due:      btree.NewBTreeGOptions(earlier, unlocked),
		settled:  btree.NewBTreeGOptions(earlier, unlocked),
		owners:   btree.NewBTreeGOptions(placedBefore, btree.Options{NoLocks: true, Degree: ownersDegree}),
		archived: archive.NewIndex(),
	}
}

func (s *state) clone() *state {
	return &state{
		orders: s.orders.Clone(), due: s.due.Copy(), settled: s.settled.Copy(), owners: s.owners.Copy(),
		archived: s.archived.Clone(),
	}
}

// order is the order if it is in memory, else nil.
func (s *state) order(id string) *orderapi.Order {
	o, _ := s.orders.Get(id)
	return o
}

// put replaces or adds an order and keeps what finds it.
func (s *state) put(o *orderapi.Order) {
	if old, replaced := s.orders.Set(o.ID, o); replaced {
		s.unlist(old)
	}
	s.owners.Set(ownerKey(o))
	switch {
	case o.Status == orderapi.StatusAwaitingPayment:
		s.due.Set(stamp{o.PayBy.UnixNano(), o.ID})
	case settled(o):
		s.settled.Set(stamp{o.ChangedAt.UnixNano(), o.ID})
	}
}

// remove lets go of an order; one that is not there is no error.
func (s *state) remove(id string) {
	if o := s.order(id); o != nil {
		s.orders.Delete(id)
		s.unlist(o)
	}
}

// unlist takes an order out of what finds it.
func (s *state) unlist(o *orderapi.Order) {
	s.owners.Delete(ownerKey(o))
	switch { // deleting what is not there copies the way to it
	case o.Status == orderapi.StatusAwaitingPayment:
		s.due.Delete(stamp{o.PayBy.UnixNano(), o.ID})
	case settled(o):
		s.settled.Delete(stamp{o.ChangedAt.UnixNano(), o.ID})
	}
}

func ownerKey(o *orderapi.Order) placed {
	return placed{listOwner(o.Tenant, o.Customer), stamp{o.PlacedAt.UnixNano(), o.ID}}
}

// dueBefore tells whether an order awaits payment whose pay_by is before until.
func (s *state) dueBefore(until time.Time) bool {
	first, any := s.due.Min()
	return any && first.at < until.UnixNano()
}

// settledBefore gives up to limit orders that were settled before the time, the oldest first.
func (s *state) settledBefore(before time.Time, limit int) []*orderapi.Order {
	var found []*orderapi.Order
	s.settled.Scan(func(k stamp) bool {
		if k.at >= before.UnixNano() || len(found) == limit {
			return false
		}
		found = append(found, s.order(k.id))
		return true
	})
	return found
}

// ofOwner gives up to limit orders of the owner that come after the cursor, newest first; the zero cursor
// begins at the newest.
func (s *state) ofOwner(owner string, cursor stamp, limit int) []*orderapi.Order {
	pivot := placed{owner, cursor}
	if cursor.id == "" {
		pivot.at = math.MaxInt64
	}
	var found []*orderapi.Order
	s.owners.Descend(pivot, func(k placed) bool {
		if k.owner != owner || len(found) == limit {
			return false
		}
		if k.stamp != cursor {
			found = append(found, s.order(k.id))
		}
		return true
	})
	return found
}
