package delivery

import (
	"cmp"
	"slices"
)

// missed remembers which numbers a broker was judged to have missed, as ranges, so that one that comes late is known for what it
// is. It remembers maxMissed ranges and forgets the lowest first.
type missed struct {
	Ranges [][2]uint64 `json:"ranges,omitzero"` // first and last number, ascending, not touching each other
	// Forgotten is the highest number of which it is not known any more whether it was missed.
	Forgotten uint64 `json:"forgotten,omitzero"`
}

// search finds the range that seq is in, or where it would be.
func (m *missed) search(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(m.Ranges, seq, func(r [2]uint64, seq uint64) int {
		if r[0] <= seq && seq <= r[1] {
			return 0
		}
		return cmp.Compare(r[0], seq)
	})
}

// put remembers seq.
func (m *missed) put(seq uint64) {
	i, in := m.search(seq)
	if in {
		return
	}
	joinsLeft := i > 0 && m.Ranges[i-1][1]+1 == seq
	joinsRight := i < len(m.Ranges) && m.Ranges[i][0] == seq+1
	switch {
	case joinsLeft && joinsRight:
		m.Ranges[i-1][1] = m.Ranges[i][1]
		m.Ranges = slices.Delete(m.Ranges, i, i+1)
	case joinsLeft:
		m.Ranges[i-1][1] = seq
	case joinsRight:
		m.Ranges[i][0] = seq
	default:
		m.Ranges = slices.Insert(m.Ranges, i, [2]uint64{seq, seq})
	}
}

// take forgets seq and says whether it was remembered.
func (m *missed) take(seq uint64) bool {
	i, in := m.search(seq)
	if !in {
		return false
	}
	r := m.Ranges[i]
	var rest [][2]uint64
	if r[0] < seq {
		rest = append(rest, [2]uint64{r[0], seq - 1})
	}
	if seq < r[1] {
		rest = append(rest, [2]uint64{seq + 1, r[1]})
	}
	m.Ranges = slices.Replace(m.Ranges, i, i+1, rest...)
	return true
}

// forget takes note that nothing is known of seq and what is below it.
func (m *missed) forget(seq uint64) { m.Forgotten = max(m.Forgotten, seq) }

// bound forgets the lowest ranges until at most n are left.
func (m *missed) bound(n int) {
	for len(m.Ranges) > n {
		m.forget(m.Ranges[0][1])
		m.Ranges = slices.Delete(m.Ranges, 0, 1)
	}
}
