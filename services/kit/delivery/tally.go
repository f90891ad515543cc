package delivery

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Which of the two brokers; also the index of its Counts and its bit in a set of brokers.
const (
	Present = 0 // has everything
	Next    = 1 // has a share
	brokers = 2
)

// TallyVersion is the layout of a Tally that this code reads and writes.
const TallyVersion = 1

// Bounds of a Tally, which has to fit into one value of a state store.
const (
	maxOpen     = 2048 // numbers that are not settled, over all shards; half of it when these are many
	manyShards  = 64
	maxGap      = 4096 // a jump over more numbers than this begins the count of a shard anew
	maxMissed   = 512  // ranges of missed numbers that are remembered by broker, over all shards
	maxWriters  = 32   // processes whose last batch is remembered
	forgetAfter = 10 * time.Minute
)

// Tally is what all replicas of one following service have counted of one source. It is pure: time comes in with what is
// added. It is not safe for concurrent use.
type Tally struct {
	Version int                `json:"version"`
	Source  string             `json:"source"`
	Brokers [brokers]string    `json:"brokers"` // names of the components
	Since   time.Time          `json:"since"`   // when counting began
	Writers map[string]*writer `json:"writers"` // by process
	Shards  map[int]*track     `json:"shards"`
}

// writer is a process that adds to the Tally.
type writer struct {
	Batch uint64    `json:"batch"` // the last one that is in
	At    time.Time `json:"at"`
}

// Observation is one delivery.
type Observation struct {
	Shard  int
	Seq    uint64
	Broker int       // Present or Next
	At     time.Time // when it came, by the clock of the process that it came to
	News   bool      // the process did not have the segment yet, from the other broker or by a pull
	Shares Shares    // what the event says
}

// Batch is what one process has seen since the batch before.
type Batch struct {
	Writer       string
	Number       uint64 // from 1, without gaps
	Observations []Observation
	// Lost says that the process could not keep everything that it saw: what is open now is never judged.
	Lost bool
}

// Counts is what one broker did with the segments of one shard since counting began.
type Counts struct {
	Delivered uint64 `json:"delivered"` // messages, repeats included
	First     uint64 `json:"first"`     // segments that it brought before the other broker and before a pull
	Doubled   uint64 `json:"doubled"`   // messages that it had brought before
	Late      uint64 `json:"late"`      // segments that it brought after they had been counted as missed
	Missed    uint64 `json:"missed"`    // segments that it was given and has not brought
	// LastMissed is the highest number that was judged missed (0: none), and since when that one was known; late ones stay in.
	LastMissed   uint64    `json:"last_missed,omitzero"`
	LastMissedAt time.Time `json:"last_missed_at,omitzero"`
	// RowFrom is the first number since the broker is given all of them and missed none (0: there is none), and since when.
	RowFrom  uint64    `json:"row_from,omitzero"`
	RowSince time.Time `json:"row_since,omitzero"`
	Share    int       `json:"share"` // percent, as the newest segment says
}

// NewTally begins to count at now.
func NewTally(source, present, next string, now time.Time) *Tally {
	return &Tally{
		Version: TallyVersion, Source: source, Brokers: [brokers]string{present, next}, Since: now,
		Writers: map[string]*writer{}, Shards: map[int]*track{},
	}
}

// fits says whether the Tally is about these two brokers and can be gone on with.
func (t *Tally) fits(source, present, next string) error {
	if t.Version != TallyVersion {
		return fmt.Errorf("its layout is %d, this build reads %d", t.Version, TallyVersion)
	}
	if t.Source != source || t.Brokers != [brokers]string{present, next} {
		return fmt.Errorf("it is about %v of %s", t.Brokers, t.Source)
	}
	return nil
}

// Merge adds a batch, unless it is in already, and says whether it was new.
func (t *Tally) Merge(b Batch, now time.Time) bool {
	w := t.Writers[b.Writer]
	if w == nil {
		w = &writer{}
		t.Writers[b.Writer] = w
	}
	if b.Number <= w.Batch {
		return false
	}
	w.Batch, w.At = b.Number, now
	t.forgetWriters(now)
	if b.Lost {
		for _, tr := range t.Shards {
			tr.beginAnew()
		}
	}
	open := t.open()
	for _, o := range b.Observations {
		open = t.add(o, open)
	}
	return true
}

// forgetWriters drops those that have been silent for long and, beyond the bound, the one that has been for longest.
func (t *Tally) forgetWriters(now time.Time) {
	maps.DeleteFunc(t.Writers, func(_ string, w *writer) bool { return now.Sub(w.At) > forgetAfter })
	for len(t.Writers) > maxWriters {
		oldest := slices.MinFunc(slices.Collect(maps.Keys(t.Writers)), func(a, b string) int {
			return t.Writers[a].At.Compare(t.Writers[b].At)
		})
		delete(t.Writers, oldest)
	}
}

// add counts one delivery, with so many numbers open before, and says how many are then.
func (t *Tally) add(o Observation, open int) int {
	tr := t.Shards[o.Shard]
	if tr == nil {
		tr = &track{}
		t.Shards[o.Shard] = tr
	}
	open -= len(tr.Open)
	tr.add(t, o)
	open += len(tr.Open)
	bound := maxOpen
	if len(t.Shards) > manyShards {
		bound /= 2
	}
	for ; open > bound; open-- {
		t.longest().judge(t, 0) // before its time, because there are too many
	}
	return open
}

// Settle judges the numbers that have been known for the time of grace: what a broker was given and has not brought by now is
// missed. It says whether anything changed.
func (t *Tally) Settle(now time.Time, grace time.Duration) bool {
	changed := false
	for _, tr := range t.Shards {
		changed = tr.settle(t, now, grace) || changed
	}
	return changed
}

// open is how many numbers wait for a delivery or to be judged.
func (t *Tally) open() int {
	n := 0
	for _, tr := range t.Shards {
		n += len(tr.Open)
	}
	return n
}

// longest is the track with the most open numbers.
func (t *Tally) longest() *track {
	var longest *track
	for _, tr := range t.Shards {
		if longest == nil || len(tr.Open) > len(longest.Open) {
			longest = tr
		}
	}
	return longest
}
