package journal

import "sync"

// recent keeps the values of a shard's newest segments in memory, so that followers who are nearly level cost no store
// reads. It is bounded in bytes and safe for concurrent use.
type recent struct {
	maxBytes int

	mu    sync.RWMutex
	list  []document // without gaps, oldest first
	bytes int
}

// document is the value of a segment.
type document struct {
	seq      uint64
	value    []byte
	unpacked int // what it comes to in bytes when its events are unpacked
}

func (s stored) document() document {
	return document{s.segment.Seq, s.value, max(len(s.value), s.segment.eventBytes())}
}

// add takes the segment after those it holds; after a gap (a reload) it starts anew.
func (r *recent) add(s stored) {
	d := s.document()
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.list); n > 0 && r.list[n-1].seq+1 != d.seq {
		r.list, r.bytes = nil, 0
	}
	r.list, r.bytes = append(r.list, d), r.bytes+len(d.value)
	drop := 0
	for r.bytes > r.maxBytes {
		r.bytes -= len(r.list[drop].value)
		r.list[drop] = document{} // let the value go although the array stays for a while
		drop++
	}
	r.list = r.list[drop:]
}

// after gives the segments after seq, if it still holds the first of them.
func (r *recent) after(seq uint64, limit int) ([]document, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.list) == 0 || seq+1 < r.list[0].seq || seq >= r.list[len(r.list)-1].seq {
		return nil, false
	}
	from := int(seq + 1 - r.list[0].seq)
	to := min(from+limit, len(r.list))
	return append([]document(nil), r.list[from:to]...), true
}
