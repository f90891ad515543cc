package inventory

import "github.com/sidecart/sidecart/services/kit/trie"

// texts are the ids that are no UUIDs, by their refs. Nearly all are short and stand where they are kept, because the
// garbage collector would have to look behind a pointer for each: that doubled what a collection took
// (BenchmarkCollection), and while it runs every caller waits.
type texts struct {
	short trie.Map[ref, shortText]
	long  trie.Map[ref, string]
}

// shortTextBytes is room for what clients use beside UUIDs as Dapr and we write them: a UUID in capitals or
// braces, a ULID, or one of these behind a word.
const shortTextBytes = 47

// shortText is a text of up to shortTextBytes, without a pointer.
type shortText struct {
	length uint8
	bytes  [shortTextBytes]byte
}

func (t *texts) clone() texts { return texts{short: t.short.Clone(), long: t.long.Clone()} }

func (t *texts) len() int { return t.short.Len() + t.long.Len() }

func (t *texts) set(r ref, text string) {
	if len(text) > shortTextBytes {
		t.long.Set(r, text)
		return
	}
	short := shortText{length: uint8(len(text))}
	copy(short.bytes[:], text)
	t.short.Set(r, short)
}

// get is the text of a ref; "" when it has none.
func (t *texts) get(r ref) string {
	if short, ok := t.short.Get(r); ok {
		return string(short.bytes[:short.length])
	}
	long, _ := t.long.Get(r)
	return long
}

func (t *texts) delete(r ref) {
	t.short.Delete(r)
	t.long.Delete(r)
}
