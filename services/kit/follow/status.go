package follow

import "time"

// Status is where a follower stands with one pair of shards.
type Status struct {
	Source      string `json:"source"`
	OwnShard    int    `json:"own_shard"`
	SourceShard int    `json:"source_shard"`
	// Offset is applied or passed over; Recorded is the part of it that a restart remembers.
	Offset   uint64 `json:"offset"`
	Recorded uint64 `json:"recorded"`
	Head     uint64 `json:"head"` // of the source, as far as it is known
	Lag      uint64 `json:"lag"`  // segments between Offset and Head
	// GapSince is since when the next segment is known to exist and has not come; nil when there is no gap.
	GapSince *time.Time `json:"gap_since,omitempty"`
	Stuck    *Stuck     `json:"stuck,omitempty"` // the event whose effect fails just now
}

// Stuck is an event whose effect fails and is tried again.
type Stuck struct {
	Seq      uint64    `json:"seq"`
	Index    int       `json:"index"`
	Type     string    `json:"type"`
	Attempts int       `json:"attempts"`
	Reason   string    `json:"reason"`
	NextAt   time.Time `json:"next_at"`
}

// Status tells where every pair of shards stands; empty until the source was reached for the first time.
func (f *Follower) Status() []Status {
	r := f.running.Load()
	if r == nil {
		return nil
	}
	var out []Status
	for shard, workers := range r.workers {
		for own, w := range workers {
			fd := r.feeds[shard]
			head, gap := fd.top(own)
			s := Status{
				Source: f.cfg.Source, OwnShard: own, SourceShard: shard,
				Offset: fd.positions[own].Load(), Head: head, Stuck: w.stuck.Load(),
			}
			s.Recorded, _ = w.progress()
			s.Lag = head - min(head, s.Offset)
			if !gap.IsZero() {
				s.GapSince = &gap
			}
			out = append(out, s)
		}
	}
	return out
}
