package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sidecart/sidecart/services/conformance"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// everyCreate is what falls with a create that does not refuse.
var everyCreate = []string{"create-refuses-replaced", "create-refuses-overwritten", "create-race", "read-back"}

// everyBulk is what falls with bulk reads that give wrong values.
var everyBulk = []string{"bulk-read-large", "key-shapes", "keys-apart", "keys-case", "value-text", "value-shapes", "value-integers", "value-numbers", "restart"}

// lies break one property each, which is their name; also names those that cannot hold either then.
var lies = []struct {
	property string
	level    conformance.Level
	what     string
	also     []string
	tell     func(s *setting)
}{
	{"create-new", conformance.LevelUnsafe, "says done and does nothing", nil, func(s *setting) {
		s.liar.create = func(context.Context, string, []byte) error { return nil }
	}},
	{"create-new", conformance.LevelUnsafe, "refuses every create-only write", nil, func(s *setting) {
		s.liar.create = func(context.Context, string, []byte) error { return errors.New("wants an ETag") }
	}},
	{"create-race", conformance.LevelUnsafe, "whoever is not alone is refused", []string{"restart", "pace"}, func(s *setting) {
		var mu sync.Mutex
		at, ever := map[string]int{}, map[string]bool{}
		s.liar.create = func(ctx context.Context, key string, value []byte) error {
			mu.Lock()
			at[key]++
			mu.Unlock()
			<-time.After(time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			if at[key] > 1 {
				ever[key] = true
			}
			at[key]--
			if ever[key] && strings.Contains(key, "/race/") {
				return errors.New("another transaction is under way")
			}
			return s.liar.State.Create(ctx, key, value)
		}
	}},
	{"create-refuses-created", conformance.LevelUnsafe, "a create overwrites", everyCreate, func(s *setting) {
		s.liar.create = func(_ context.Context, key string, value []byte) error { s.store.Put(key, value); return nil }
	}},
	{"create-refuses-created", conformance.LevelUnsafe, "a refused create is acknowledged", everyCreate, func(s *setting) {
		s.liar.create = func(ctx context.Context, key string, value []byte) error {
			if err := s.liar.State.Create(ctx, key, value); !errors.Is(err, sidecar.ErrConflict) {
				return err
			}
			return nil
		}
	}},
	{"create-refuses-created", conformance.LevelUnsafe, "a refused create overwrites all the same", everyCreate, func(s *setting) {
		s.liar.create = func(ctx context.Context, key string, value []byte) error {
			err := s.liar.State.Create(ctx, key, value)
			s.store.Put(key, value)
			return err
		}
	}},
	{"create-refuses-replaced", conformance.LevelUnsafe, "a replaced key forgets that it was created", nil, func(s *setting) {
		replaced := forgetful(s)
		s.liar.create = func(ctx context.Context, key string, value []byte) error {
			if replaced(key) {
				s.store.Put(key, value)
				return nil
			}
			return s.liar.State.Create(ctx, key, value)
		}
	}},
	{"create-refuses-overwritten", conformance.LevelSafe, "a plain key is not protected, as on Redis", nil, func(s *setting) {
		s.liar.create = func(ctx context.Context, key string, value []byte) error {
			if string(s.store.Value(key)) == `{"by":"a plain write"}` {
				s.store.Put(key, value)
				return nil
			}
			return s.liar.State.Create(ctx, key, value)
		}
	}},
	{"create-race", conformance.LevelUnsafe, "a create looks first and writes then", []string{"read-back"}, func(s *setting) {
		s.liar.create = func(_ context.Context, key string, value []byte) error {
			if s.store.Value(key) != nil {
				return sidecar.ErrConflict
			}
			<-time.After(time.Millisecond)
			s.store.Put(key, value)
			return nil
		}
	}},
	{"create-after-delete", conformance.LevelSafe, "a deleted key leaves a tombstone", nil, func(s *setting) {
		var gone sync.Map
		s.liar.remove = func(ctx context.Context, key string) error {
			gone.Store(key, true)
			return s.liar.State.Delete(ctx, key)
		}
		s.liar.create = func(ctx context.Context, key string, value []byte) error {
			if _, there := gone.Load(key); there {
				return errors.New("tombstone")
			}
			return s.liar.State.Create(ctx, key, value)
		}
	}},
	{"replace-with-etag", conformance.LevelUnsafe, "a replace is never taken", []string{
		"create-refuses-replaced", "replace-refuses-stale", "replace-race", "replace-refuses-old-value", "read-after-write",
		"value-text", "value-shapes", "value-integers", "value-numbers", "restart",
	}, func(s *setting) {
		s.liar.replace = func(context.Context, string, []byte, string) error { return errors.New("no ETags here") }
	}},
	{"replace-with-etag", conformance.LevelUnsafe, "there is but one ETag", []string{"replace-refuses-stale", "replace-race", "replace-refuses-old-value", "replace-refuses-absent"}, func(s *setting) {
		lieAboutETags(s, func([]byte) string { return "1" })
	}},
	{"replace-refuses-stale", conformance.LevelUnsafe, "a replace does not look at the ETag", []string{"replace-race", "replace-refuses-old-value", "replace-refuses-absent"}, func(s *setting) {
		s.liar.replace = func(_ context.Context, key string, value []byte, _ string) error { s.store.Put(key, value); return nil }
	}},
	{"replace-race", conformance.LevelUnsafe, "a replace looks first and writes then", nil, func(s *setting) {
		s.liar.replace = func(ctx context.Context, key string, value []byte, etag string) error {
			item, err := s.liar.State.Get(ctx, key)
			if err != nil || item.ETag != etag {
				return sidecar.ErrConflict
			}
			<-time.After(time.Millisecond)
			s.store.Put(key, value)
			return nil
		}
	}},
	{"replace-refuses-old-value", conformance.LevelDegraded, "the ETag is a hash of the value", nil, func(s *setting) {
		lieAboutETags(s, func(value []byte) string {
			h := fnv.New64a()
			_, _ = h.Write(value)
			return fmt.Sprint(h.Sum64())
		})
	}},
	{"replace-refuses-absent", conformance.LevelSafe, "a replace creates, as on Redis", nil, func(s *setting) {
		s.liar.replace = func(ctx context.Context, key string, value []byte, etag string) error {
			if s.store.Value(key) == nil {
				s.store.Put(key, value)
				return nil
			}
			return s.liar.State.Replace(ctx, key, value, etag)
		}
	}},
	{"read-after-write", conformance.LevelUnsafe, "another sidecar answers from a cache now and then", nil, func(s *setting) {
		var mu sync.Mutex
		cache, reads := map[string]sidecar.Item{}, 0
		s.peer = &liar{State: s.liar, get: func(ctx context.Context, key string) (sidecar.Item, error) {
			item, err := s.liar.Get(ctx, key)
			mu.Lock()
			defer mu.Unlock()
			reads++
			if old, there := cache[key]; there && reads%10 == 0 && strings.Contains(key, "/read/") {
				return old, err
			}
			cache[key] = item
			return item, err
		}}
	}},
	{"one-store", conformance.LevelUnsafe, "each sidecar has a store of its own, as in memory", nil, func(s *setting) {
		s.peer = journaltest.NewStore().Client("b", journaltest.Faults{})
	}},
	{"bulk-read-fresh", conformance.LevelDegraded, "a full bulk read stops before its last key", nil, func(s *setting) {
		s.liar.bulk = func(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
			if len(keys) < sidecar.MaxBulkKeys {
				return s.liar.State.GetBulk(ctx, keys)
			}
			return s.liar.State.GetBulk(ctx, keys[:len(keys)-1])
		}
	}},
	{"bulk-read-fresh", conformance.LevelDegraded, "bulk reads are behind, as DynamoDB's may be", nil, func(s *setting) {
		s.liar.bulk = func(context.Context, []string) (map[string]sidecar.Item, error) {
			return map[string]sidecar.Item{}, nil
		}
	}},
	{"bulk-read", conformance.LevelUnsafe, "a bulk read gives a key the value of the one before it", everyBulk, func(s *setting) {
		s.liar.bulk = func(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
			items, err := s.liar.State.GetBulk(ctx, keys)
			shifted, before := map[string]sidecar.Item{}, sidecar.Item{}
			for i, k := range keys {
				if item, there := items[k]; there {
					if shifted[k] = item; i > 0 && before.Value != nil {
						shifted[k] = before
					}
					before = item
				}
			}
			return shifted, err
		}
	}},
	{"bulk-read", conformance.LevelUnsafe, "a bulk read invents what is missing", nil, func(s *setting) {
		s.liar.bulk = func(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
			items, err := s.liar.State.GetBulk(ctx, keys)
			for _, k := range keys {
				if _, there := items[k]; !there && err == nil {
					items[k] = sidecar.Item{Value: []byte(`{}`), ETag: "1"}
				}
			}
			return items, err
		}
	}},
	{"bulk-read-large", conformance.LevelUnsafe, "an answer is bounded", nil, func(s *setting) {
		s.liar.bulk = func(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
			items, err := s.liar.State.GetBulk(ctx, keys)
			size := 0
			for _, item := range items {
				size += len(item.Value)
			}
			if size > 4<<20 {
				return nil, errors.New("too large")
			}
			return items, err
		}
	}},
	{"delete", conformance.LevelDegraded, "nothing is deleted", []string{"create-after-delete", "replace-refuses-absent"}, func(s *setting) {
		s.liar.remove = func(context.Context, string) error { return nil }
	}},
	{"delete", conformance.LevelDegraded, "an absent key cannot be deleted", nil, func(s *setting) {
		s.liar.remove = func(ctx context.Context, key string) error {
			if s.store.Value(key) == nil {
				return errors.New("no such key")
			}
			return s.liar.State.Delete(ctx, key)
		}
	}},
	{"value-sizes", conformance.LevelUnsafe, "values end at 128 KB", []string{"bulk-read-large", "broker-large"}, func(s *setting) {
		s.liar.create = func(ctx context.Context, key string, value []byte) error {
			if len(value) > 128<<10 {
				return errors.New("too large")
			}
			return s.liar.State.Create(ctx, key, value)
		}
	}},
	{"value-text", conformance.LevelUnsafe, "three bytes a character", nil, rewriting(func(value []byte) []byte {
		return bytes.Map(func(c rune) rune {
			if c > 0xffff {
				return '?'
			}
			return c
		}, value)
	})},
	{"value-shapes", conformance.LevelUnsafe, "members that are null are dropped", nil, rewriting(func(value []byte) []byte {
		return bytes.ReplaceAll(value, []byte(`"a":null,`), nil)
	})},
	{"value-integers", conformance.LevelUnsafe, "numbers are floats of 64 bits", nil, rewriting(func(value []byte) []byte {
		return bytes.ReplaceAll(value, []byte("9007199254740993"), []byte("9007199254740992"))
	})},
	{"value-numbers", conformance.LevelSafe, "fractions have 16 digits", nil, rewriting(func(value []byte) []byte {
		return bytes.ReplaceAll(value, []byte("3.141592653589793238462643383279"), []byte("3.141592653589793"))
	})},
	{"key-shapes", conformance.LevelUnsafe, "keys end at 120 bytes", []string{"keys-apart"}, func(s *setting) {
		s.liar.create = func(ctx context.Context, key string, value []byte) error {
			if len(key) > 120 {
				return errors.New("key too long")
			}
			return s.liar.State.Create(ctx, key, value)
		}
	}},
	{"keys-apart", conformance.LevelUnsafe, "keys are cut at 150 bytes", nil, renaming(func(key string) string { return key[:min(len(key), 150)] })},
	{"keys-apart", conformance.LevelUnsafe, "a dot is a slash", nil, renaming(func(key string) string { return strings.ReplaceAll(key, ".", "/") })},
	{"keys-case", conformance.LevelSafe, "keys have no case", nil, renaming(strings.ToLower)},
	{"read-back", conformance.LevelUnsafe, "a loser does not see the winner at once", nil, func(s *setting) {
		var mu sync.Mutex
		blind := map[string]bool{}
		s.liar.create = func(ctx context.Context, key string, value []byte) error {
			err := s.liar.State.Create(ctx, key, value)
			mu.Lock()
			defer mu.Unlock()
			blind[key] = errors.Is(err, sidecar.ErrConflict) && strings.Contains(key, "/read-back/")
			return err
		}
		s.liar.get = func(ctx context.Context, key string) (sidecar.Item, error) {
			mu.Lock()
			defer mu.Unlock()
			if blind[key] {
				delete(blind, key)
				return sidecar.Item{}, nil
			}
			return s.liar.State.Get(ctx, key)
		}
	}},
	{"deadline", conformance.LevelUnsafe, "a write that ran out of time lands over its successor", nil, func(s *setting) {
		s.liar.create = func(ctx context.Context, key string, value []byte) error {
			if ctx.Err() != nil {
				time.AfterFunc(time.Microsecond, func() { s.store.Put(key, value) })
				return ctx.Err()
			}
			err := s.liar.State.Create(ctx, key, value)
			<-time.After(time.Millisecond)
			return err
		}
	}},
	{"deadline", conformance.LevelUnsafe, "a create does not look at its deadline", nil, func(s *setting) {
		s.liar.create = func(ctx context.Context, key string, value []byte) error {
			if deadline, there := ctx.Deadline(); there && time.Until(deadline) < time.Second {
				<-time.After(time.Minute)
			}
			return s.liar.State.Create(ctx, key, value)
		}
	}},
	{"restart", conformance.LevelUnsafe, "the last writes are gone", nil, func(s *setting) {
		s.restart = func(context.Context) error {
			s.store.Remove(s.store.Keys("conformance/")[0])
			keys := slices.DeleteFunc(s.store.Keys("conformance/"), func(k string) bool { return !strings.Contains(k, "/restart/") })
			s.store.Remove(keys[len(keys)-1])
			return nil
		}
	}},
	{"pace", conformance.LevelDegraded, "three seconds a create", nil, func(s *setting) {
		s.liar.create = func(ctx context.Context, key string, value []byte) error {
			if strings.Contains(key, "/pace/") {
				<-time.After(3 * time.Second)
			}
			return s.liar.State.Create(ctx, key, value)
		}
	}},
}
