package overload

import (
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// A bucket is kept as one instant: when it would be full again if nothing more were taken (the theoretical arrival time of the
// generic cell rate algorithm, ITU-T I.371). A bucket that is full is the same as none, so it can be forgotten without loss.

// pace is a Rate in nanoseconds.
type pace struct {
	interval int64 // between tokens; 0: no bound
	capacity int64 // of a full bucket: interval × burst
	burst    int
}

func (r Rate) pace() pace {
	if r.PerSecond == 0 {
		return pace{}
	}
	burst := r.Burst
	if burst == 0 {
		burst = int(math.Ceil(r.PerSecond))
	}
	interval := int64(float64(time.Second) / r.PerSecond)
	return pace{interval: interval, capacity: interval * int64(burst), burst: burst}
}

// take takes a token from a bucket that is full at the instant full. If there is none, the bucket stays as it is and wait is the
// time until there is one.
func (p pace) take(full, now int64) (next, wait int64) {
	next = min(max(full, now), now+p.capacity) + p.interval // a bucket from before a change of the rate owes no more than this one can
	if over := next - now - p.capacity; over > 0 {
		return full, over
	}
	return next, 0
}

// left is how many tokens are in a bucket.
func (p pace) left(full, now int64) int {
	return int((p.capacity - max(full-now, 0)) / p.interval)
}

// shards is how many locks the buckets of clients are spread over; a power of two.
const shards = 64

// looked bounds the buckets that are looked at to make room for one.
const looked = 16

// buckets are those of all clients, by hash. It is safe for concurrent use.
type buckets struct {
	perShard atomic.Int64 // at most
	shards   [shards]struct {
		sync.Mutex
		full map[uint64]int64
		_    [48]byte // a cache line each
	}
}

func newBuckets() *buckets {
	b := &buckets{}
	for i := range b.shards {
		b.shards[i].full = make(map[uint64]int64)
	}
	return b
}

// take takes a token from the bucket of key, and says what is left in it.
func (b *buckets) take(key uint64, p pace, now int64) (left int, full, wait int64) {
	s := &b.shards[key%shards]
	s.Lock()
	defer s.Unlock()
	was, known := s.full[key]
	next, wait := p.take(was, now)
	if wait == 0 {
		if !known && int64(len(s.full)) >= b.perShard.Load() {
			makeRoom(s.full, now)
		}
		s.full[key] = next
	}
	return p.left(next, now), next, wait
}

// makeRoom forgets buckets that are full, of a bounded number that are looked at; if none is, the fullest of those.
func makeRoom(full map[uint64]int64, now int64) {
	seen, gone := 0, 0
	var fullest uint64
	at := int64(math.MaxInt64)
	for key, f := range full { // begins anywhere
		if f <= now {
			delete(full, key)
			gone++
		} else if f < at {
			fullest, at = key, f
		}
		if seen++; seen == looked {
			break
		}
	}
	if gone == 0 {
		delete(full, fullest)
	}
}

// count is how many buckets are remembered.
func (b *buckets) count() int {
	n := 0
	for i := range b.shards {
		s := &b.shards[i]
		s.Lock()
		n += len(s.full)
		s.Unlock()
	}
	return n
}

// Client names one client for Allow. It is a keyed hash: nobody outside can choose two clients that share a bucket.
type Client uint64

// with is the client's name for a bucket of its own.
func (c Client) with(seed maphash.Seed, route string) uint64 {
	if route == "" {
		return uint64(c)
	}
	return maphash.Comparable(seed, [2]uint64{uint64(c), maphash.String(seed, route)})
}
