package inventory

import (
	"iter"

	"github.com/sidecart/sidecart/services/kit/trie"
)

// table has the reservations or the holds of a shard, and finds them when their time has come. What is finished is remembered
// for a time, so that repeats get their first answer, and then forgotten.
//
// An id that is no UUID stands beside its row. Nearly all are short and stand there without a pointer, because the garbage
// collector would have to look behind each: that doubled what a collection took (BenchmarkCollection), and while it runs
// every caller waits.
type table[R row] struct {
	uuids         trie.Map[ref, R]
	short         trie.Map[ref, named[R, shortText]]
	long          trie.Map[ref, named[R, string]]
	due, finished clocks // each row is in one of them
}

// row is what a table keeps: a value, or a pointer to what is never changed.
type row interface {
	// times are when its holding ends and when it was finished, 0 if it was not, in Unix nanoseconds.
	times() (expires, finished int64)
}

// named is a row with its id.
type named[R row, Text any] struct {
	row R
	id  Text
}

// shortTextBytes is room for what clients use beside UUIDs as Dapr and we write them: a UUID in capitals or
// braces, a ULID, or one of these behind a word.
const shortTextBytes = 47

// shortText is a text of up to shortTextBytes, without a pointer.
type shortText struct {
	length uint8
	bytes  [shortTextBytes]byte
}

func shortOf(text string) (s shortText) {
	s.length = uint8(copy(s.bytes[:], text))
	return s
}

func (s shortText) String() string { return string(s.bytes[:s.length]) }

func newTable[R row]() table[R] { return table[R]{due: newClocks(), finished: newClocks()} }

func (t *table[R]) clone() table[R] {
	return table[R]{uuids: t.uuids.Clone(), short: t.short.Clone(), long: t.long.Clone(), due: t.due.clone(), finished: t.finished.clone()}
}

func (t *table[R]) len() int { return t.uuids.Len() + t.short.Len() + t.long.Len() }

// get finds a row.
func (t *table[R]) get(at ref) (R, bool) {
	switch at.kind {
	case isShort:
		found, ok := t.short.Get(at)
		return found.row, ok
	case isLong:
		found, ok := t.long.Get(at)
		return found.row, ok
	}
	return t.uuids.Get(at)
}

// id is the id of a row that there is.
func (t *table[R]) id(at ref) string {
	switch at.kind {
	case isShort:
		found, _ := t.short.Get(at)
		return found.id.String()
	case isLong:
		found, _ := t.long.Get(at)
		return found.id
	}
	return at.uuid()
}

// put puts a row in the place of what had its id, and keeps the indexes.
func (t *table[R]) put(at ref, id string, r R) {
	var old R
	var replaced bool
	switch at.kind {
	case isShort:
		var was named[R, shortText]
		was, replaced = t.short.Set(at, named[R, shortText]{r, shortOf(id)})
		old = was.row
	case isLong:
		var was named[R, string]
		was, replaced = t.long.Set(at, named[R, string]{r, id})
		old = was.row
	default:
		old, replaced = t.uuids.Set(at, r)
	}
	if replaced {
		index, when := t.clock(old)
		index.delete(when, at)
	}
	index, when := t.clock(r)
	index.set(when, at)
}

// clock is the index that a row is in, and its time there, in Unix ms.
func (t *table[R]) clock(r R) (index clocks, at int64) {
	expires, finished := r.times()
	if finished == 0 {
		return t.due, ofNanos(expires).UnixMilli()
	}
	return t.finished, ofNanos(finished).UnixMilli()
}

// drop takes a row out; one that is not there is no error.
func (t *table[R]) drop(at ref) {
	if r, ok := t.get(at); ok {
		index, when := t.clock(r)
		index.delete(when, at)
		t.remove(at)
	}
}

// remove takes a row out of the maps.
func (t *table[R]) remove(at ref) {
	switch at.kind {
	case isShort:
		t.short.Delete(at)
	case isLong:
		t.long.Delete(at)
	default:
		t.uuids.Delete(at)
	}
}

// forget drops up to limit rows, those that were finished first, as far as that was before an instant (Unix ms).
func (t *table[R]) forget(before int64, limit int) {
	for range limit {
		oldest, ok := t.finished.takeBefore(before)
		if !ok {
			return
		}
		t.remove(oldest)
	}
}

// all gives every row with its id, in no order that means anything.
func (t *table[R]) all() iter.Seq2[ref, named[R, string]] {
	return func(yield func(ref, named[R, string]) bool) {
		for at, r := range t.uuids.All() {
			if !yield(at, named[R, string]{r, at.uuid()}) {
				return
			}
		}
		for at, found := range t.short.All() {
			if !yield(at, named[R, string]{found.row, found.id.String()}) {
				return
			}
		}
		for at, found := range t.long.All() {
			if !yield(at, found) {
				return
			}
		}
	}
}
