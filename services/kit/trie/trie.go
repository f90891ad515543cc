// Package trie is a persistent hash map for many small values. Clone takes constant time, and a map that is no longer
// written to may be read by anybody at the same time: it is what a journal.Machine keeps a shard's rows in.
//
// Against a B-tree with string keys it copies less for a change of a random key (the few nodes above it and at most one
// short leaf, not nodes of up to 63 entries), compares without looking at strings elsewhere, and its leaves are plain
// arrays: where neither key nor value has a pointer, the garbage collector does not look into them, so a million rows cost
// it next to nothing. It has no order by key; entries come in an order that is another one in every process.
//
// A hash array mapped trie (Bagwell, Ideal Hash Trees, 2001) with buckets as leaves; who may change a node in place is
// told by an owner, as in Clojure's transients. A new entry is appended to its leaf's array where that has room, although
// older clones share it: they do not see beyond their own count. That is for one map at a time, see line.
package trie

import (
	"hash/maphash"
	"iter"
	"math/bits"
	"slices"
	"sync/atomic"
)

const (
	slotBits   = 3
	fanout     = 1 << slotBits
	hashBits   = 64
	maxEntries = 16 // of a leaf; one whose hash has no bits left to split by may have more
	mergeBelow = maxEntries / 2
)

// seed keeps callers, who choose keys, from choosing ones that fall into one leaf.
var seed = maphash.MakeSeed()

// Map is the map; its zero value is empty. One goroutine at a time may change or Clone it. Nobody may read it while it is
// changed; while it is cloned others may, and its clones are independent of it.
type Map[K comparable, V any] struct {
	root  *node[K, V]
	owner *owner // nil until it is written to after it was made or cloned
	line  *line  // the one it was on when it was last written to, or what it was cloned from was
	turn  uint64 // of that line, then
}

// owner marks the nodes that a map may change in place: those that it has made since it was last cloned. Only its
// address counts, and whether it is on the same line as another.
type owner struct{ line *line }

// line is a map and the clones that were written to one after the other, each made of the one before it when that had
// written its last. So whoever is the newest sees all that was ever appended to the arrays that it shares with the others,
// and may use the room behind. Who else comes to write, the original beside its clone or a second clone, begins a line of
// its own, and copies the arrays that it appends to.
type line struct{ turn atomic.Uint64 } // counts who came to write; several clones may ask at a time

type entry[K comparable, V any] struct {
	hash  uint64
	key   K
	value V
}

// node is a leaf with entries, or has children by the next bits of the hash.
type node[K comparable, V any] struct {
	owner    *owner
	count    uint32 // of entries in it and below
	private  bool   // no other node has its entries: they may be changed in place by the owner
	children *[fanout]*node[K, V]
	entries  []entry[K, V] // in no order; what is behind them is for owner.line
}

// inner is a node with its children, in one piece of memory.
type inner[K comparable, V any] struct {
	node[K, V]
	array [fanout]*node[K, V]
}

// Clone is an independent copy.
func (m *Map[K, V]) Clone() Map[K, V] {
	m.owner = nil
	return *m
}

// write lets m own what it makes from here on.
func (m *Map[K, V]) write() {
	if m.owner != nil {
		return
	}
	if m.line == nil || !m.line.turn.CompareAndSwap(m.turn, m.turn+1) {
		m.line, m.turn = new(line), 0
		m.line.turn.Store(1)
	}
	m.turn++
	m.owner = &owner{m.line}
}

// Len is the number of entries.
func (m *Map[K, V]) Len() int { return int(m.root.size()) }

// Get finds the value of a key.
func (m *Map[K, V]) Get(key K) (value V, ok bool) {
	if e := m.find(maphash.Comparable(seed, key), key); e != nil {
		return e.value, true
	}
	return value, false
}

func (m *Map[K, V]) find(hash uint64, key K) *entry[K, V] {
	n := m.root
	for shift := uint(0); n != nil; shift += slotBits {
		if n.children == nil {
			if i := n.index(hash, key); i >= 0 {
				return &n.entries[i]
			}
			return nil
		}
		n = n.children[hash>>shift%fanout]
	}
	return nil
}

// Set gives a key a value; old is the one that it had.
func (m *Map[K, V]) Set(key K, value V) (old V, replaced bool) {
	m.write()
	e, before := entry[K, V]{maphash.Comparable(seed, key), key, value}, m.Len()
	m.root = m.set(m.root, 0, &e)
	if m.Len() > before {
		return old, false
	}
	return e.value, true
}

// Delete takes a key out; one that is not there is no error.
func (m *Map[K, V]) Delete(key K) {
	hash := maphash.Comparable(seed, key)
	if m.find(hash, key) != nil {
		m.write()
		m.root = m.remove(m.root, 0, hash, key)
	}
}

// All gives every entry, in no order that means anything.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { m.root.each(yield) }
}

func (n *node[K, V]) each(yield func(K, V) bool) bool {
	if n == nil {
		return true
	}
	for i := range n.entries {
		if e := &n.entries[i]; !yield(e.key, e.value) {
			return false
		}
	}
	if n.children != nil {
		for _, child := range n.children {
			if !child.each(yield) {
				return false
			}
		}
	}
	return true
}

// index is where the key is in a leaf; -1 says that it is not.
func (n *node[K, V]) index(hash uint64, key K) int {
	for i := range n.entries {
		if e := &n.entries[i]; e.hash == hash && e.key == key {
			return i
		}
	}
	return -1
}

func (m *Map[K, V]) newInner() *node[K, V] {
	in := &inner[K, V]{node: node[K, V]{owner: m.owner}}
	in.children = &in.array
	return &in.node
}

func (m *Map[K, V]) newLeaf(entries []entry[K, V]) *node[K, V] {
	return &node[K, V]{owner: m.owner, count: uint32(len(entries)), private: true, entries: entries}
}

// own is n, or a copy of it that m may change. Of a leaf, the copy shares the entries.
func (m *Map[K, V]) own(n *node[K, V]) *node[K, V] {
	switch {
	case n.owner == m.owner:
		return n
	case n.children != nil:
		c := m.newInner()
		c.count, *c.children = n.count, *n.children
		return c
	}
	return &node[K, V]{owner: m.owner, count: n.count, entries: n.entries}
}

// set is n with an entry, which gets the value that it replaces.
func (m *Map[K, V]) set(n *node[K, V], shift uint, e *entry[K, V]) *node[K, V] {
	if n == nil {
		return m.newLeaf([]entry[K, V]{*e})
	}
	if n.children == nil {
		i := n.index(e.hash, e.key)
		switch {
		case i >= 0:
			return m.replaced(n, i, e)
		case n.count < maxEntries || shift >= hashBits:
			return m.inserted(n, e)
		}
		n = m.split(n, shift)
	} else {
		n = m.own(n)
	}
	child := &n.children[e.hash>>shift%fanout]
	before := (*child).size()
	*child = m.set(*child, shift+slotBits, e)
	n.count += (*child).size() - before
	return n
}

func (n *node[K, V]) size() uint32 {
	if n == nil {
		return 0
	}
	return n.count
}

func (m *Map[K, V]) replaced(n *node[K, V], i int, e *entry[K, V]) *node[K, V] {
	n = m.own(n)
	if !n.private {
		n.entries, n.private = slices.Clone(n.entries), true
	}
	n.entries[i].value, e.value = e.value, n.entries[i].value
	return n
}

func (m *Map[K, V]) inserted(n *node[K, V], e *entry[K, V]) *node[K, V] {
	ours := n.owner.line == m.line
	n = m.own(n)
	if !ours || len(n.entries) == cap(n.entries) {
		n.entries, n.private = append(withRoom[K, V](len(n.entries)), n.entries...), true
	}
	n.entries = append(n.entries, *e)
	n.count++
	return n
}

// withRoom is for entries and at least one more: a power of two, of which a full leaf is one.
func withRoom[K comparable, V any](entries int) []entry[K, V] {
	return make([]entry[K, V], 0, 1<<bits.Len(uint(entries)))
}

// split is a full leaf as a node with leaves.
func (m *Map[K, V]) split(n *node[K, V], shift uint) *node[K, V] {
	in := m.newInner()
	in.count = n.count
	var counts [fanout]int
	for i := range n.entries {
		counts[n.entries[i].hash>>shift%fanout]++
	}
	for slot, count := range counts {
		if count > 0 {
			in.children[slot] = m.newLeaf(withRoom[K, V](count))
		}
	}
	for i := range n.entries {
		child := in.children[n.entries[i].hash>>shift%fanout]
		child.entries = append(child.entries, n.entries[i])
		child.count++
	}
	return in
}

// remove is n without an entry that it has.
func (m *Map[K, V]) remove(n *node[K, V], shift uint, hash uint64, key K) *node[K, V] {
	if n.count == 1 {
		return nil
	}
	if n.children == nil {
		i := n.index(hash, key)
		return m.newLeaf(append(slices.Clone(n.entries[:i]), n.entries[i+1:]...))
	}
	n = m.own(n)
	n.count--
	child := &n.children[hash>>shift%fanout]
	*child = m.remove(*child, shift+slotBits, hash, key)
	if n.count < mergeBelow {
		return m.merged(n)
	}
	return n
}

// merged is a node of few entries as a leaf.
func (m *Map[K, V]) merged(n *node[K, V]) *node[K, V] {
	entries := make([]entry[K, V], 0, n.count)
	for _, child := range n.children {
		if child != nil { // a leaf: it has fewer entries than n
			entries = append(entries, child.entries...)
		}
	}
	return m.newLeaf(entries)
}
