package datacopy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/services/kit/jsondoc"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// finalError is one that trying again does not help.
type finalError struct{ err error }

func (e *finalError) Error() string { return e.err.Error() }
func (e *finalError) Unwrap() error { return e.err }

func finalf(format string, args ...any) error { return &finalError{fmt.Errorf(format, args...)} }

func isFinal(err error) bool {
	_, final := errors.AsType[*finalError](err)
	return final
}

// insist is persist with a deadline for each call, for an op that makes no more than a few.
func (c *Copier) insist(ctx context.Context, what string, op func(context.Context) error) error {
	return c.persist(ctx, what, func(ctx context.Context) error {
		call, cancel := context.WithTimeout(ctx, callWithin)
		defer cancel()
		return op(call)
	})
}

// persist calls op until it succeeds, fails for good, ctx ends, or it has failed for as long as Patience.
func (c *Copier) persist(ctx context.Context, what string, op func(context.Context) error) error {
	began := time.Now()
	for backOff := firstBackOff; ; backOff = min(2*backOff, maxBackOff) {
		err := op(ctx)
		if err == nil || isFinal(err) {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, ctx.Err())
		}
		if time.Since(began) > c.cfg.Patience {
			return fmt.Errorf("%s: %w (given up after %s; run the same command again to go on from here)", what, err, c.cfg.Patience)
		}
		t := time.NewTimer(backOff)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
}

// get reads one key.
func (c *Copier) get(ctx context.Context, from sidecar.State, key string) (item sidecar.Item, err error) {
	err = c.insist(ctx, "reading "+key, func(ctx context.Context) (err error) {
		item, err = from.Get(ctx, key)
		return err
	})
	return item, err
}

// getEach reads keys one by one, strongly: for what changes.
func (c *Copier) getEach(ctx context.Context, from sidecar.State, keys []string) ([]sidecar.Item, error) {
	items := make([]sidecar.Item, len(keys))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(maxParallelReads)
	for i, key := range keys {
		g.Go(func() (err error) {
			items[i], err = c.get(ctx, from, key)
			return err
		})
	}
	return items, g.Wait()
}

// getMany reads keys of what never changes, at most bulkKeys in a call; what does not exist has no value. Bulk reads of
// some stores may be stale, so what they miss is looked for once more, up to the first that is really not there.
func (c *Copier) getMany(ctx context.Context, from sidecar.State, keys []string) ([]sidecar.Item, error) {
	items := make([]sidecar.Item, len(keys))
	g, group := errgroup.WithContext(ctx)
	g.SetLimit(maxParallelShards)
	for start := 0; start < len(keys); start += bulkKeys {
		part := keys[start:min(start+bulkKeys, len(keys))]
		g.Go(func() error {
			return c.insist(group, "reading "+part[0], func(ctx context.Context) error {
				got, err := from.GetBulk(ctx, part)
				for i, key := range part {
					items[start+i] = got[key]
				}
				return err
			})
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i, item := range items {
		if item.Value != nil {
			continue
		}
		var err error
		if items[i], err = c.get(ctx, from, keys[i]); err != nil || items[i].Value == nil {
			return items, err
		}
	}
	return items, nil
}

// document is a key and what it is to hold.
type document struct {
	key   string
	value []byte
}

// createAll brings documents that never change to the target and reads each of them back. One that is there with
// another content is not overwritten: it ends the run.
func (c *Copier) createAll(ctx context.Context, documents []document) error {
	missing := documents
	return c.persist(ctx, "writing to the target", func(ctx context.Context) error {
		items, writeErr, err := c.tryCreate(ctx, missing)
		if err != nil {
			return err
		}
		var still []document
		for i, d := range missing {
			switch {
			case items[i].Value == nil:
				still = append(still, d)
			case !jsondoc.Same(items[i].Value, d.value):
				return finalf("the target holds another value at %s: it is not overwritten; wipe the target, or choose an empty one", d.key)
			}
		}
		if missing = still; len(still) > 0 {
			return errors.Join(fmt.Errorf("%d of %d documents are not there yet", len(still), len(documents)), writeErr)
		}
		return nil
	})
}

// tryCreate creates documents in the target and gives what stands there then: that is what counts, whatever the writes
// answered (writeErr is one of their errors).
func (c *Copier) tryCreate(ctx context.Context, documents []document) (items []sidecar.Item, writeErr, err error) {
	var g errgroup.Group
	g.SetLimit(maxParallelWrites)
	keys := make([]string, len(documents))
	for i, d := range documents {
		keys[i] = d.key
		g.Go(func() error {
			call, cancel := context.WithTimeout(ctx, callWithin)
			defer cancel()
			return c.target.Create(call, d.key, d.value)
		})
	}
	writeErr = g.Wait()
	items, err = c.getMany(ctx, c.target, keys)
	return items, writeErr, err
}

// change applies edit to what key holds in a store until the result is stored. After an error, which may hide a success,
// edit sees the value again; it answers nil when there is nothing (more) to do.
func (c *Copier) change(ctx context.Context, in sidecar.State, key string, edit func(now []byte) ([]byte, error)) error {
	return c.insist(ctx, "changing "+key, func(ctx context.Context) error {
		item, err := in.Get(ctx, key)
		if err != nil {
			return err
		}
		next, err := edit(item.Value)
		if err != nil || next == nil {
			return err
		}
		if item.Value == nil {
			return in.Create(ctx, key, next)
		}
		return in.Replace(ctx, key, next, item.ETag)
	})
}
