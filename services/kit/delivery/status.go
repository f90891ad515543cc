package delivery

import (
	"maps"
	"slices"
	"time"
)

// Line is what one broker delivered of one source to one following service, over all shards and replicas.
type Line struct {
	Source string    `json:"source"`
	Broker string    `json:"broker"` // the component's name
	Since  time.Time `json:"since"`  // when counting began
	// Share is the smallest percentage of segments that the broker was given, as each shard's newest segment says.
	Share     int    `json:"share"`
	Delivered uint64 `json:"delivered"` // messages, repeats included
	First     uint64 `json:"first"`     // segments that it brought before the other broker and before a pull
	Doubled   uint64 `json:"doubled"`   // messages that it had brought before
	Late      uint64 `json:"late"`      // segments that it brought after they had been counted as missed
	Missed    uint64 `json:"missed"`    // segments that it was given and has not brought
	Waiting   uint64 `json:"waiting"`   // segments that it was given and may still bring in time
	// LastMissed is a segment that was missed last, late ones included, and LastMissedAt since when it was known; "" when there
	// was none.
	LastMissed   string     `json:"last_missed"`
	LastMissedAt *time.Time `json:"last_missed_at,omitempty"`
	// InARow is how many segments it brought since it is given all of them and missed none; InARowSince is since when that
	// holds for every shard.
	InARow      uint64     `json:"in_a_row"`
	InARowSince *time.Time `json:"in_a_row_since,omitempty"`
	// Broken lists the shards that are at 100 % and of which nothing came since the last miss.
	Broken []int `json:"broken,omitempty"`
}

// Lines adds up the shards, the present broker's line first.
func (t *Tally) Lines() []Line {
	lines := make([]Line, brokers)
	for b, name := range t.Brokers {
		lines[b] = Line{Source: t.Source, Broker: name, Since: t.Since}
		if len(t.Shards) > 0 {
			lines[b].Share = wholePercent // and the smallest of the shards' in the end
		}
		for _, shard := range slices.Sorted(maps.Keys(t.Shards)) {
			lines[b].add(shard, t.Shards[shard], b)
		}
	}
	return lines
}

// add adds what the broker did with one shard.
func (l *Line) add(shard int, tr *track, broker int) {
	c := tr.Counts[broker]
	l.Share = min(l.Share, c.Share)
	l.Delivered += c.Delivered
	l.First += c.First
	l.Doubled += c.Doubled
	l.Late += c.Late
	l.Missed += c.Missed
	brought, waiting := tr.row(broker)
	l.InARow += brought
	l.Waiting += waiting
	if !c.LastMissedAt.IsZero() && (l.LastMissedAt == nil || c.LastMissedAt.After(*l.LastMissedAt)) {
		l.LastMissed, l.LastMissedAt = SegmentID(l.Source, shard, c.LastMissed), &c.LastMissedAt
	}
	if !c.RowSince.IsZero() && (l.InARowSince == nil || c.RowSince.After(*l.InARowSince)) {
		l.InARowSince = &c.RowSince
	}
	if c.Share == wholePercent && brought == 0 {
		l.Broken = append(l.Broken, shard)
	}
}

// Publishing is what the queue of one process's next broker has done since its start.
type Publishing struct {
	Published uint64 `json:"published"`
	Failed    uint64 `json:"failed"`  // the broker did not take it
	Dropped   uint64 `json:"dropped"` // the queue was full
}

// Status is what one service says about its brokers.
type Status struct {
	Service    string     `json:"service"`
	Present    string     `json:"present"`
	Next       string     `json:"next"`       // "" when there is none
	Percent    int        `json:"percent"`    // of its segments that are published on the next one, too
	Publishing Publishing `json:"publishing"` // of the replica that answers
	Lines      []Line     `json:"lines"`      // by source, the present broker's line before the next one's
}
