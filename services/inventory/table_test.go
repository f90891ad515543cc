package inventory

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
)

func TestIdsOfAnyLengthComeBack(t *testing.T) {
	kept := newTable[reservationRow]()
	ids := []string{uuid.NewString(), strings.ToUpper(uuid.NewString()), "a", strings.Repeat("é", shortTextBytes/2), strings.Repeat("s", shortTextBytes),
		strings.Repeat("l", shortTextBytes+1), strings.Repeat("x", 128), strings.Repeat("é", 128)}
	rowOf := func(n int) reservationRow { return reservationRow{quantity: uint32(n), expires: int64(n+1) * 1e9} }
	want := map[string]reservationRow{}
	for n, id := range ids {
		kept.put(refOf(1, id), id, reservationRow{expires: 1})
		kept.put(refOf(1, id), id, rowOf(n))
		want[id] = rowOf(n)
	}
	before := kept.clone()
	for n, id := range ids {
		at := refOf(1, id)
		assert.Equal(t, want, all(&kept))
		assert.Equal(t, len(want), kept.due.tree.Len(), "in the place of what had its id")
		assert.Equal(t, id, kept.id(at))
		row, ok := kept.get(at)
		assert.True(t, ok)
		assert.Equal(t, rowOf(n), row)
		other := refOf(2, id)
		kept.drop(other)
		_, ok = kept.get(other)
		assert.False(t, ok, "of another SKU")
		kept.drop(at)
		_, ok = kept.get(at)
		assert.False(t, ok)
		delete(want, id)
		assert.Equal(t, len(want), kept.len())
	}
	assert.Zero(t, kept.due.tree.Len())
	assert.Len(t, all(&before), len(ids), "a clone is independent")
}

func TestWhatWasFinishedFirstIsForgottenFirst(t *testing.T) {
	kept := newTable[reservationRow]()
	middle := uuid.NewString()
	for n, id := range []string{"c", "b", middle, "a", strings.Repeat("l", 100)} {
		kept.put(refOf(1, id), id, reservationRow{expires: 1e9, finished: int64(5-n) * 1e9})
	}
	kept.put(refOf(1, "open"), "open", reservationRow{expires: 1e9})
	rest := map[string]reservationRow{"open": {expires: 1e9}, "c": {expires: 1e9, finished: 5e9},
		"b": {expires: 1e9, finished: 4e9}, middle: {expires: 1e9, finished: 3e9}}
	kept.forget(5000, 2)
	assert.Equal(t, rest, all(&kept), "no more than asked for")
	kept.forget(5000, 100)
	delete(rest, "b")
	delete(rest, middle)
	assert.Equal(t, rest, all(&kept), "not what was finished just then")
	assert.Equal(t, 1, kept.finished.tree.Len())
}

func all(of *table[reservationRow]) map[string]reservationRow {
	found := map[string]reservationRow{}
	for _, r := range maps.Collect(of.all()) {
		found[r.id] = r.row
	}
	return found
}
