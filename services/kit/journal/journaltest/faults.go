package journaltest

import (
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"time"
)

// Fault is what one call suffers.
type Fault uint8

// The faults.
const (
	None          Fault = iota
	FailBefore          // an error, and nothing was done
	FailAfter           // done, then an error: the reply is lost
	PlainConflict       // done; a conflict comes back as a plain error, as Redis and Postgres report it
	Delay               // waits, then is done
	StallLost           // nothing until the caller gives up, and never done
	StallLate           // nothing until the caller gives up, done some time after: a late write
)

// Operations as a Script sees them.
const (
	OpGet     = "get"
	OpGetBulk = "get_bulk" // its key is the first of the keys
	OpCreate  = "create"
	OpReplace = "replace"
	OpDelete  = "delete"
)

// Faults says how often a client's calls suffer what; the shares are probabilities that add up to at most 1.
// The zero value is a store without faults.
type Faults struct {
	Seed          uint64
	FailBefore    float64
	FailAfter     float64
	PlainConflict float64
	Delay         float64
	StallLost     float64
	StallLate     float64
	DelayUpTo     time.Duration // of a Delay, and of a late write after its caller gave up; default 50 ms
	// Script, if set, is asked first; ok=false leaves the call to the shares. nth counts this client's calls of op
	// on key from 0. It is called under a lock and must not call the client.
	Script func(op, key string, nth int) (f Fault, ok bool)
}

// ErrInjected is the cause of every error that is not a conflict.
var ErrInjected = errors.New("journaltest: injected failure")

// ErrCut is what a client answers after Cut.
var ErrCut = errors.New("journaltest: the client is cut off")

// errPlain is a conflict as some stores report it: nothing tells it from a failure.
var errPlain = errors.New("journaltest: no item was updated")

// fate is what one call suffers and how long it waits.
type fate struct {
	fault Fault
	wait  time.Duration
}

// decide draws the fate of one call from nothing but its description.
func (f Faults) decide(client, op, key string, nth int) fate {
	h := fnv.New64a()
	_, _ = h.Write([]byte(client + "\x00" + op + "\x00" + key + "\x00" + strconv.Itoa(nth)))
	draw := rand.New(rand.NewPCG(f.Seed, h.Sum64()))
	upTo := f.DelayUpTo
	if upTo <= 0 {
		upTo = 50 * time.Millisecond
	}
	at, wait := draw.Float64(), time.Duration(draw.Int64N(int64(upTo)))+1
	if f.Script != nil {
		if fault, ok := f.Script(op, key, nth); ok {
			return fate{fault, wait}
		}
	}
	for _, share := range []struct {
		p     float64
		fault Fault
	}{
		{f.FailBefore, FailBefore}, {f.FailAfter, FailAfter}, {f.PlainConflict, PlainConflict},
		{f.Delay, Delay}, {f.StallLost, StallLost}, {f.StallLate, StallLate},
	} {
		if at < share.p {
			return fate{share.fault, wait}
		}
		at -= share.p
	}
	return fate{None, 0}
}
