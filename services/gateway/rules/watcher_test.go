package rules

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sidecart/sidecart/services/kit/fault"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// part notes what it was given.
type part struct {
	mu    sync.Mutex
	files []*File
	bad   []fault.Fault // what its Check finds
}

func (p *part) join(w *Watcher) {
	w.Join(Part{
		Check: func(*File) []fault.Fault { p.mu.Lock(); defer p.mu.Unlock(); return p.bad },
		Use:   func(f *File) { p.mu.Lock(); defer p.mu.Unlock(); p.files = append(p.files, f) },
	})
}

// routes gives how many routes each document had that was put into use.
func (p *part) routes() (n []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.files {
		n = append(n, len(f.Routes))
	}
	return n
}

const (
	none = "version: 1\n"
	one  = "version: 1\nroutes: {placeOrder: {budget: 5s}}\n"
	two  = "version: 1\nroutes: {placeOrder: {budget: 5s}, getOrder: {}}\n"
	bad  = "version: 1\nroutes:\n  placeOrder: {budget: 5}\n"
)

func write(t testing.TB, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func watching(t *testing.T, text string) (*Watcher, *part, string) {
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	write(t, path, text)
	w, err := New(Config{Path: path}, Deps{})
	require.NoError(t, err)
	p := &part{}
	p.join(w)
	require.NoError(t, w.Load())
	return w, p, path
}

func TestAChangeComesIntoUseWhenTheFileStaysAsItIs(t *testing.T) {
	w, p, path := watching(t, one)
	first := w.Status()
	assert.Equal(t, path, first.Source)
	assert.Len(t, first.Digest, 12)
	w.look(false)
	w.look(false)
	assert.Equal(t, []int{1}, p.routes(), "nothing has changed")
	write(t, path, none)
	w.look(false)
	assert.Equal(t, []int{1}, p.routes(), "it may be half of what somebody writes just now")
	write(t, path, two)
	w.look(false)
	assert.Equal(t, []int{1}, p.routes())
	w.look(false)
	assert.Equal(t, []int{1, 2}, p.routes())
	write(t, path, one)
	w.look(true)
	assert.Equal(t, []int{1, 2, 1}, p.routes(), "whoever nudges has written it")
	require.NoError(t, os.Remove(path))
	w.look(true)
	assert.Equal(t, []int{1, 2, 1}, p.routes(), "a file that is away changes nothing")
}

func TestABadChangeIsRefusedWholeAndTold(t *testing.T) {
	w, p, path := watching(t, one)
	write(t, path, bad)
	w.look(true)
	w.look(true)
	assert.Equal(t, []int{1}, p.routes())
	s := w.Status()
	require.NotNil(t, s.Refused)
	assert.Equal(t, 1, s.Routes)
	assert.Equal(t, []Fault{{Line: 3, Column: 24, Path: "/routes/placeOrder/budget", Message: "want a duration such as 500ms, 30s or 5m"}}, s.Refused.Faults)
	assert.Equal(t, 1.0, testutil.ToFloat64(w.refused))
	assert.Equal(t, 1.0, testutil.ToFloat64(w.loads.WithLabelValues("refused")), "said once")

	write(t, path, one)
	w.look(true)
	assert.Nil(t, w.Status().Refused, "what was in use is there again")
	assert.Zero(t, testutil.ToFloat64(w.refused))

	p.mu.Lock()
	p.bad = []fault.Fault{{Place: "/routes/getOrder", Message: "is in no contract"}}
	p.mu.Unlock()
	before := len(p.routes())
	write(t, path, two)
	w.look(true)
	assert.Len(t, p.routes(), before, "one part that objects is enough")
	assert.Equal(t, []Fault{{Line: 2, Column: 36, Path: "/routes/getOrder", Message: "is in no contract"}}, w.Status().Refused.Faults)
}

func TestABadFileAtTheStartIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	for text, want := range map[string]string{bad: path + ":3:24: /routes/placeOrder/budget: want a duration", "": "is empty"} {
		write(t, path, text)
		w, err := New(Config{Path: path}, Deps{})
		require.NoError(t, err)
		require.ErrorContains(t, w.Load(), want)
	}
	w, err := New(Config{Path: path + "x"}, Deps{})
	require.NoError(t, err)
	require.ErrorContains(t, w.Load(), "there is no file")
	w, err = New(Config{}, Deps{})
	require.NoError(t, err)
	require.NoError(t, w.Load(), "none was named")
	assert.Equal(t, "none", w.Status().Source)
	w.look(true)
}

// TestALinkBehindALink: Kubernetes swaps ..data, a link to a folder, and what is watched is a link to a file in it.
func TestALinkBehindALink(t *testing.T) {
	dir := t.TempDir()
	for folder, text := range map[string]string{"..1": one, "..2": two} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, folder), 0o700))
		write(t, filepath.Join(dir, folder, "gateway.yaml"), text)
	}
	require.NoError(t, os.Symlink("..1", filepath.Join(dir, "..data")))
	path := filepath.Join(dir, "gateway.yaml")
	require.NoError(t, os.Symlink(filepath.Join("..data", "gateway.yaml"), path))
	w, err := New(Config{Path: path}, Deps{})
	require.NoError(t, err)
	p := &part{}
	p.join(w)
	require.NoError(t, w.Load())
	require.NoError(t, os.Symlink("..2", filepath.Join(dir, "next")))
	require.NoError(t, os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "..data")))
	w.look(false)
	w.look(false)
	assert.Equal(t, []int{1, 2}, p.routes())
}

// Files that rules name are written by somebody, too, also where the rules themselves come from the store.
func TestAFileThatRulesOfTheStoreNameIsWaitedFor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pricing.yaml")
	write(t, file, "whole")
	w, err := New(Config{}, Deps{Store: &shelf{value: "version: 1\nservices: {pricing: {grpc: {contract: " + file + ", descriptors: " + file + "}}}\n"}})
	require.NoError(t, err)
	p := &part{}
	p.join(w)
	require.NoError(t, w.Load())
	require.Equal(t, storeUsed, w.askStore(t.Context()))
	require.Len(t, w.nudge, 1)
	w.look(true)
	used := len(p.routes())
	write(t, file, "half")
	w.look(false)
	assert.Len(t, p.routes(), used)
	write(t, file, "half and half")
	w.look(false)
	assert.Len(t, p.routes(), used, "it changes still")
	w.look(false)
	assert.Len(t, p.routes(), used+1)
	w.look(false)
	assert.Len(t, p.routes(), used+1, "once")
}

// shelf is a configuration store that can be changed and taken away.
type shelf struct {
	mu      sync.Mutex
	value   string
	err     error
	changed func()
	watches int
}

func (s *shelf) ConfigurationItem(context.Context, string, string) (string, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.value, s.value != "", s.err
}

func (s *shelf) WatchConfiguration(ctx context.Context, _, _ string, changed func()) error {
	s.mu.Lock()
	s.changed = changed
	s.watches++
	s.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

// put changes the item; tell says whether the store tells of it.
func (s *shelf) put(value string, err error, tell bool) {
	s.mu.Lock()
	changed := s.changed
	s.value, s.err = value, err
	s.mu.Unlock()
	if tell && changed != nil {
		changed()
	}
}

func TestTheStoreWinsWhileItHasTheItem(t *testing.T) {
	defer goleak.VerifyNone(t)
	for name, c := range map[string]struct {
		every time.Duration
		tell  bool
	}{"told": {time.Hour, true}, "asked": {2 * time.Millisecond, false}} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "gateway.yaml")
			write(t, path, none)
			store := &shelf{}
			w, err := New(Config{Path: path, Every: 2 * time.Millisecond, StoreEvery: c.every}, Deps{Store: store})
			require.NoError(t, err)
			p := &part{}
			p.join(w)
			require.NoError(t, w.Load())
			ctx, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { w.Run(ctx) })
			defer running.Wait()
			defer stop()
			becomes := func(want func(Status) bool, what string) {
				t.Helper()
				require.Eventually(t, func() bool { return want(w.Status()) }, 10*time.Second, time.Millisecond, what)
			}
			becomes(func(s Status) bool { return s.Store == storeEmpty }, "the store is asked")
			require.Eventually(t, func() bool { store.mu.Lock(); defer store.mu.Unlock(); return store.watches > 0 }, 10*time.Second, time.Millisecond)
			store.put(one, nil, c.tell)
			becomes(func(s Status) bool { return s.Source == storeName && s.Routes == 1 && s.Store == storeUsed }, "the item is in use")
			write(t, path, two)
			store.put(bad, nil, c.tell)
			becomes(func(s Status) bool { return s.Refused != nil && s.Refused.Source == storeName && s.Routes == 1 }, "a bad item changes nothing")
			store.put("", errors.New("away"), c.tell)
			becomes(func(s Status) bool { return s.Store == storeUnreachable && s.Routes == 1 }, "an outage changes nothing")
			store.put("", nil, c.tell)
			becomes(func(s Status) bool { return s.Source == path && s.Routes == 2 && s.Refused == nil }, "without the item the file applies")
			store.put("", sidecar.ErrNoStore, c.tell)
			becomes(func(s Status) bool { return s.Store == storeAbsent }, "the set has no store")
		})
	}
}
