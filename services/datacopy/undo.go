package datacopy

import (
	"context"

	"github.com/go-json-experiment/json"

	"github.com/sidecart/sidecart/services/kit/journal"
)

// Undo gives a copy up before its switch: the record says so first, then the source's shards are opened again. What was
// copied stays in the target, closed to every shop, and a later Run goes on from it. It may be repeated. It refuses once
// the target is the shop. It gives the number of shards that it opened.
func (c *Copier) Undo(ctx context.Context) (int, error) {
	metas, err := c.metas(ctx)
	if err != nil {
		return 0, err
	}
	var r record
	err = c.change(ctx, c.target, recordKey, func(value []byte) ([]byte, error) {
		var err error
		if r, err = decodeRecord(value); err != nil {
			return nil, err
		}
		for name, m := range metas {
			if r.Version != 0 && r.Journals[name] != m.ID {
				return nil, finalf("the target belongs to another copy, from %s: there is nothing of this source to undo", r.From)
			}
		}
		switch {
		case r.Version == 0:
			return nil, finalf("the target knows of no copy: nothing was closed for it")
		case r.Phase == phaseSwitched:
			return nil, finalf("this copy has switched: the target is the shop, and orders may have been placed there. To go back, copy from there into an empty store")
		case r.Phase == phaseUndone:
			return nil, nil
		}
		r.Phase = phaseUndone
		return json.Marshal(r)
	})
	if err != nil {
		return 0, err
	}
	return c.openSource(ctx, r, metas, r.Copy)
}

// UndoWithoutTarget opens the source again without asking the target, which is lost. If the target is in fact the shop,
// there are then two: whoever calls this has made sure that nothing runs on it and nothing will.
func (c *Copier) UndoWithoutTarget(ctx context.Context) (int, error) {
	metas, err := c.metas(ctx)
	if err != nil {
		return 0, err
	}
	journals := map[string]string{}
	for name, m := range metas {
		journals[name] = m.ID
	}
	return c.openSource(ctx, record{Journals: journals}, metas, "")
}

// openSource appends Reopened to every shard of the source that ends with the copy's Moved; with any, if copyID is "".
func (c *Copier) openSource(ctx context.Context, r record, metas map[string]journal.Meta, copyID string) (opened int, err error) {
	for _, service := range c.cfg.Services {
		for n := range metas[service.Name].Shards {
			s := &shardCopy{Copier: c, record: r, service: service, keys: journal.Keys{Service: service.Name}, shard: n}
			did, err := s.reopenSource(ctx, copyID)
			if err != nil {
				return opened, err
			}
			if did {
				opened++
			}
		}
	}
	return opened, nil
}

// reopenSource opens what the copies of this run have closed.
func (c *Copier) reopenSource(ctx context.Context, shards []*shardCopy) error {
	for _, s := range shards {
		if _, err := s.reopenSource(ctx, s.record.Copy); err != nil {
			return err
		}
	}
	return nil
}

// reopenSource opens the source's shard if its last segment is the copy's Moved.
func (s *shardCopy) reopenSource(ctx context.Context, copyID string) (bool, error) {
	for {
		end, err := s.end(ctx)
		if err != nil || end == 0 {
			return false, err
		}
		key := s.keys.Segment(s.shard, end)
		item, err := s.get(ctx, s.source, key)
		if err != nil || item.Value == nil {
			return false, err
		}
		last, err := s.decode(key, end, item.Value)
		if err != nil {
			return false, err
		}
		moved, err := journal.MovedTo(last)
		if err != nil || moved == nil || copyID != "" && moved.Copy != copyID {
			return false, err
		}
		s.at.At = last.At
		ours, err := s.append(ctx, s.source, end+1, journal.Reopened{Copy: moved.Copy})
		if err != nil || ours {
			return ours, err
		}
	}
}
