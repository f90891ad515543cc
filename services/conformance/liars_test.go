package conformance_test

import (
	"context"
	"maps"
	"sync"

	"github.com/sidecart/sidecart/services/conformance"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// liar is an honest store with some of its answers replaced. A nil member is honest.
type liar struct {
	sidecar.State
	get     func(ctx context.Context, key string) (sidecar.Item, error)
	bulk    func(ctx context.Context, keys []string) (map[string]sidecar.Item, error)
	create  func(ctx context.Context, key string, value []byte) error
	replace func(ctx context.Context, key string, value []byte, etag string) error
	remove  func(ctx context.Context, key string) error
}

func (l *liar) Get(ctx context.Context, key string) (sidecar.Item, error) {
	if l.get == nil {
		return l.State.Get(ctx, key)
	}
	return l.get(ctx, key)
}

func (l *liar) GetBulk(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	if l.bulk == nil {
		return l.State.GetBulk(ctx, keys)
	}
	return l.bulk(ctx, keys)
}

func (l *liar) Create(ctx context.Context, key string, value []byte) error {
	if l.create == nil {
		return l.State.Create(ctx, key, value)
	}
	return l.create(ctx, key, value)
}

func (l *liar) Replace(ctx context.Context, key string, value []byte, etag string) error {
	if l.replace == nil {
		return l.State.Replace(ctx, key, value, etag)
	}
	return l.replace(ctx, key, value, etag)
}

func (l *liar) Delete(ctx context.Context, key string) error {
	if l.remove == nil {
		return l.State.Delete(ctx, key)
	}
	return l.remove(ctx, key)
}

// setting is a store with all that the suite can be given about it. A lie changes it.
type setting struct {
	store     *journaltest.Store
	liar      *liar // both sidecars' answers
	peer      sidecar.State
	overwrite func(ctx context.Context, key string, value []byte) error
	restart   func(ctx context.Context) error
}

// honest is a store of which every property holds. A restart of it cuts nothing off.
func honest(faults journaltest.Faults) *setting {
	s := &setting{store: journaltest.NewStore()}
	s.liar = &liar{State: s.store.Client("a", faults)}
	s.overwrite = func(_ context.Context, key string, value []byte) error { s.store.Put(key, value); return nil }
	s.restart = func(context.Context) error { return nil }
	return s
}

// run is the whole suite on it; half of the calls go through the peer.
func (s *setting) run(ctx context.Context, more ...conformance.Option) (conformance.Verdict, error) {
	peer := s.peer
	if peer == nil {
		peer = s.liar
	}
	return conformance.Run(ctx, s.liar, nil, append([]conformance.Option{
		conformance.WithPeer(peer), conformance.WithOverwrite(s.overwrite), conformance.WithRestart("the store", s.restart),
	}, more...)...)
}

// forgetful tells of a key whether it has been replaced.
func forgetful(s *setting) (replaced func(key string) bool) {
	var keys sync.Map
	s.liar.replace = func(ctx context.Context, key string, value []byte, etag string) error {
		err := s.liar.State.Replace(ctx, key, value, etag)
		if err == nil {
			keys.Store(key, true)
		}
		return err
	}
	return func(key string) bool { _, there := keys.Load(key); return there }
}

// lieAboutETags gives every key the ETag that its value makes.
func lieAboutETags(s *setting, tag func(value []byte) string) {
	var mu sync.Mutex
	s.liar.get = func(ctx context.Context, key string) (sidecar.Item, error) {
		item, err := s.liar.State.Get(ctx, key)
		if item.Value != nil {
			item.ETag = tag(item.Value)
		}
		return item, err
	}
	s.liar.replace = func(_ context.Context, key string, value []byte, etag string) error {
		mu.Lock()
		defer mu.Unlock()
		if now := s.store.Value(key); tag(now) != etag {
			return sidecar.ErrConflict
		}
		s.store.Put(key, value)
		return nil
	}
}

// rewriting changes every value on its way in.
func rewriting(change func([]byte) []byte) func(*setting) {
	return func(s *setting) {
		s.liar.create = func(ctx context.Context, key string, value []byte) error {
			return s.liar.State.Create(ctx, key, change(value))
		}
		s.liar.replace = func(ctx context.Context, key string, value []byte, etag string) error {
			return s.liar.State.Replace(ctx, key, change(value), etag)
		}
	}
}

// renaming changes every key.
func renaming(change func(string) string) func(*setting) {
	return func(s *setting) {
		inner := s.liar.State
		s.overwrite = func(_ context.Context, key string, value []byte) error { s.store.Put(change(key), value); return nil }
		s.liar.get = func(ctx context.Context, key string) (sidecar.Item, error) { return inner.Get(ctx, change(key)) }
		s.liar.create = func(ctx context.Context, key string, value []byte) error {
			return inner.Create(ctx, change(key), value)
		}
		s.liar.remove = func(ctx context.Context, key string) error { return inner.Delete(ctx, change(key)) }
		s.liar.replace = func(ctx context.Context, key string, value []byte, etag string) error {
			return inner.Replace(ctx, change(key), value, etag)
		}
		s.liar.bulk = func(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
			found := map[string]sidecar.Item{}
			for _, key := range keys {
				item, err := inner.Get(ctx, change(key))
				if err != nil {
					return nil, err
				}
				if item.Value != nil {
					found[key] = item
				}
			}
			return maps.Clone(found), nil
		}
	}
}
