package archive

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// View is an aggregate as it was after the segment (Shard, Seq), which was the last to change it.
type View[T any] struct {
	ID    string `json:"-"`
	Shard int    `json:"shard"`
	Seq   uint64 `json:"seq"`
	Doc   T      `json:"doc"`
}

// Bounds of the store's work.
const (
	maxPutAttempts = 8
	maxBulkViews   = 50 // views are up to 64 KiB each, and one answer of a sidecar is bounded
)

// Store keeps the views of one kind of one service. Safe for concurrent use.
type Store[T any] struct {
	state  sidecar.State
	prefix string
}

// NewStore keeps views under {service}/view/{kind}/.
func NewStore[T any](state sidecar.State, service, kind string) *Store[T] {
	return &Store[T]{state: state, prefix: viewPrefix(service, kind)}
}

func viewPrefix(service, kind string) string { return service + "/view/" + kind + "/" }

// Get reads a view; nil says that there is none.
func (s *Store[T]) Get(ctx context.Context, id string) (*View[T], error) {
	item, err := s.state.Get(ctx, s.prefix+id)
	if err != nil {
		return nil, unreadable(err)
	}
	return s.decode(id, item)
}

// GetMany reads the views of ids; those that do not exist are missing from the map. On a store whose bulk reads are
// eventually consistent (DynamoDB) a view that was replaced a moment ago may come as it was before; none is missing.
func (s *Store[T]) GetMany(ctx context.Context, ids []string) (map[string]*View[T], error) {
	views := make(map[string]*View[T], len(ids))
	for len(ids) > 0 {
		n := min(len(ids), maxBulkViews)
		keys := make([]string, n)
		for i, id := range ids[:n] {
			keys[i] = s.prefix + id
		}
		items, err := s.state.GetBulk(ctx, keys)
		if err != nil {
			return nil, unreadable(err)
		}
		for i, id := range ids[:n] {
			v, err := s.decode(id, items[keys[i]])
			if v == nil && err == nil { // not there, or the bulk read is behind
				v, err = s.Get(ctx, id)
			}
			if err != nil {
				return nil, err
			}
			if v != nil {
				views[id] = v
			}
		}
		ids = ids[n:]
	}
	return views, nil
}

func (s *Store[T]) decode(id string, item sidecar.Item) (*View[T], error) {
	if item.Value == nil {
		return nil, nil
	}
	v := &View[T]{ID: id}
	if err := json.Unmarshal(item.Value, v); err != nil {
		return nil, fmt.Errorf("archive: view %s%s: %w", s.prefix, id, err)
	}
	return v, nil
}

// Put writes v unless the store has it from the same or a later segment already. Whatever error a write gives, the
// key is read back: a nil error says that the store holds v or a later one.
func (s *Store[T]) Put(ctx context.Context, v View[T]) error {
	value, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("archive: view %s%s: %w", s.prefix, v.ID, err)
	}
	if len(value) > sidecar.MaxValueBytes {
		return fmt.Errorf("archive: view %s%s has %d bytes, the bound is %d", s.prefix, v.ID, len(value), sidecar.MaxValueBytes)
	}
	key := s.prefix + v.ID
	err = s.state.Create(ctx, key, value)
	for range maxPutAttempts {
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		item, readErr := s.state.Get(ctx, key)
		if readErr != nil {
			return errors.Join(err, readErr)
		}
		if item.Value == nil {
			err = s.state.Create(ctx, key, value)
			continue
		}
		there, decodeErr := s.decode(v.ID, item)
		if decodeErr != nil {
			return decodeErr
		}
		if there.Shard == v.Shard && there.Seq >= v.Seq {
			return nil
		}
		err = s.state.Replace(ctx, key, value, item.ETag)
	}
	return fmt.Errorf("archive: view %s not written after %d attempts: %w", key, maxPutAttempts, err)
}

// unreadable is the answer to callers while the store cannot be read.
func unreadable(cause error) error {
	e := errs.New(errs.Unavailable, errs.CodeUnavailable, "the store cannot be read at the moment; try again shortly").Wrap(cause)
	e.RetryAfter = retryAfter
	return e
}
