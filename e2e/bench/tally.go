package bench

import (
	"errors"
	"fmt"
)

// Outcome is what came of one request.
type Outcome uint8

// The outcomes.
const (
	Accepted Outcome = iota // it was promised
	SoldOut                 // refused: not enough is left
	Shed                    // refused: too much to do; nothing was changed
	Unknown                 // no answer, or one that leaves open what happened
	Wrong                   // an answer that the contract does not allow for this load
	Unsent                  // it was due, and no connection was free until the end
	outcomes
)

var outcomeNames = [outcomes]string{"accepted", "sold out", "shed", "unknown", "wrong", "unsent"}

// String is the outcome for a table.
func (o Outcome) String() string { return outcomeNames[o] }

// Tally counts requests by what came of them.
type Tally [outcomes]int64

// Add adds another tally.
func (t *Tally) Add(other Tally) {
	for i, n := range other {
		t[i] += n
	}
}

// Answered is how many got an answer that says what happened.
func (t Tally) Answered() int64 { return t[Accepted] + t[SoldOut] + t[Shed] }

// Books are the units of the SKUs under load, read after it.
type Books struct {
	Received  int64 `json:"received"`
	Available int64 `json:"available"`
	Reserved  int64 `json:"reserved"`
	Sold      int64 `json:"sold"`
}

// Committed is how many units the store says are promised.
func (b Books) Committed() int64 { return b.Reserved + b.Sold }

// Judge compares the books with what clients were told by a load in which every request was for one unit, none was given back, and
// no hold ran out. The error names everything that does not fit together.
func Judge(stock int64, told Tally, b Books) error {
	var wrong []error
	deny := func(bad bool, format string, args ...any) {
		if bad {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	deny(b.Received != stock, "received is %d, not the %d that were put there", b.Received, stock)
	deny(b.Available < 0 || b.Reserved < 0 || b.Sold < 0, "a count is below zero: %+v", b)
	deny(b.Available+b.Committed() != b.Received, "units do not add up: %+v", b)
	deny(told[Accepted] > stock, "oversold: %d accepted of %d", told[Accepted], stock)
	deny(b.Committed() < told[Accepted], "lost: %d were accepted, the store has %d", told[Accepted], b.Committed())
	deny(b.Committed() > told[Accepted]+told[Unknown], "invented: the store has %d, but %d were accepted and %d unknown",
		b.Committed(), told[Accepted], told[Unknown])
	deny(told[SoldOut] > 0 && b.Available > 0, "%d were told sold out, and %d are available", told[SoldOut], b.Available)
	deny(told[Wrong] > 0, "%d answers that the contract does not have", told[Wrong])
	return errors.Join(wrong...)
}
