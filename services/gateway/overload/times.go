package overload

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// slots is how many a histogram of times has: four for each power of two of microseconds, so a time is known to a fifth of itself, up to
// an hour.
const slots = 4 * 31

// times counts how long answers took. It is safe for concurrent use, but for an answer that comes while it is emptied: that one is
// counted in one window or the other.
type times struct {
	count [slots]atomic.Uint32
}

func slotOf(took time.Duration) int {
	us := uint64(max(took.Microseconds(), 0))
	if us < 4 {
		return int(us)
	}
	shift := bits.Len64(us) - 3
	return min(shift*4+int(us>>shift), slots-1)
}

// upTo is the longest time of a slot.
func upTo(slot int) time.Duration {
	if slot < 4 {
		return time.Duration(slot+1) * time.Microsecond
	}
	shift := slot/4 - 1
	return time.Duration(uint64(slot%4+5)<<shift) * time.Microsecond
}

func (t *times) add(took time.Duration) { t.count[slotOf(took)].Add(1) }

// drain empties the histogram and gives how many times were in it and the one that part of them did not go beyond.
func (t *times) drain(part float64) (n int, within time.Duration) {
	var counts [slots]uint32
	for i := range t.count {
		if t.count[i].Load() != 0 {
			counts[i] = t.count[i].Swap(0)
			n += int(counts[i])
		}
	}
	need := part * float64(n)
	below := 0.0
	for i, c := range counts {
		if c == 0 {
			continue
		}
		if below += float64(c); below >= need {
			return n, upTo(i)
		}
	}
	return n, 0
}
