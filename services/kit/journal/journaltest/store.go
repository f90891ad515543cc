package journaltest

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Store is what the store holds. It is safe for concurrent use.
type Store struct {
	mu      sync.Mutex
	items   map[string]item
	version uint64
	writes  int
}

type item struct {
	value   []byte
	version uint64
}

// NewStore makes an empty store.
func NewStore() *Store { return &Store{items: make(map[string]item)} }

// Keys lists the keys that begin with prefix, in order. No real store of ours can do this: it is for assertions.
func (s *Store) Keys(prefix string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for k := range s.items {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// Value is what key holds, nil when it does not exist.
func (s *Store) Value(key string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.items[key].value)
}

// Put overwrites key, whatever it holds: a test's way to play the zombie or to damage a value.
func (s *Store) Put(key string, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(key, value)
}

// Remove deletes key behind everybody's back.
func (s *Store) Remove(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.items, key)
}

// Writes counts the writes that changed something.
func (s *Store) Writes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

func (s *Store) put(key string, value []byte) {
	s.version++
	s.writes++
	s.items[key] = item{value: bytes.Clone(value), version: s.version}
}

func (s *Store) get(key string) (sidecar.Item, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it, ok := s.items[key]
	if !ok {
		return sidecar.Item{}, false
	}
	return sidecar.Item{Value: bytes.Clone(it.value), ETag: strconv.FormatUint(it.version, 10)}, true
}

func (s *Store) create(key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, exists := s.items[key]; exists {
		return sidecar.ErrConflict
	}
	if len(value) > sidecar.MaxValueBytes {
		return fmt.Errorf("journaltest: %d bytes are over the bound of a value", len(value))
	}
	s.put(key, value)
	return nil
}

func (s *Store) replace(key string, value []byte, etag string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	it, exists := s.items[key]
	if !exists || strconv.FormatUint(it.version, 10) != etag {
		return sidecar.ErrConflict
	}
	if len(value) > sidecar.MaxValueBytes {
		return fmt.Errorf("journaltest: %d bytes are over the bound of a value", len(value))
	}
	s.put(key, value)
	return nil
}

func (s *Store) remove(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, exists := s.items[key]; exists {
		s.writes++
		delete(s.items, key)
	}
}
