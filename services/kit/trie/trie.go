// Package trie is a persistent hash map for many small values. Clone takes constant time, and a map that is no longer
// written to may be read by anybody at the same time: it is what a journal.Machine keeps a shard's rows in.
//
// Against a B-tree with string keys it copies less for a change of a random key (one short leaf and the few nodes above
// it, not nodes of up to 63 entries), compares without looking at strings elsewhere, and its leaves are plain arrays:
// where neither key nor value has a pointer, the garbage collector does not look into them, so a million rows cost it
// next to nothing. It has no order by key; entries come in the order of their hashes, which is another one in every
// process.
//
// A hash array mapped trie (Bagwell, Ideal Hash Trees, 2001) with buckets as leaves; who may change a node in place is
// told by an owner, as in Clojure's transients.
package trie

import (
	"hash/maphash"
	"iter"
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
	owner *owner
}

// owner marks the nodes that a map may change in place: those that it has made since it was last cloned. Only its
// address counts, so it must not be of size zero.
type owner struct{ _ byte }

type entry[K comparable, V any] struct {
	hash  uint64
	key   K
	value V
}

// node is a leaf with entries, or has children by the next bits of the hash.
type node[K comparable, V any] struct {
	owner    *owner
	count    int // of entries in it and below
	children *[fanout]*node[K, V]
	entries  []entry[K, V] // by hash
}

// Clone is an independent copy.
func (m *Map[K, V]) Clone() Map[K, V] {
	m.owner = new(owner)
	return Map[K, V]{root: m.root, owner: new(owner)}
}

// Len is the number of entries.
func (m *Map[K, V]) Len() int {
	if m.root == nil {
		return 0
	}
	return m.root.count
}

// Get finds the value of a key.
func (m *Map[K, V]) Get(key K) (value V, ok bool) {
	hash := maphash.Comparable(seed, key)
	n := m.root
	for shift := uint(0); n != nil; shift += slotBits {
		if n.children == nil {
			if i, found := n.find(hash, key); found {
				return n.entries[i].value, true
			}
			break
		}
		n = n.children[hash>>shift%fanout]
	}
	return value, false
}

// Set gives a key a value; old is the one that it had.
func (m *Map[K, V]) Set(key K, value V) (old V, replaced bool) {
	e, before := entry[K, V]{maphash.Comparable(seed, key), key, value}, m.Len()
	m.root = m.set(m.root, 0, &e)
	if m.Len() > before {
		return old, false
	}
	return e.value, true
}

// Delete takes a key out; one that is not there is no error.
func (m *Map[K, V]) Delete(key K) {
	if _, ok := m.Get(key); ok {
		m.root = m.remove(m.root, 0, maphash.Comparable(seed, key), key)
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

// find gives where the key is in a leaf, or where it would be.
func (n *node[K, V]) find(hash uint64, key K) (i int, found bool) {
	low, high := 0, len(n.entries)
	for low < high {
		if middle := (low + high) / 2; n.entries[middle].hash < hash {
			low = middle + 1
		} else {
			high = middle
		}
	}
	for i = low; i < len(n.entries) && n.entries[i].hash == hash; i++ {
		if n.entries[i].key == key {
			return i, true
		}
	}
	return i, false
}

// own is n, or a copy of it that m may change. The entries of a leaf are copied when they are changed.
func (m *Map[K, V]) own(n *node[K, V]) *node[K, V] {
	if n.owner == m.owner {
		return n
	}
	c := *n
	c.owner = m.owner
	if n.children != nil {
		children := *n.children
		c.children = &children
	}
	return &c
}

// set is n with an entry, which gets the value that it replaces.
func (m *Map[K, V]) set(n *node[K, V], shift uint, e *entry[K, V]) *node[K, V] {
	if n == nil {
		return &node[K, V]{owner: m.owner, count: 1, entries: []entry[K, V]{*e}}
	}
	if n.children == nil {
		i, found := n.find(e.hash, e.key)
		switch {
		case found:
			return m.replaced(n, i, e)
		case n.count < maxEntries || shift >= hashBits:
			return m.inserted(n, i, e)
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

func (n *node[K, V]) size() int {
	if n == nil {
		return 0
	}
	return n.count
}

func (m *Map[K, V]) replaced(n *node[K, V], i int, e *entry[K, V]) *node[K, V] {
	if n.owner != m.owner {
		n = m.own(n)
		n.entries = append([]entry[K, V](nil), n.entries...)
	}
	n.entries[i].value, e.value = e.value, n.entries[i].value
	return n
}

func (m *Map[K, V]) inserted(n *node[K, V], i int, e *entry[K, V]) *node[K, V] {
	was := n.entries
	mine := n.owner == m.owner
	n = m.own(n)
	if !mine || len(was) == cap(was) {
		n.entries = make([]entry[K, V], len(was), len(was)+1+len(was)/8)
		copy(n.entries, was)
	}
	n.entries = append(n.entries, *e)
	copy(n.entries[i+1:], n.entries[i:])
	n.entries[i] = *e
	n.count++
	return n
}

// split is a full leaf as a node with leaves.
func (m *Map[K, V]) split(n *node[K, V], shift uint) *node[K, V] {
	inner := &node[K, V]{owner: m.owner, count: n.count, children: new([fanout]*node[K, V])}
	for i := range n.entries {
		e := &n.entries[i]
		child := &inner.children[e.hash>>shift%fanout]
		if *child == nil {
			*child = &node[K, V]{owner: m.owner}
		}
		(*child).entries = append((*child).entries, *e) // they come by hash
		(*child).count++
	}
	return inner
}

// remove is n without an entry that it has.
func (m *Map[K, V]) remove(n *node[K, V], shift uint, hash uint64, key K) *node[K, V] {
	if n.count == 1 {
		return nil
	}
	n = m.own(n)
	n.count--
	if n.children != nil {
		child := &n.children[hash>>shift%fanout]
		*child = m.remove(*child, shift+slotBits, hash, key)
		if n.count < mergeBelow {
			return m.merged(n)
		}
		return n
	}
	i, _ := n.find(hash, key)
	entries := make([]entry[K, V], 0, n.count)
	n.entries = append(append(entries, n.entries[:i]...), n.entries[i+1:]...)
	return n
}

// merged is a node of few entries as a leaf.
func (m *Map[K, V]) merged(n *node[K, V]) *node[K, V] {
	leaf := &node[K, V]{owner: m.owner, entries: make([]entry[K, V], 0, n.count)}
	for _, child := range n.children {
		if child == nil {
			continue
		}
		for i := range child.entries {
			e := &child.entries[i]
			at, _ := leaf.find(e.hash, e.key)
			leaf = m.inserted(leaf, at, e)
		}
	}
	return leaf
}
