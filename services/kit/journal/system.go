package journal

import (
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/btree"
)

// SystemPrefix begins the types of the events that the journal records for itself, in every service's journal.
// Followers pass over them.
const SystemPrefix = "journal."

// system is what the journal itself keeps in a shard, beside the domain's state and by the same rules: changed only
// by events, cloned in constant time, immutable once committed.
type system struct {
	offsets   *btree.Map[string, offsetMoved] // by offsetKey
	parked    *btree.Map[string, Parked]      // by Parked.ID
	followers *btree.Map[string, bool]        // registered followers of this shard
	moved     *Moved                          // nothing is committed while it is set; never changed
}

func newSystem() *system {
	return &system{
		offsets:   new(btree.Map[string, offsetMoved]),
		parked:    new(btree.Map[string, Parked]),
		followers: new(btree.Map[string, bool]),
	}
}

func (s *system) clone() *system {
	return &system{offsets: s.offsets.Copy(), parked: s.parked.Copy(), followers: s.followers.Copy(), moved: s.moved}
}

func offsetKey(source string, shard int) string { return source + "/" + strconv.Itoa(shard) }

func (s *system) offset(source string, shard int) offsetMoved {
	o, _ := s.offsets.Get(offsetKey(source, shard))
	return o
}

// Parked is an event of a source whose effect kept failing: it was passed over and waits for an operator.
type Parked struct {
	ID          string    `json:"id"` // safe in a URL; begins with the own shard
	Source      string    `json:"source"`
	Shard       int       `json:"shard"` // own shard
	SourceShard int       `json:"source_shard"`
	Seq         uint64    `json:"seq"`   // the source's segment
	Index       int       `json:"index"` // of the event in it
	Event       Record    `json:"event"`
	Reason      string    `json:"reason"`
	At          time.Time `json:"at"` // the source segment's time
	ParkedAt    time.Time `json:"parked_at"`
	Attempts    int       `json:"attempts"` // of an operator's retries that failed since
}

func parkedID(ownShard int, source string, sourceShard int, seq uint64, index int) string {
	return strings.Join([]string{
		strconv.Itoa(ownShard), source, strconv.Itoa(sourceShard), strconv.FormatUint(seq, 10), strconv.Itoa(index),
	}, ".")
}

// shardOfParked reads the own shard out of a parked event's id.
func shardOfParked(id string) (int, bool) {
	first, _, ok := strings.Cut(id, ".")
	n, err := strconv.Atoi(first)
	return n, ok && err == nil
}

// systemEvent is an event that the journal applies to its own part of a shard.
type systemEvent interface {
	Event
	apply(s *system, at At)
}

// The journal's own events. They are written once and read for ever: fields may be added, never changed.
type (
	offsetMoved struct {
		Source string `json:"source"`
		Shard  int    `json:"shard"`
		Seq    uint64 `json:"seq"`
		// Through above 0: the events of segment Seq+1 with an index below it are in, too.
		Through int `json:"through,omitzero"`
		// Journal is the identity of the source's journal; numbers of another one mean nothing here.
		Journal string `json:"journal,omitzero"`
	}
	eventParked struct {
		Parked Parked `json:"parked"`
	}
	parkedResolved struct { // retried with success, or discarded
		ID        string `json:"id"`
		Discarded bool   `json:"discarded,omitzero"`
	}
	retryFailed struct {
		ID     string `json:"id"`
		Reason string `json:"reason"`
	}
	followerRegistered struct {
		Name string `json:"name"`
	}
	followerForgotten struct {
		Name string `json:"name"`
	}
)

var systemTypes = NewTypes(offsetMoved{}, eventParked{}, parkedResolved{}, retryFailed{}, followerRegistered{}, followerForgotten{},
	Moved{}, Reopened{})

func (offsetMoved) EventType() string        { return SystemPrefix + "offset_moved" }
func (eventParked) EventType() string        { return SystemPrefix + "event_parked" }
func (parkedResolved) EventType() string     { return SystemPrefix + "parked_resolved" }
func (retryFailed) EventType() string        { return SystemPrefix + "retry_failed" }
func (followerRegistered) EventType() string { return SystemPrefix + "follower_registered" }
func (followerForgotten) EventType() string  { return SystemPrefix + "follower_forgotten" }

func (e offsetMoved) apply(s *system, _ At)        { s.offsets.Set(offsetKey(e.Source, e.Shard), e) }
func (e eventParked) apply(s *system, _ At)        { s.parked.Set(e.Parked.ID, e.Parked) }
func (e parkedResolved) apply(s *system, _ At)     { s.parked.Delete(e.ID) }
func (e followerRegistered) apply(s *system, _ At) { s.followers.Set(e.Name, true) }
func (e followerForgotten) apply(s *system, _ At)  { s.followers.Delete(e.Name) }

func (e retryFailed) apply(s *system, _ At) {
	if p, ok := s.parked.Get(e.ID); ok {
		p.Attempts++
		p.Reason = e.Reason
		s.parked.Set(e.ID, p)
	}
}

// dump writes the system part as the events that would make it, so that load is apply.
func (s *system) dump(emit func(kind string, record any) error) error {
	var err error
	put := func(e Event) bool { err = emit(e.EventType(), e); return err == nil }
	s.offsets.Scan(func(_ string, o offsetMoved) bool { return put(o) })
	if err == nil {
		s.parked.Scan(func(_ string, p Parked) bool { return put(eventParked{p}) })
	}
	if err == nil {
		s.followers.Scan(func(name string, _ bool) bool { return put(followerRegistered{name}) })
	}
	if err == nil && s.moved != nil {
		put(*s.moved)
	}
	return err
}

// load adds one record of dump.
func (s *system) load(kind string, record jsontext.Value) error {
	e, err := systemTypes.Decode(Record{Type: kind, Data: record})
	if err != nil {
		return err
	}
	e.(systemEvent).apply(s, At{})
	return nil
}

// encodeRecord writes an event down behind to, and reads it back: what is applied is what every other replica and every
// later start will apply, whatever an event's Go value held beside its JSON. It gives the longer to, which the record
// stands in.
func encodeRecord(types Types, e Event, to []byte) (Record, Event, []byte, error) {
	start := len(to)
	if exact, ok := e.(Exact); ok {
		to, err := exact.AppendJSON(to)
		if err == nil {
			err = types.check(e.EventType())
		}
		return Record{Type: e.EventType(), Data: to[start:len(to):len(to)]}, e, to, err
	}
	data, err := json.Marshal(e)
	if err != nil {
		return Record{}, nil, to, err
	}
	to = append(to, data...)
	r := Record{Type: e.EventType(), Data: to[start:len(to):len(to)]}
	back, err := decodeRecord(types, r)
	return r, back, to, err
}
