package journal

import (
	"errors"
	"time"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// Moved is the last event of a shard that was moved to another store. Whoever copies a journal appends it, as a segment of
// its own; create-only orders it with what others write, so that nothing is committed after it by anybody: who lost
// decides again, sees it, and from then on refuses with CodeMoved. It is copied like any other segment.
type Moved struct {
	To   string `json:"to"`   // where to, for people
	Copy string `json:"copy"` // the id of the copy
}

// Reopened lets a shard go on after Moved: in the other store when the copy is complete, or here when it was given up.
type Reopened struct {
	Copy string `json:"copy"`
}

// EventType names the event.
func (Moved) EventType() string { return SystemPrefix + "moved" }

// EventType names the event.
func (Reopened) EventType() string { return SystemPrefix + "reopened" }

func (e Moved) apply(s *system, _ At)  { s.moved = &e }
func (Reopened) apply(s *system, _ At) { s.moved = nil }

// movedRetryAfter is about how long a move keeps a shop from selling.
const movedRetryAfter = 5 * time.Second

var errMoved = func() *errs.Error {
	e := errs.New(errs.Unavailable, CodeMoved, "is being moved to another store; nothing was changed, try again shortly")
	e.RetryAfter = movedRetryAfter
	return e
}()

// MovedTo is what the last Moved of a shard's segments says, unless a Reopened follows it; nil when neither is in them
// or it goes on.
func MovedTo(segments ...Segment) (*Moved, error) {
	s := newSystem()
	for _, segment := range segments {
		for _, r := range segment.Events {
			if r.Type != (Moved{}).EventType() && r.Type != (Reopened{}).EventType() {
				continue
			}
			e, err := systemTypes.Decode(r)
			if err != nil {
				return nil, err
			}
			e.(systemEvent).apply(s, At{})
		}
	}
	return s.moved, nil
}

// RecordOf writes an event of the journal's own down, as it stands in a segment.
func RecordOf(e Event) (Record, error) {
	if _, own := systemTypes[e.EventType()]; !own {
		return Record{}, errors.New("journal: not an event of the journal's own: " + e.EventType())
	}
	r, _, _, err := encodeRecord(nil, e, nil)
	return r, err
}
