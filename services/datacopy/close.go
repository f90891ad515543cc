package datacopy

import (
	"context"
	"errors"

	"github.com/go-json-experiment/json"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// closeSource puts Moved behind everything in the source's shard, once it is copied up to there. A shard that this copy has
// closed before stays closed.
func (s *shardCopy) closeSource(ctx context.Context) error {
	s.closing = true
	for {
		if err := s.pass(ctx); err != nil {
			return err
		}
		moved, err := s.closed(ctx)
		if err != nil || moved {
			return err
		}
		if err := s.stillCopying(ctx, s.record); err != nil {
			return err
		}
		ours, err := s.append(ctx, s.source, s.at.Through+1, journal.Moved{To: s.cfg.To, Copy: s.record.Copy})
		if err != nil {
			return err
		}
		if !ours {
			continue // somebody was faster; it is copied in the next pass
		}
		return s.pass(ctx)
	}
}

// closed says whether the source's last segment is this copy's Moved. That of another copy is an error.
func (s *shardCopy) closed(ctx context.Context) (bool, error) {
	last, ok, err := s.last(ctx)
	if err != nil || !ok {
		return false, err
	}
	moved, err := journal.MovedTo(last)
	switch {
	case err != nil:
		return false, &finalError{err}
	case moved == nil:
		return false, nil
	case moved.Copy != s.record.Copy:
		return false, finalf("%s was moved from this source to %s by another copy (%s): it is not the shop any more; copy from there, "+
			"or undo that copy", s.service.Name, moved.To, moved.Copy)
	}
	return true, nil
}

// append creates a segment with an event of the journal's own in a store's shard. It answers false when the number has
// gone to somebody else, and in a number that was trimmed meanwhile, where nothing is a commit.
func (s *shardCopy) append(ctx context.Context, in sidecar.State, seq uint64, e journal.Event) (ours bool, err error) {
	record, err := journal.RecordOf(e)
	if err != nil {
		return false, err
	}
	at := s.cfg.Now().UTC().Round(0)
	if at.Before(s.at.At) {
		at = s.at.At
	}
	segment := journal.Segment{
		Version: journal.SegmentVersion, Service: s.service.Name, Journal: s.record.Journals[s.service.Name], Shard: s.shard,
		Seq: seq, Writer: s.writer, Batch: s.totals.appended.Add(1), At: at, Events: []journal.Record{record},
	}
	value, err := json.Marshal(segment)
	if err != nil {
		return false, err
	}
	key := s.keys.Segment(s.shard, seq)
	err = s.insist(ctx, "writing "+key, func(ctx context.Context) error {
		writeErr := in.Create(ctx, key, value) // what it means is what is read back
		item, err := in.Get(ctx, key)
		if err != nil || item.Value == nil {
			return errors.Join(errors.New("the segment is not there yet"), writeErr, err)
		}
		var there journal.Segment
		if err := json.Unmarshal(item.Value, &there); err != nil {
			return &finalError{err}
		}
		ours = there.Writer == segment.Writer && there.Batch == segment.Batch
		return nil
	})
	if err != nil || !ours {
		return false, err
	}
	h, err := s.header(ctx, in)
	if err != nil {
		return false, err
	}
	if h.TrimmedThrough >= seq {
		_ = in.Delete(ctx, key) // best effort: nobody believes what stands there
		return false, nil
	}
	return true, nil
}
