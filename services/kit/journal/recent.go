package journal

import "sync"

// recent keeps the newest segments of a shard in memory, so that followers who are nearly level cost no store
// reads. It is bounded in encoded bytes and safe for concurrent use.
type recent struct {
	maxBytes int

	mu    sync.RWMutex
	list  []stored // without gaps, oldest first
	bytes int
}

// add takes the segment after those it holds; after a gap (a reload) it starts anew.
func (r *recent) add(s stored) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.list); n > 0 && r.list[n-1].segment.Seq+1 != s.segment.Seq {
		r.list, r.bytes = nil, 0
	}
	r.list, r.bytes = append(r.list, s), r.bytes+s.bytes
	drop := 0
	for r.bytes > r.maxBytes {
		r.bytes -= r.list[drop].bytes
		r.list[drop] = stored{} // let the events go although the array stays for a while
		drop++
	}
	r.list = r.list[drop:]
}

// after gives the segments after seq, if it still holds the first of them.
func (r *recent) after(seq uint64, limit int) ([]stored, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.list) == 0 || seq+1 < r.list[0].segment.Seq || seq >= r.list[len(r.list)-1].segment.Seq {
		return nil, false
	}
	from := int(seq + 1 - r.list[0].segment.Seq)
	to := min(from+limit, len(r.list))
	return append([]stored(nil), r.list[from:to]...), true
}
