package journal

import "strconv"

// keys builds the keys of a service's journal in the store.
type keys struct{ service string }

func (k keys) meta() string { return k.service + "/journal" }

func (k keys) segment(shard int, seq uint64) string {
	return k.service + "/journal/" + strconv.Itoa(shard) + "/" + strconv.FormatUint(seq, 10)
}

func (k keys) header(shard int) string { return k.service + "/snapshot/" + strconv.Itoa(shard) }

func (k keys) chunk(shard int, set string, n int) string {
	return k.header(shard) + "/" + set + "/" + strconv.Itoa(n)
}
