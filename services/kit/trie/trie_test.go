package trie

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// contents is a Map as a map, and checks what must hold for its nodes.
func contents[K comparable, V any](t require.TestingT, m *Map[K, V]) map[K]V {
	all := maps.Collect(m.All())
	require.Equal(t, len(all), m.Len())
	var check func(n *node[K, V], depth int)
	check = func(n *node[K, V], depth int) {
		if n == nil {
			return
		}
		if n.children == nil {
			require.Len(t, n.entries, int(n.count))
			require.NotZero(t, n.count)
			return
		}
		require.Empty(t, n.entries)
		require.GreaterOrEqual(t, int(n.count), mergeBelow)
		sum := 0
		for _, c := range n.children {
			sum += int(c.size())
			check(c, depth+1)
		}
		require.EqualValues(t, n.count, sum)
	}
	check(m.root, 0)
	return all
}

// TestClonesAreIndependent changes maps and clones of them in any order; each must be what a Go map of its own would be.
func TestClonesAreIndependent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type pair struct {
			is   *Map[int, int]
			want map[int]int
		}
		pairs := []pair{{new(Map[int, int]), map[int]int{}}}
		which := func() pair { return pairs[rapid.IntRange(0, len(pairs)-1).Draw(t, "which")] }
		key := rapid.IntRange(0, 400)
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				p := which()
				for range rapid.IntRange(1, 40).Draw(t, "n") {
					k, v := key.Draw(t, "key"), rapid.Int().Draw(t, "value")
					old, replaced := p.is.Set(k, v)
					want, there := p.want[k]
					require.Equal(t, there, replaced)
					require.Equal(t, want, old)
					p.want[k] = v
				}
			},
			"delete": func(t *rapid.T) {
				p := which()
				for range rapid.IntRange(1, 40).Draw(t, "n") {
					k := key.Draw(t, "key")
					p.is.Delete(k)
					delete(p.want, k)
				}
			},
			"get": func(t *rapid.T) {
				p, k := which(), key.Draw(t, "key")
				v, ok := p.is.Get(k)
				want, there := p.want[k]
				require.Equal(t, there, ok)
				require.Equal(t, want, v)
			},
			"clone": func(*rapid.T) {
				p := which()
				c := p.is.Clone()
				pairs = append(pairs, pair{&c, maps.Clone(p.want)})
			},
			"": func(t *rapid.T) {
				for _, p := range pairs {
					require.Equal(t, p.want, contents(t, p.is))
				}
			},
		})
	})
}

// TestEqualHashes goes on where a hash has no bits left.
func TestEqualHashes(t *testing.T) {
	var m Map[int, int]
	for i := range 3 * maxEntries {
		m.write()
		m.root = m.set(m.root, 0, &entry[int, int]{hash: 42, key: i, value: i})
	}
	require.Len(t, contents(t, &m), 3*maxEntries)
	for i := range 3 * maxEntries {
		m.root = m.remove(m.root, 0, 42, i)
	}
	require.Nil(t, m.root)
}

// TestOneLineAppendsInPlace shows who uses the room in an array that clones share: one map after the other. What the
// others append is in an array of their own.
func TestOneLineAppendsInPlace(t *testing.T) {
	array := func(m *Map[int, int]) *entry[int, int] { return &m.root.entries[0] }
	var first Map[int, int]
	for i := range 5 {
		first.Set(i, i)
	}
	require.Equal(t, 8, cap(first.root.entries))
	next, beside := first.Clone(), first.Clone()
	next.Set(5, 5)
	require.Same(t, array(&first), array(&next), "it sees all that was appended")
	beside.Set(5, 50)
	require.NotSame(t, array(&first), array(&beside), "another one came before it")
	last := next.Clone()
	last.Set(6, 6)
	require.Same(t, array(&next), array(&last))
	last.Set(0, 100)
	require.NotSame(t, array(&next), array(&last), "a change in place would be seen by all")
	own := array(&last)
	last.Set(0, 0)
	require.Same(t, own, array(&last))
	first.Set(5, 500)
	require.NotSame(t, array(&next), array(&first))
	for m, want := range map[*Map[int, int]]map[int]int{
		&first: {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 500}, &beside: {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 50},
		&next: {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 5}, &last: {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6},
	} {
		require.Equal(t, want, contents(t, m))
	}
}

// TestClonesAreWrittenAtATime shows, under the race detector, that clones need no lock among each other.
func TestClonesAreWrittenAtATime(t *testing.T) {
	const n = 2000
	var from Map[int, int]
	for i := range n {
		from.Set(i, i)
	}
	var writers sync.WaitGroup
	for w := range 4 {
		m := from.Clone()
		writers.Go(func() {
			for i := n; i < 2*n; i++ {
				m.Set(i, w)
				m.Delete(i - n)
				if i%100 == 0 {
					m = m.Clone()
				}
			}
			if m.Len() != n {
				t.Errorf("%d entries", m.Len())
			}
			for k, v := range m.All() {
				if k < n || v != w {
					t.Errorf("%d is %d with writer %d", k, v, w)
				}
			}
		})
	}
	writers.Wait()
	require.Len(t, contents(t, &from), n)
}

// TestManyComeAndGo shows that what is deleted is let go of.
func TestManyComeAndGo(t *testing.T) {
	var m Map[uint64, uint64]
	const n = 50_000
	for i := range uint64(n) {
		m.Set(i, i)
	}
	require.Len(t, contents(t, &m), n)
	for i := range uint64(n - 3) {
		old := m.Clone()
		m.Delete(i)
		require.Equal(t, m.Len()+1, old.Len())
	}
	require.Equal(t, map[uint64]uint64{n - 3: n - 3, n - 2: n - 2, n - 1: n - 1}, contents(t, &m))
	require.Nil(t, m.root.children, "few entries are one leaf")
}

// TestReadersOfOldCopies shows, under the race detector, that readers need no lock while copies are written.
func TestReadersOfOldCopies(t *testing.T) {
	var committed atomic.Pointer[Map[int, int]]
	committed.Store(new(Map[int, int]))
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				m := committed.Load()
				n := 0
				for k, v := range m.All() {
					if k != v {
						t.Errorf("%d is %d", k, v)
					}
					n++
				}
				if n != m.Len() {
					t.Errorf("%d of %d", n, m.Len())
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range 3000 {
		m := committed.Load().Clone()
		m.Set(i, i)
		m.Delete(i - 500)
		if i%3 != 0 { // one in three is dropped, as a lost trial is
			committed.Store(&m)
		}
	}
	close(done)
	readers.Wait()
}

// BenchmarkSet is one entry more in a map of many that is cloned for every hundred, as a journal does for a segment.
func BenchmarkSet(b *testing.B) {
	for _, n := range []int{200_000, 1_000_000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			type key [3]uint64
			type row [4]uint64
			var m Map[key, row]
			for i := range n {
				if i%100 == 0 {
					m = m.Clone()
				}
				m.Set(key{rand.Uint64(), rand.Uint64()}, row{})
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%100 == 0 {
					m = m.Clone()
				}
				m.Set(key{rand.Uint64(), rand.Uint64()}, row{})
			}
		})
	}
}
