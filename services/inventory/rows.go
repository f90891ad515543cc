package inventory

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"time"

	"github.com/google/uuid"
	"github.com/tidwall/btree"

	"github.com/sidecart/sidecart/services/kit/money"
)

// ref names a reservation or a hold in a State without a pointer, so that the garbage collector need not look at
// millions of them.
type ref struct {
	id   [16]byte // a UUID's bytes; of any other id the first 16 of its SHA-256
	sku  uint32   // number of the reservation's SKU; 0 for a hold
	kind kind     // of its id
}

// kind says where a table has the row of an id.
type kind uint32

const (
	isUUID  kind = iota
	isShort      // another text of up to shortTextBytes
	isLong
)

func (a ref) compare(b ref) int {
	if c := bytes.Compare(a.id[:], b.id[:]); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.sku, b.sku), cmp.Compare(a.kind, b.kind))
}

// refOf is the ref of an id. That two texts share the first half of a SHA-256 is not to be feared; who finds such a
// pair gets the answer to his own first request.
func refOf(sku uint32, id string) ref {
	if u, err := uuid.Parse(id); err == nil && isCanonical(id) {
		return ref{id: u, sku: sku}
	}
	const usualBytes = 128        // at most, and so many characters the contract allows
	onStack := [usualBytes]byte{} // a conversion would take memory
	sum := sha256.Sum256(append(onStack[:0], id...))
	r := ref{id: [16]byte(sum[:16]), sku: sku, kind: isLong}
	if len(id) <= shortTextBytes {
		r.kind = isShort
	}
	return r
}

// uuid is the id of a ref whose id is a UUID.
func (a ref) uuid() string { return uuid.UUID(a.id).String() }

// isCanonical tells whether a UUID is written as uuid.UUID writes it: 36 characters, lower case.
func isCanonical(id string) bool {
	for i := range len(id) {
		if c := id[i]; c >= 'A' && c <= 'F' {
			return false
		}
	}
	return len(id) == 36
}

// names is what refs and rows leave out: SKUs by number, and what they were called. Numbers mean something in one State
// and its clones only; they are given anew when a snapshot is loaded.
type names struct {
	numbers *btree.Map[string, uint32] // of SKUs, from 1
	skus    *btree.Map[uint32, string]
	offers  *btree.Map[uint32, *offer] // the last one of a SKU by its number, for sharing
}

// offer is what a SKU was called and cost. It is never changed.
type offer struct {
	title string
	price money.Money
}

func newNames() names {
	return names{numbers: btree.NewMap[string, uint32](0), skus: btree.NewMap[uint32, string](0), offers: btree.NewMap[uint32, *offer](0)}
}

func (n *names) clone() names {
	return names{numbers: n.numbers.Copy(), skus: n.skus.Copy(), offers: n.offers.Copy()}
}

// offer gives an offer of a SKU, the same one for all lines at the same title and price that come one after the other.
func (n *names) offer(sku uint32, title string, price money.Money) *offer {
	known, ok := n.offers.Get(sku)
	if !ok || known.title != title || known.price != price {
		known = &offer{title, price}
		n.offers.Set(sku, known)
	}
	return known
}

// number is the number of a SKU, which it gets at the first call.
func (n *names) number(sku string) uint32 {
	known, ok := n.numbers.Get(sku)
	if !ok {
		known = uint32(n.numbers.Len()) + 1
		n.numbers.Set(sku, known)
		n.skus.Set(known, sku)
	}
	return known
}

// sku is the SKU with a number.
func (n *names) sku(number uint32) string {
	sku, _ := n.skus.Get(number)
	return sku
}

// clock finds what is due at a time.
type clock struct {
	at int64 // Unix ms
	ref
}

func (a clock) before(b clock) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	return a.compare(b.ref) < 0
}

// clocks is an index by time.
type clocks struct{ tree *btree.BTreeG[clock] }

// clockDegree makes nodes of at most 31 clocks: most come at the end, and one from the middle copies its node. With half of it, looking
// through them took a fifth more of a collection of garbage (BenchmarkCollection), and no less of a reservation.
const clockDegree = 16

func newClocks() clocks {
	return clocks{btree.NewBTreeGOptions(clock.before, btree.Options{NoLocks: true, Degree: clockDegree})}
}

func (c clocks) clone() clocks { return clocks{c.tree.Copy()} }

func (c clocks) set(at int64, r ref)    { c.tree.Set(clock{at, r}) }
func (c clocks) delete(at int64, r ref) { c.tree.Delete(clock{at, r}) }

// first is the earliest time, to the millisecond; zero when there is none.
func (c clocks) first() time.Time {
	if first, ok := c.tree.Min(); ok {
		return time.UnixMilli(first.at).UTC()
	}
	return time.Time{}
}

// until gives up to limit refs whose time is not after an instant, the earliest first, and whether there are more.
func (c clocks) until(instant time.Time, limit int) (refs []ref, more bool) {
	if instant.IsZero() {
		return nil, false
	}
	through := instant.UnixMilli()
	c.tree.Scan(func(k clock) bool {
		if k.at > through {
			return false
		}
		if more = len(refs) == limit; !more {
			refs = append(refs, k.ref)
		}
		return !more
	})
	return refs, more
}

// takeBefore takes the earliest out if its time is before an instant (Unix ms).
func (c clocks) takeBefore(instant int64) (r ref, ok bool) {
	first, ok := c.tree.Min()
	if !ok || first.at >= instant {
		return ref{}, false
	}
	c.tree.Delete(first)
	return first.ref, true
}

// nanos keeps a time in 8 bytes; zero is zero.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func ofNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
