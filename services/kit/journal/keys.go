package journal

import "strconv"

// Keys builds the keys of a service's journal in the store.
type Keys struct{ Service string }

// Meta is the key of Meta.
func (k Keys) Meta() string { return k.Service + "/journal" }

// Segment is the key of a Segment.
func (k Keys) Segment(shard int, seq uint64) string {
	return k.Service + "/journal/" + strconv.Itoa(shard) + "/" + strconv.FormatUint(seq, 10)
}

// Header is the key of a shard's Header.
func (k Keys) Header(shard int) string { return k.Service + "/snapshot/" + strconv.Itoa(shard) }

// Chunk is the key of a chunk of a shard's snapshot.
func (k Keys) Chunk(shard int, set string, n int) string {
	return k.Header(shard) + "/" + set + "/" + strconv.Itoa(n)
}
