package follow

import (
	"fmt"
	"strings"
	"sync"

	"github.com/sidecart/sidecart/services/kit/journal"
)

// segment is a segment of the source, understood once for all own shards. It has no events if none of them concerns us.
type segment struct {
	journal.Segment
	bytes int

	once  sync.Once
	units [][]unit // by own shard
}

// unit is one event of a segment as far as it concerns one own shard.
type unit struct {
	index  int
	record journal.Record
	cmds   []Routed
	park   string // a reason: the event is not to be run but parked
}

// open reads a segment that came from the source, its events only if they concern us.
func (f *Follower) open(d journal.Document) (*segment, error) {
	const overheadBytes = 256 // of the struct and its slices, roughly
	if !d.Has(f.concerns) {
		return &segment{Segment: d.Bare(), bytes: overheadBytes}, nil
	}
	s, err := d.Segment()
	if err != nil {
		return nil, fmt.Errorf("segment %s/%d/%d: %w", d.Service, d.Shard, d.Seq, err)
	}
	n := overheadBytes
	for _, e := range s.Events {
		n += len(e.Type) + len(e.Data)
	}
	return &segment{Segment: s, bytes: n}, nil
}

// concerns says whether events of a type are to be read. One that is not known is counted.
func (f *Follower) concerns(eventType string) bool {
	if strings.HasPrefix(eventType, journal.SystemPrefix) {
		return false // the source's own bookkeeping
	}
	if _, known := f.cfg.Types[eventType]; !known {
		f.metrics.unknownTypes.Inc()
		return false
	}
	return f.cfg.React[eventType] != nil
}

// unitsFor gives the events of s that concern the own shard, in the source's order.
func (f *Follower) unitsFor(s *segment, own int) []unit {
	s.once.Do(func() { s.units = f.understand(s.Segment) })
	return s.units[own]
}

// understand decodes a segment's events and spreads the reactions over the own shards. An event that cannot be
// understood is given to every own shard for parking: which of them it concerns is not known, and a retry with
// better code must be able to reach each.
func (f *Follower) understand(s journal.Segment) [][]unit {
	shards := make([][]unit, f.deps.Target.Shards())
	concern := 0
	for _, record := range s.Events {
		if f.cfg.React[record.Type] != nil {
			concern++
		}
	}
	for own := range shards {
		shards[own] = make([]unit, 0, (concern+len(shards)-1)/len(shards)) // most mean one command, to one shard
	}
	for i, record := range s.Events {
		if f.cfg.React[record.Type] == nil {
			continue
		}
		routed, err := f.react(sourceAt(s), record)
		if err != nil {
			for own := range shards {
				shards[own] = append(shards[own], unit{index: i, record: record, park: clip(err.Error())})
			}
			continue
		}
		for n, r := range routed {
			own := f.deps.Target.ShardOf(r.AggregateID)
			if last := len(shards[own]) - 1; last >= 0 && shards[own][last].index == i {
				shards[own][last].cmds = append(shards[own][last].cmds, r)
				continue
			}
			shards[own] = append(shards[own], unit{index: i, record: record, cmds: routed[n : n+1 : n+1]})
		}
	}
	return shards
}

// react decodes one event and asks the service what it means.
func (f *Follower) react(at journal.At, record journal.Record) (routed []Routed, err error) {
	defer func() {
		if p := recover(); p != nil {
			f.deps.Log.Error("reacting to an event panicked", "source", f.cfg.Source, "type", record.Type,
				"shard", at.Shard, "seq", at.Seq, "panic", fmt.Sprint(p))
			routed, err = nil, fmt.Errorf("reacting to %s panicked", record.Type)
		}
	}()
	if f.cfg.React[record.Type] == nil { // it was parked by a build that reacted to it
		_, err = f.cfg.Types.Decode(record)
		return nil, err
	}
	return f.cfg.React.To(at, record)
}

func sourceAt(s journal.Segment) journal.At {
	return journal.At{Shard: s.Shard, Seq: s.Seq, Time: s.At}
}

// check tells whether s can be a segment of the source's journal.
func (f *Follower) check(source string, s journal.Document) error {
	switch {
	case s.Service != f.cfg.Source:
		return fmt.Errorf("segment of %q where %q is followed", s.Service, f.cfg.Source)
	case s.Seq == 0:
		return fmt.Errorf("segment of %s without a number", s.Service)
	}
	return f.sameJournal(source, s.Journal)
}

// clip bounds a reason, on a rune's border.
func clip(s string) string {
	if len(s) <= maxReasonBytes {
		return s
	}
	n := maxReasonBytes
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}
