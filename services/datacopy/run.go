package datacopy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"

	"github.com/go-json-experiment/json"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/jsondoc"
)

// Run moves the data, or goes on where an earlier run ended, and returns when the target is open. With an error the source
// is still the shop, unless Report.Switched: then the target is, and running again opens what is left of it. A run that ends
// after the source was closed leaves it closed: run again, or Undo.
func (c *Copier) Run(ctx context.Context) (Report, error) {
	began := c.cfg.Now()
	metas, err := c.metas(ctx)
	if err != nil {
		return Report{}, err
	}
	r, err := c.claim(ctx, metas)
	if err != nil {
		return Report{}, err
	}
	if r.Phase == phaseSwitched {
		err := c.open(ctx, r)
		out := c.report(r, 0, 0, 0)
		out.Switched, out.Already = true, true
		return out, err
	}
	shards, err := c.shards(ctx, r, metas)
	if err != nil {
		return Report{}, err
	}
	passes, err := c.copyAll(ctx, shards)
	if err != nil {
		return c.report(r, passes, c.cfg.Now().Sub(began), 0), err
	}
	closing := c.cfg.Now()
	out := func(err error) (Report, error) {
		return c.report(r, passes, closing.Sub(began), c.cfg.Now().Sub(closing)), err
	}
	accounts, err := c.finish(ctx, r, shards)
	if errors.Is(err, ErrUndone) {
		return out(errors.Join(err, c.reopenSource(context.WithoutCancel(ctx), shards)))
	}
	if err != nil {
		return out(err)
	}
	r.Phase, r.Closed = phaseSwitched, closedAt(shards)
	err = c.open(ctx, r)
	report, err := out(err)
	report.Switched, report.Services = true, accounts
	return report, err
}

// shards makes the copies of all shards, each from where an earlier run came to.
func (c *Copier) shards(ctx context.Context, r record, metas map[string]journal.Meta) ([]*shardCopy, error) {
	var all []*shardCopy
	for _, service := range c.cfg.Services {
		for n := range metas[service.Name].Shards {
			s := &shardCopy{Copier: c, record: r, service: service, keys: journal.Keys{Service: service.Name}, shard: n}
			if err := s.resume(ctx); err != nil {
				return nil, err
			}
			all = append(all, s)
		}
	}
	return all, nil
}

// each runs do for all shards, some at a time.
func each(ctx context.Context, shards []*shardCopy, do func(context.Context, *shardCopy) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(maxParallelShards)
	for _, s := range shards {
		g.Go(func() error {
			if err := do(ctx, s); err != nil {
				return fmt.Errorf("%s, shard %d: %w", s.service.Name, s.shard, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// copyAll copies pass by pass until one is short, while the shop sells.
func (c *Copier) copyAll(ctx context.Context, shards []*shardCopy) (passes int, err error) {
	c.totals.enter(PhaseCopying)
	for passes < maxPasses {
		before := c.cfg.Now()
		err := each(ctx, shards, func(ctx context.Context, s *shardCopy) error {
			if err := s.pass(ctx); err != nil {
				return err
			}
			// An earlier run may have closed it. Somebody else's Moved must be found before ours is anywhere.
			_, err := s.closed(ctx)
			return err
		})
		if err != nil {
			return passes, err
		}
		passes++
		if c.cfg.Now().Sub(before) < shortPass {
			break
		}
	}
	return passes, nil
}

// finish is the pause up to the switch: it closes the source, copies the rest, compares, and decides by the record.
func (c *Copier) finish(ctx context.Context, r record, shards []*shardCopy) (map[string]Account, error) {
	c.totals.enter(PhaseClosing)
	c.tell()
	if err := each(ctx, shards, func(ctx context.Context, s *shardCopy) error { return s.closeSource(ctx) }); err != nil {
		return nil, err
	}
	c.totals.enter(PhaseComparing)
	c.tell()
	if err := each(ctx, shards, func(ctx context.Context, s *shardCopy) error { return s.compareEnds(ctx) }); err != nil {
		return nil, err
	}
	accounts, err := c.compare(ctx)
	if err != nil {
		return nil, err
	}
	c.totals.enter(PhaseSwitching)
	c.tell()
	return accounts, c.decide(ctx, r, shards)
}

// decide makes the target the shop, by the record's ETag.
func (c *Copier) decide(ctx context.Context, r record, shards []*shardCopy) error {
	return c.change(ctx, c.target, recordKey, func(value []byte) ([]byte, error) {
		now, err := decodeRecord(value)
		switch {
		case err != nil:
			return nil, err
		case now.Copy != r.Copy:
			return nil, finalf("the target now belongs to copy %q, this one is %q", now.Copy, r.Copy)
		case now.Phase == phaseUndone:
			return nil, &finalError{ErrUndone}
		case now.Phase == phaseSwitched:
			return nil, nil
		}
		now.Phase, now.Closed = phaseSwitched, closedAt(shards)
		return json.Marshal(now)
	})
}

// closedAt is, by service and shard, the number of the last segment, a Moved.
func closedAt(shards []*shardCopy) map[string][]uint64 {
	at := map[string][]uint64{}
	for _, s := range shards {
		at[s.service.Name] = append(at[s.service.Name], s.at.Through)
	}
	return at
}

// open lets the target's journals be served, after the switch. It may be repeated.
func (c *Copier) open(ctx context.Context, r record) error {
	c.totals.enter(PhaseSwitching)
	for _, service := range c.cfg.Services {
		for n, closed := range r.Closed[service.Name] {
			s := &shardCopy{Copier: c, record: r, service: service, keys: journal.Keys{Service: service.Name}, shard: n}
			if err := s.reopen(ctx, closed); err != nil {
				return err
			}
		}
	}
	for _, service := range c.cfg.Services {
		err := c.change(ctx, c.target, journal.Keys{Service: service.Name}.Meta(), func(value []byte) ([]byte, error) {
			var m journal.Meta
			if err := json.Unmarshal(value, &m); err != nil {
				return nil, &finalError{err}
			}
			if m.Incoming == "" {
				return nil, nil
			}
			m.Incoming = ""
			return json.Marshal(m)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// reopen puts Reopened behind the Moved of the target's shard, unless its journal is open already.
func (s *shardCopy) reopen(ctx context.Context, closed uint64) error {
	m, err := s.metaOf(ctx, false, s.service.Name)
	if err != nil || m.Incoming == "" {
		return err
	}
	item, err := s.get(ctx, s.target, s.keys.Segment(s.shard, closed))
	if err != nil {
		return err
	}
	last, err := s.decode(s.keys.Segment(s.shard, closed), closed, item.Value)
	if err != nil {
		return err
	}
	s.at.At = last.At
	// Whose it is does not matter: before the journal is open nothing but a run of this copy writes there.
	_, err = s.append(ctx, s.target, closed+1, journal.Reopened{Copy: s.record.Copy})
	return err
}

// compareEnds makes sure that the target ends where the source does.
func (s *shardCopy) compareEnds(ctx context.Context) error {
	keys := []string{s.keys.Segment(s.shard, s.at.Through), s.keys.Segment(s.shard, s.at.Through+1)}
	source, err := s.getEach(ctx, s.source, keys)
	if err != nil {
		return err
	}
	target, err := s.getEach(ctx, s.target, keys)
	switch {
	case err != nil:
		return err
	case source[1].Value != nil:
		return finalf("the source has a segment %s after it was closed", keys[1])
	case target[1].Value != nil:
		if err := s.stillCopying(ctx, s.record); err != nil {
			return err // another run has switched
		}
		return finalf("the target has a segment %s after the source's last", keys[1])
	case target[0].Value == nil || source[0].Value == nil || !jsondoc.Same(source[0].Value, target[0].Value):
		return finalf("the stores differ at their end, %s", keys[0])
	}
	return nil
}

// compare loads every journal from both stores, which must come to the same.
func (c *Copier) compare(ctx context.Context) (map[string]Account, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.AccountWithin)
	defer cancel()
	accounts := map[string]Account{}
	for _, service := range c.cfg.Services {
		var source, target Account
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() (err error) { source, err = service.Account(ctx, c.source); return err })
		g.Go(func() (err error) { target, err = service.Account(ctx, c.target); return err })
		if err := g.Wait(); err != nil {
			return nil, fmt.Errorf("comparing %s: %w", service.Name, err)
		}
		if !reflect.DeepEqual(source.Shards, target.Shards) || !maps.Equal(source.Totals, target.Totals) {
			return nil, finalf("the stores differ in %s: the source comes to %+v, the target to %+v; nothing was switched: undo, wipe the target, and report this",
				service.Name, source, target)
		}
		accounts[service.Name] = source
	}
	return accounts, nil
}
