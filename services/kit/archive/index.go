package archive

import (
	"encoding/binary"
	"fmt"

	"github.com/bits-and-blooms/bloom/v3"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/btree"
)

// Sizes of an Index.
const (
	// maxRecentIDs are kept exactly before they are poured into a filter: a filter is copied when it changes, and
	// this makes that once per so many ids.
	maxRecentIDs = 4096
	// The first filter is small, since most shards stay small; each next one is filterGrowth times larger until
	// the bound.
	firstFilterIDs    = 1 << 14
	filterGrowth      = 4
	maxFilterIDs      = 1 << 20
	filterFalseRate   = 1e-3
	dumpIDsPerRecord  = 400  // at most 128 bytes each
	dumpWordsPerChunk = 4096 // 32 KiB, 43 KiB in base64
)

// Index says which ids may have been archived: never wrongly no, and wrongly yes about once in a thousand for each
// filter. Its methods that change it are for Apply only; a committed Index is safe for concurrent reading.
type Index struct {
	generation uint64
	recent     *btree.Set[string]
	filters    []*filter // each of them immutable
}

type filter struct {
	bits     *bloom.BloomFilter
	ids      int // entered so far
	capacity int
}

// NewIndex is an Index of nothing.
func NewIndex() *Index { return &Index{recent: new(btree.Set[string])} }

// Clone is an independent copy in constant time.
func (x *Index) Clone() *Index {
	return &Index{generation: x.generation, recent: x.recent.Copy(), filters: x.filters}
}

// Generation moves with every Add; a Look at the store is valid only for the generation it was made at.
func (x *Index) Generation() uint64 { return x.generation }

// Maybe tells whether id may have been archived; false is certain.
func (x *Index) Maybe(id string) bool {
	if x.recent.Contains(id) {
		return true
	}
	for _, f := range x.filters {
		if f.bits.TestString(id) {
			return true
		}
	}
	return false
}

// Add enters the ids of one archived event and moves the generation.
func (x *Index) Add(ids []string) {
	x.generation++
	for _, id := range ids {
		x.recent.Insert(id)
	}
	if x.recent.Len() >= maxRecentIDs {
		x.pour()
	}
}

// pour moves the recent ids into a copy of the last filter, or into a new one when that is full.
func (x *Index) pour() {
	ids := x.recent.Keys()
	filters := append([]*filter(nil), x.filters...)
	last := len(filters) - 1
	if last < 0 || filters[last].ids+len(ids) > filters[last].capacity {
		capacity := firstFilterIDs
		if last >= 0 {
			capacity = min(filters[last].capacity*filterGrowth, maxFilterIDs)
		}
		filters = append(filters, &filter{capacity: capacity, bits: bloom.NewWithEstimates(uint(capacity), filterFalseRate)})
		last++
	} else {
		f := *filters[last]
		f.bits = f.bits.Copy()
		filters[last] = &f
	}
	for _, id := range ids {
		filters[last].bits.AddString(id)
	}
	filters[last].ids += len(ids)
	x.filters = filters
	x.recent = new(btree.Set[string])
}

// Kinds of the records of Dump; they stand beside a service's own.
const (
	kindIndex  = "archive.index"
	kindRecent = "archive.recent"
	kindFilter = "archive.filter"
)

type indexRecord struct {
	Generation uint64 `json:"generation"`
}

type recentRecord struct {
	IDs []string `json:"ids"`
}

// filterRecord is a run of a filter's words, little-endian; the record with From 0 begins a filter.
type filterRecord struct {
	IDs      int    `json:"ids"`
	Capacity int    `json:"capacity"`
	Bits     uint   `json:"bits"`
	Hashes   uint   `json:"hashes"`
	From     int    `json:"from"`
	Words    []byte `json:"words"`
}

// Dump gives the whole Index as records of less than 64 KiB, for the Dump of the service's Machine.
func (x *Index) Dump(emit func(kind string, record any) error) error {
	if err := emit(kindIndex, indexRecord{x.generation}); err != nil {
		return err
	}
	ids := x.recent.Keys()
	for len(ids) > 0 {
		n := min(len(ids), dumpIDsPerRecord)
		if err := emit(kindRecent, recentRecord{ids[:n]}); err != nil {
			return err
		}
		ids = ids[n:]
	}
	for _, f := range x.filters {
		words := f.bits.BitSet().Words()
		for from := 0; from < len(words); from += dumpWordsPerChunk {
			chunk := words[from:min(from+dumpWordsPerChunk, len(words))]
			raw := make([]byte, 0, 8*len(chunk))
			for _, w := range chunk {
				raw = binary.LittleEndian.AppendUint64(raw, w)
			}
			r := filterRecord{IDs: f.ids, Capacity: f.capacity, Bits: f.bits.Cap(), Hashes: f.bits.K(), From: from, Words: raw}
			if err := emit(kindFilter, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// Load adds a record of Dump; mine is false when the record is not one of an Index.
func (x *Index) Load(kind string, record jsontext.Value) (mine bool, err error) {
	switch kind {
	case kindIndex:
		var r indexRecord
		if err := json.Unmarshal(record, &r); err != nil {
			return true, err
		}
		x.generation = r.Generation
	case kindRecent:
		var r recentRecord
		if err := json.Unmarshal(record, &r); err != nil {
			return true, err
		}
		for _, id := range r.IDs {
			x.recent.Insert(id)
		}
	case kindFilter:
		var r filterRecord
		if err := json.Unmarshal(record, &r); err != nil {
			return true, err
		}
		return true, x.loadFilter(r)
	default:
		return false, nil
	}
	return true, nil
}

func (x *Index) loadFilter(r filterRecord) error {
	size := (int(r.Bits) + 63) / 64
	if r.From == 0 {
		bits := bloom.FromWithM(make([]uint64, size), r.Bits, r.Hashes)
		x.filters = append(x.filters, &filter{bits: bits, ids: r.IDs, capacity: r.Capacity})
	}
	if len(x.filters) == 0 || len(r.Words)%8 != 0 || r.From < 0 || r.From+len(r.Words)/8 > size {
		return fmt.Errorf("archive: a filter record at word %d does not fit", r.From)
	}
	words := x.filters[len(x.filters)-1].bits.BitSet().Words()
	for i := range len(r.Words) / 8 {
		words[r.From+i] = binary.LittleEndian.Uint64(r.Words[8*i:])
	}
	return nil
}
