package delivery

import (
	"cmp"
	"slices"
	"time"
)

// track is the count of one shard of the source. A number from From to High is open, remembered as missed, or settled.
type track struct {
	From   uint64          `json:"from"` // the first number that is counted; 0: the next one above High will be
	High   uint64          `json:"high"` // the highest number that is known to exist
	Shares string          `json:"shares,omitzero"`
	Open   []*open         `json:"open,omitzero"` // by number
	Counts [brokers]Counts `json:"counts"`
	Missed [brokers]missed `json:"missed,omitzero"`
}

// open is a number that not every broker has brought that was given it.
type open struct {
	Seq     uint64 `json:"n"`
	Known   int64  `json:"k"`          // since when it is known to exist, in microseconds since 1970
	Heard   bool   `json:"h,omitzero"` // somebody brought it, so that Given is what the event says and not concluded
	Given   set    `json:"g,omitzero"` // the brokers that were given it
	Unsure  set    `json:"u,omitzero"` // those that may have been given it: the shares before and after it differ
	Came    set    `json:"c,omitzero"` // those that have brought it
	First   int    `json:"f,omitzero"` // who was the first of those
	FirstIn int64  `json:"t,omitzero"` // when that was, in microseconds since Known
	News    bool   `json:"w,omitzero"` // and it was news then
}

// set is a set of brokers, a bit each.
type set uint8

func (s set) has(broker int) bool { return s&(1<<broker) != 0 }
func (s *set) put(broker int)     { *s |= 1 << broker }

// add counts one delivery.
func (tr *track) add(t *Tally, o Observation) {
	c := &tr.Counts[o.Broker]
	c.Delivered++
	switch {
	case tr.From == 0 && o.Seq <= tr.High, o.Seq < tr.From:
		return // from before the count: nothing is known about it
	case o.Seq > tr.High+maxGap && tr.From != 0:
		tr.beginAnew()
	}
	if tr.From == 0 {
		tr.From, tr.High = o.Seq, o.Seq-1
	}
	if o.Seq > tr.High {
		tr.extend(t, o)
	}
	i, found := tr.find(o.Seq)
	if !found {
		tr.again(o)
		return
	}
	e := tr.Open[i]
	if !e.Heard {
		e.Heard, e.Given, e.Unsure = true, t.given(o.Shard, o.Seq, o.Shares.of), 0
	}
	if e.Came.has(o.Broker) {
		c.Doubled++
		return
	}
	e.came(o)
	if e.Given&^e.Came == 0 {
		tr.close(i)
	}
}

// came takes note of a broker's first delivery of the number.
func (e *open) came(o Observation) {
	if in := o.At.UnixMicro() - e.Known; e.Came == 0 || in < e.FirstIn {
		e.First, e.FirstIn, e.News = o.Broker, in, o.News
	}
	e.Came.put(o.Broker)
}

// extend opens every number up to the one that came, which is the highest so far. Of those in between nobody has heard: they were
// given to a broker if they are in the smaller one of the shares before and after them.
func (tr *track) extend(t *Tally, o Observation) {
	before, _ := ParseShares(tr.Shares) // written by String
	for seq := tr.High + 1; seq < o.Seq; seq++ {
		a, b := t.given(o.Shard, seq, before.of), t.given(o.Shard, seq, o.Shares.of)
		tr.Open = append(tr.Open, &open{Seq: seq, Known: o.At.UnixMicro(), Given: a & b, Unsure: a ^ b})
	}
	tr.Open = append(tr.Open, &open{Seq: o.Seq, Known: o.At.UnixMicro()})
	tr.High, tr.Shares = o.Seq, o.Shares.String()
	for b, name := range t.Brokers {
		c := &tr.Counts[b]
		c.Share = o.Shares.of(name)
		switch {
		case c.Share < wholePercent:
			c.RowFrom, c.RowSince = 0, time.Time{}
		case c.RowFrom == 0:
			c.RowFrom, c.RowSince = o.Seq, o.At
		}
	}
}

// given is the set of brokers in whose share a segment is.
func (t *Tally) given(shard int, seq uint64, percent func(broker string) int) (s set) {
	id := SegmentID(t.Source, shard, seq)
	for b, name := range t.Brokers {
		if InShare(id, percent(name)) {
			s.put(b)
		}
	}
	return s
}

// again counts a delivery of a number that is settled: it was judged missed, or it is a repeat.
func (tr *track) again(o Observation) {
	c, m := &tr.Counts[o.Broker], &tr.Missed[o.Broker]
	switch {
	case m.take(o.Seq):
		c.Missed--
		c.Late++
	case o.Seq > m.Forgotten:
		c.Doubled++
	}
}

// settle judges what has been known for long enough.
func (tr *track) settle(t *Tally, now time.Time, grace time.Duration) bool {
	changed := false
	for i := 0; i < len(tr.Open); {
		if now.UnixMicro()-tr.Open[i].Known < grace.Microseconds() {
			i++
			continue
		}
		tr.judge(t, i)
		changed = true
	}
	return changed
}

// judge counts an open number as missed by every broker that was given it and has not brought it.
func (tr *track) judge(t *Tally, i int) {
	e := tr.Open[i]
	for b := range tr.Counts {
		if e.Unsure.has(b) {
			tr.Missed[b].forget(e.Seq) // should it come, that would be no repeat
		}
		if !(e.Given &^ e.Came).has(b) {
			continue
		}
		c := &tr.Counts[b]
		c.Missed++
		if known := time.UnixMicro(e.Known).UTC(); e.Seq > c.LastMissed {
			c.LastMissed, c.LastMissedAt = e.Seq, known
			if c.RowFrom > 0 {
				c.RowFrom, c.RowSince = max(c.RowFrom, e.Seq+1), later(c.RowSince, known)
			}
		}
		tr.Missed[b].put(e.Seq)
		tr.Missed[b].bound(maxMissed / len(t.Shards))
	}
	tr.close(i)
}

// close settles an open number.
func (tr *track) close(i int) {
	if e := tr.Open[i]; e.Came != 0 && e.News {
		tr.Counts[e.First].First++
	}
	tr.Open = slices.Delete(tr.Open, i, i+1)
}

// beginAnew leaves what is open unjudged; counting goes on with the next number that is higher than all before.
func (tr *track) beginAnew() {
	tr.Open, tr.From, tr.Shares = nil, 0, ""
	tr.Missed = [brokers]missed{}
	for b := range tr.Counts {
		tr.Counts[b].RowFrom, tr.Counts[b].RowSince = 0, time.Time{}
	}
}

// row is how many segments the broker has brought since it is given all of them and missed none, and how many it may still
// bring in time, those before the row included.
func (tr *track) row(broker int) (brought, waiting uint64) {
	from := tr.Counts[broker].RowFrom
	if from > 0 && tr.High >= from {
		brought = tr.High - from + 1
	}
	for _, e := range tr.Open {
		if e.Came.has(broker) {
			continue
		}
		if e.Given.has(broker) {
			waiting++
		}
		if from > 0 && e.Seq >= from {
			brought--
		}
	}
	return brought, waiting
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (tr *track) find(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(tr.Open, seq, func(e *open, seq uint64) int { return cmp.Compare(e.Seq, seq) })
}
