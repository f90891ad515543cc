package order

import (
	"math"
	"time"

	"github.com/tidwall/btree"

	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/kit/identity"
	"github.com/sidecart/sidecart/services/kit/trie"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// state is one shard: the orders that are not archived, and what finds them. An order in it is never changed, only
// replaced.
type state struct {
	orders   trie.Map[string, *orderapi.Order]
	due      *index // awaiting payment, by pay_by
	settled  *index // see settled, by changed_at
	owners   *index // all, by ownerOf and placed_at
	archived *archive.Index
}

// index has orders in some order. Its nodes are copied when one of their entries changes, so these are no more than pointers.
type index = btree.BTreeG[*orderapi.Order]

// stamp orders by a time and then by id.
type stamp struct {
	at int64 // Unix nanoseconds
	id string
}

// placedStamp is where an order stands among those of its owner.
func placedStamp(o *orderapi.Order) stamp { return stamp{o.PlacedAt.UnixNano(), o.ID} }

// earlier tells whether a stands before b by its time, or by its id where the times are the same.
func earlier(a, b *orderapi.Order, atA, atB time.Time) bool {
	if c := atA.Compare(atB); c != 0 {
		return c < 0
	}
	return a.ID < b.ID
}

func placedBefore(a, b *orderapi.Order) bool {
	if a.Customer != b.Customer {
		return a.Customer < b.Customer
	}
	if a.Tenant != b.Tenant {
		return a.Tenant < b.Tenant
	}
	return earlier(a, b, a.PlacedAt, b.PlacedAt)
}

// ownersDegree is that of a B-tree whose keys come in no order: each new one copies a leaf of its own, with up to twice as many entries.
const ownersDegree = 6

func newState() *state {
	// One goroutine changes a state, and readers see only states that are not changed any more: no locks.
	unlocked := btree.Options{NoLocks: true}
	return &state{
		due: btree.NewBTreeGOptions(func(a, b *orderapi.Order) bool {
			return earlier(a, b, a.PayBy, b.PayBy)
		}, unlocked),
		settled: btree.NewBTreeGOptions(func(a, b *orderapi.Order) bool {
			return earlier(a, b, a.ChangedAt, b.ChangedAt)
		}, unlocked),
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

// put replaces or adds an order and keeps what finds it. Whose it is and when it was placed never change.
func (s *state) put(o *orderapi.Order) {
	if old, replaced := s.orders.Set(o.ID, o); replaced {
		s.unlist(old)
	}
	s.owners.Set(o)
	switch {
	case o.Status == orderapi.StatusAwaitingPayment:
		s.due.Set(o)
	case settled(o):
		s.settled.Set(o)
	}
}

// remove lets go of an order; one that is not there is no error.
func (s *state) remove(id string) {
	if o := s.order(id); o != nil {
		s.orders.Delete(id)
		s.owners.Delete(o)
		s.unlist(o)
	}
}

// unlist takes an order out of the indexes that its status puts it in.
func (s *state) unlist(o *orderapi.Order) {
	switch { // deleting what is not there copies the way to it
	case o.Status == orderapi.StatusAwaitingPayment:
		s.due.Delete(o)
	case settled(o):
		s.settled.Delete(o)
	}
}

// dueBefore tells whether an order awaits payment whose pay_by is before until.
func (s *state) dueBefore(until time.Time) bool {
	first, any := s.due.Min()
	return any && first.PayBy.Before(until)
}

// settledBefore gives up to limit orders that were settled before the time, the oldest first.
func (s *state) settledBefore(before time.Time, limit int) []*orderapi.Order {
	var found []*orderapi.Order
	s.settled.Scan(func(o *orderapi.Order) bool {
		if !o.ChangedAt.Before(before) || len(found) == limit {
			return false
		}
		found = append(found, o)
		return true
	})
	return found
}

// ofOwner gives up to limit orders of the owner that come after the cursor, newest first; the zero cursor
// begins at the newest.
func (s *state) ofOwner(owner identity.Owner, cursor stamp, limit int) []*orderapi.Order {
	pivot := &orderapi.Order{Tenant: owner.Tenant, Customer: owner.Subject, PlacedAt: time.Unix(0, cursor.at), ID: cursor.id}
	if cursor.id == "" {
		pivot.PlacedAt = time.Unix(0, math.MaxInt64)
	}
	var found []*orderapi.Order
	s.owners.Descend(pivot, func(o *orderapi.Order) bool {
		if ownerOf(o) != owner || len(found) == limit {
			return false
		}
		if placedStamp(o) != cursor {
			found = append(found, o)
		}
		return true
	})
	return found
}
