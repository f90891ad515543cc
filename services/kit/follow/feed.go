package follow

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// feed holds what is known of one source shard: how far it goes, and a bounded window of segments, filled by
// pushes and pulls and read by the workers of every own shard. Safe for concurrent use.
type feed struct {
	journal     string // identity of the source's journal
	shard       int
	maxSegments int
	maxBytes    int

	positions []atomic.Uint64 // by own shard: every segment up to it is applied or passed over

	mu      sync.Mutex
	head    uint64              // the highest number that is known to exist
	window  map[uint64]*segment // only numbers above the lowest position
	bytes   int                 // of the window
	waiting []uint64            // by own shard: the number its worker waits for; 0 = it does not
	since   []time.Time         // by own shard: since when that number is known to exist and missing
	gone    uint64              // the source has trimmed everything up to it
	turn    int                 // own shard that is served first by the next pull
	changed chan struct{}       // closed and replaced when waiting workers should look again
	wanted  chan struct{}       // one token: the puller should look at what is missing
	now     func() time.Time
}

func newFeed(journal string, shard, ownShards int, cfg Config, now func() time.Time) *feed {
	return &feed{
		journal: journal, shard: shard,
		// Every worker must find room for the one segment it waits for.
		maxSegments: max(cfg.WindowSegments, 2*ownShards),
		maxBytes:    cfg.WindowBytes,
		positions:   make([]atomic.Uint64, ownShards),
		window:      make(map[uint64]*segment),
		waiting:     make([]uint64, ownShards),
		since:       make([]time.Time, ownShards),
		changed:     make(chan struct{}),
		wanted:      make(chan struct{}, 1),
		now:         now,
	}
}

// next waits for the segment seq on behalf of an own shard. It gives the segment; or the number up to which the
// source has trimmed, when that includes seq; or neither when the caller should look at its offset again.
func (fd *feed) next(ctx context.Context, own int, seq uint64) (s *segment, gone uint64) {
	fd.mu.Lock()
	if s := fd.window[seq]; s != nil {
		fd.waiting[own], fd.since[own] = 0, time.Time{}
		fd.mu.Unlock()
		return s, 0
	}
	if fd.gone >= seq {
		fd.waiting[own], fd.since[own] = 0, time.Time{}
		gone = fd.gone
		fd.mu.Unlock()
		return nil, gone
	}
	fd.waiting[own] = seq
	fd.markGaps()
	changed := fd.changed
	fd.mu.Unlock()
	fd.want()
	select {
	case <-ctx.Done():
	case <-changed:
	}
	return nil, 0
}

// peek is the segment seq if it is in the window.
func (fd *feed) peek(seq uint64) *segment {
	fd.mu.Lock()
	defer fd.mu.Unlock()
	return fd.window[seq]
}

// missing picks a number that a worker waits for and that is known to exist, fairly between the workers.
// reordered tells that later ones have already come, so that it may be on its way.
func (fd *feed) missing() (seq uint64, reordered, ok bool) {
	fd.mu.Lock()
	defer fd.mu.Unlock()
	for i := range fd.waiting {
		own := (fd.turn + i) % len(fd.waiting)
		w := fd.waiting[own]
		if w == 0 || w > fd.head || w <= fd.gone || fd.window[w] != nil {
			continue
		}
		fd.turn = own + 1
		for have := range fd.window {
			if have > w {
				return w, true, true
			}
		}
		return w, false, true
	}
	return 0, false, false
}

// add puts s into the window and wakes the workers. It reports false when s was known already.
func (fd *feed) add(s *segment) bool {
	fd.mu.Lock()
	defer fd.mu.Unlock()
	fd.observeLocked(s.Seq)
	if s.Seq <= fd.low() || fd.window[s.Seq] != nil {
		return false
	}
	if !fd.makeRoom(s) {
		return true // it will be pulled when it is wanted
	}
	fd.window[s.Seq] = s
	fd.bytes += s.bytes
	fd.markGaps()
	fd.wake()
	return true
}

// knows says whether a segment is here or done with.
func (fd *feed) knows(seq uint64) bool {
	fd.mu.Lock()
	defer fd.mu.Unlock()
	return seq <= fd.low() || fd.window[seq] != nil
}

// makeRoom drops the segments whose use is furthest away, as long as it is further than that of s. What is
// dropped is pulled again when a worker gets there.
func (fd *feed) makeRoom(s *segment) bool {
	distance := fd.distance(s.Seq)
	for len(fd.window) > 0 && (len(fd.window) >= fd.maxSegments || fd.bytes+s.bytes > fd.maxBytes) {
		var victim *segment
		worst := distance
		for seq, have := range fd.window {
			if d := fd.distance(seq); d > worst {
				worst, victim = d, have
			}
		}
		if victim == nil {
			return false
		}
		fd.drop(victim)
	}
	return true
}

// distance is how many segments the nearest worker that still needs seq is away from it.
func (fd *feed) distance(seq uint64) uint64 {
	best := uint64(math.MaxUint64)
	for i := range fd.positions {
		if p := fd.positions[i].Load(); p < seq {
			best = min(best, seq-p)
		}
	}
	return best
}

func (fd *feed) drop(s *segment) {
	delete(fd.window, s.Seq)
	fd.bytes -= s.bytes
}

// observe takes note that the source goes up to head.
func (fd *feed) observe(head uint64) {
	fd.mu.Lock()
	defer fd.mu.Unlock()
	fd.observeLocked(head)
	fd.markGaps()
	// Also without news: another replica of ours may have moved the offset that a worker waits behind.
	fd.wake()
}

func (fd *feed) observeLocked(head uint64) {
	fd.head = max(fd.head, head)
	fd.want()
}

// trimmed takes note that the source has nothing up to and including through any more.
func (fd *feed) trimmed(through uint64) {
	fd.mu.Lock()
	defer fd.mu.Unlock()
	fd.gone = max(fd.gone, through)
	fd.wake()
}

// advance says that the own shard is done with everything up to seq.
func (fd *feed) advance(own int, seq uint64) {
	fd.positions[own].Store(seq)
	fd.mu.Lock()
	defer fd.mu.Unlock()
	low := fd.low()
	for n, s := range fd.window {
		if n <= low {
			fd.drop(s)
		}
	}
}

// low is the lowest position of the own shards.
func (fd *feed) low() uint64 {
	low := uint64(math.MaxUint64)
	for i := range fd.positions {
		low = min(low, fd.positions[i].Load())
	}
	return low
}

// top is the head and, for an own shard, since when its next segment is missing (zero: it is not).
func (fd *feed) top(own int) (head uint64, gapSince time.Time) {
	fd.mu.Lock()
	defer fd.mu.Unlock()
	return fd.head, fd.since[own]
}

// markGaps dates what has just become missing.
func (fd *feed) markGaps() {
	for own, w := range fd.waiting {
		if w == 0 || w > fd.head || fd.window[w] != nil {
			fd.since[own] = time.Time{}
		} else if fd.since[own].IsZero() {
			fd.since[own] = fd.now()
		}
	}
}

// wake lets every waiting worker look again.
func (fd *feed) wake() {
	close(fd.changed)
	fd.changed = make(chan struct{})
}

// want lets the puller look.
func (fd *feed) want() {
	select {
	case fd.wanted <- struct{}{}:
	default:
	}
}

func (fd *feed) headNow() uint64 {
	fd.mu.Lock()
	defer fd.mu.Unlock()
	return fd.head
}
