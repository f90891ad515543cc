package journal

import (
	"fmt"
	"reflect"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Event is one thing that happened, as a Go value. Its EventType is stable and begins with the service's name
// ("inventory.reserved"). Events are immutable once returned by Decide.
type Event interface{ EventType() string }

// Exact is an event that writes itself: AppendJSON appends what json.Marshal would write, in a fraction of the time. It
// promises that reading this back gives an equal value, so that the journal need not do that before it applies the event
// (see encodeRecord). journaltest.RequireExact holds an event to both.
type Exact interface {
	Event
	AppendJSON(to []byte) ([]byte, error)
}

// Command asks for a change of one shard's state. Only the Machine knows what the commands of its service are.
type Command any

// At says where and when in a journal something is decided or applied.
type At struct {
	Shard int
	Seq   uint64    // the number of the segment
	Time  time.Time // the segment's time, UTC, never before its predecessor's
	// Trace is that of the caller, as httpx.TraceMark gives it; "" if there is none. It is for what Decide asks to be done later on the
	// caller's behalf. Apply does not get it.
	Trace string
}

// Machine is the pure domain of one shard of a journal: no I/O, no clock, no randomness. S is usually a pointer
// to a struct of persistent maps, so that Clone is cheap.
//
// The journal calls Decide and Apply from one goroutine per shard, on a clone that nobody else sees; a state
// that was committed is never changed again, so readers and the snapshot writer may keep it for as long as they like.
type Machine[S any] interface {
	// New is the state of an empty shard.
	New() S
	// Clone is an independent copy of s; it must take constant time (persistent maps).
	Clone(s S) S
	// Decide answers cmd from s, to which every earlier decision of the batch is already applied. It does not
	// change s. An error refuses the command and comes with no events. Events without which the answer would
	// be the same are not to be returned: a decision without events writes nothing. Deciding a command again
	// whose id was decided before gives the first answer and no events.
	Decide(s S, at At, cmd Command) (answer any, events []Event, err error)
	// Apply changes s by an event that was decided at at. It never fails: what it is given has happened.
	Apply(s S, at At, event Event)
	// Dump gives the whole of s as records of at most 64 KiB JSON each, in an order that Load can follow.
	Dump(s S, emit func(kind string, record any) error) error
	// Load adds a record of Dump to s.
	Load(s S, kind string, record jsontext.Value) error
	// Types lists every event type of this journal, for decoding.
	Types() Types
}

// Types decodes events by their EventType. Make it with NewTypes; it is immutable and safe for concurrent use.
type Types map[string]reflect.Type

// NewTypes registers the types of the sample events (values, not pointers).
func NewTypes(samples ...Event) Types {
	t := make(Types, len(samples))
	for _, s := range samples {
		if _, twice := t[s.EventType()]; twice {
			panic("journal: event type registered twice: " + s.EventType())
		}
		t[s.EventType()] = reflect.TypeOf(s)
	}
	return t
}

// Decode turns a recorded event into its Go value. An unknown type gives ErrUnknownType.
func (t Types) Decode(r Record) (Event, error) {
	if err := t.check(r.Type); err != nil {
		return nil, err
	}
	typ := t[r.Type]
	v := reflect.New(typ)
	if err := json.Unmarshal(r.Data, v.Interface()); err != nil {
		return nil, fmt.Errorf("journal: event %q: %w", r.Type, err)
	}
	return v.Elem().Interface().(Event), nil
}

// check gives ErrUnknownType for a type that is not registered.
func (t Types) check(eventType string) error {
	if _, ok := t[eventType]; !ok {
		return fmt.Errorf("%w: %q", ErrUnknownType, eventType)
	}
	return nil
}

// Record is an event as it stands in a segment.
type Record struct {
	Type string         `json:"type"`
	Data jsontext.Value `json:"data"`
	// Trace is that of the caller (At.Trace), where the segment has callers of several traces and Config.TraceEvents asks for it.
	Trace string `json:"trace,omitzero"`
}

// size bounds what the record takes in a segment, in bytes.
func (r Record) size() int {
	if r.Trace != "" {
		return len(r.Type) + len(r.Data) + len(r.Trace) + recordOverheadBytes + traceOverheadBytes
	}
	return len(r.Type) + len(r.Data) + recordOverheadBytes
}

// What JSON puts around a record and around its trace.
const (
	recordOverheadBytes = 24
	traceOverheadBytes  = len(`,"trace":""`)
)

// Segment is one committed batch: as a Document, the value of the key {service}/journal/{shard}/{seq} and the data of
// the CloudEvent that announces it.
type Segment struct {
	Version int       `json:"version"` // of this layout: SegmentVersion, whatever the document's was
	Service string    `json:"service"`
	Journal string    `json:"journal,omitzero"` // identity of the journal: Meta.ID
	Shard   int       `json:"shard"`
	Seq     uint64    `json:"seq"`    // from 1, without gaps
	Writer  string    `json:"writer"` // the process that wrote it (an id made at its start)
	Batch   uint64    `json:"batch"`  // the writer's own number of the batch; (writer, batch) is unique
	At      time.Time `json:"at"`
	Trace   string    `json:"trace,omitzero"` // traceparent of the caller of all its events; absent when they have several
	Events  []Record  `json:"events,omitzero"`
}

// TraceOf is the trace of the caller of one of the segment's events, for httpx.ContextWithTraceParent; "" if that is not known.
func (s *Segment) TraceOf(r Record) string {
	if r.Trace != "" {
		return r.Trace
	}
	return s.Trace
}
