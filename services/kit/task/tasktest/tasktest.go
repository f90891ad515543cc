// Package tasktest is the surroundings in which services with external effects are tested: a real journal of the
// service that they follow, calls between services without sockets, and an outside world that fails on demand.
// Everything is in memory and works in a testing/synctest bubble.
package tasktest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// World is one test's store, services and outside.
type World struct {
	T     testing.TB
	Store *journaltest.Store

	mu     sync.Mutex
	routes map[string]http.Handler                       // by service
	follow map[string]func(context.Context, []byte) bool // by topic: the one service under test
	outer  Outside
}

// Outside answers a call of an output binding.
type Outside func(ctx context.Context, name, operation string, data []byte, metadata map[string]string) (sidecar.BindingResult, error)

// New is an empty world whose outside refuses everything.
func New(t testing.TB) *World {
	return &World{
		T: t, Store: journaltest.NewStore(), routes: map[string]http.Handler{},
		follow: map[string]func(context.Context, []byte) bool{},
		outer: func(context.Context, string, string, []byte, map[string]string) (sidecar.BindingResult, error) {
			return sidecar.BindingResult{}, errors.New("tasktest: there is no outside")
		},
	}
}

// Outside replaces the outside world.
func (w *World) Outside(o Outside) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outer = o
}

// Invoke makes the world a sidecar.Bindings.
func (w *World) Invoke(ctx context.Context, name, operation string, data []byte, metadata map[string]string) (sidecar.BindingResult, error) {
	w.mu.Lock()
	outside := w.outer
	w.mu.Unlock()
	return outside(ctx, name, operation, data, metadata)
}

// Publish makes the world a sidecar.Publisher that delivers at once.
func (w *World) Publish(ctx context.Context, topic string, event sidecar.CloudEvent) error {
	w.mu.Lock()
	deliver := w.follow[topic]
	w.mu.Unlock()
	if deliver != nil {
		deliver(ctx, event.Data)
	}
	return nil
}

// RoundTrip makes the world the way to the services.
func (w *World) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	in.URL.Path, in.RequestURI = "/"+r.URL.Host+r.URL.Path, ""
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w.mu.Lock()
	handler := w.routes[r.URL.Host]
	w.mu.Unlock()
	if handler == nil {
		return nil, errors.New("tasktest: no such service")
	}
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, in)
	return rec.Result(), nil
}

// Client reaches the services of the world.
func (w *World) Client() *http.Client { return &http.Client{Transport: w} }

// Get calls a service and decodes its answer.
func (w *World) Get(url string, out any) error {
	return httpx.Call(w.T.Context(), w.Client(), http.MethodGet, url, nil, out)
}

// Post calls a service without a body.
func (w *World) Post(url string) error {
	return httpx.Call(w.T.Context(), w.Client(), http.MethodPost, url, nil, nil)
}

// Deps are what a service under test is given; each call is a new start of the process.
func (w *World) Deps(faults journaltest.Faults) host.Deps {
	writer := uuid.Must(uuid.NewV7()).String()
	return host.Deps{
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Now().UTC() },
		NewID:  func() string { return uuid.Must(uuid.NewV7()).String() },
		Writer: writer, State: w.Store.Client(writer, faults), Publisher: w, Bindings: w, Client: w.Client(),
		Metrics: prometheus.NewRegistry(),
	}
}

// Start runs a service until stop. A later start of the same service takes the place of the one before.
func (w *World) Start(s host.Service) (stop func()) {
	w.mount(s.Name(), s.Register)
	w.mu.Lock()
	for topic, deliver := range s.Follows() {
		w.follow[topic] = deliver
	}
	w.mu.Unlock()
	return w.run(s.Run)
}

// mount makes a service reachable.
func (w *World) mount(name string, register func(*echo.Group)) {
	e := httpx.NewEcho(httpx.Config{}, httpx.Deps{})
	register(e.Group("/" + name))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.routes[name] = e
}

// run runs something until the returned function is called.
func (w *World) run(f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			w.T.Errorf("a service ended with %v", err)
		}
	})
}

// Source is the journal of a service that is followed, to which the test appends events.
type Source struct {
	w       *World
	journal *journal.Journal[struct{}]
}

// Source starts the journal of the named service.
func (w *World) Source(name string, types journal.Types) (s *Source, stop func()) {
	deps := w.Deps(journaltest.Faults{})
	j, err := journal.New(journal.Config{Service: name}, recorder{types}, journal.Deps{
		State: deps.State, Now: deps.Now, Writer: deps.Writer,
		Publish: func(ctx context.Context, _ journal.Segment, encoded []byte) error {
			return w.Publish(ctx, name, sidecar.CloudEvent{Data: encoded})
		},
	})
	require.NoError(w.T, err)
	w.mount(name, j.Register)
	stop = w.run(j.Run)
	<-j.Loaded()
	return &Source{w, j}, stop
}

// Append commits the events in one segment, in the shard of the aggregate.
func (s *Source) Append(aggregateID string, events ...journal.Event) {
	s.w.T.Helper()
	_, err := s.journal.Do(s.w.T.Context(), aggregateID, events)
	require.NoError(s.w.T, err)
}

// recorder is a domain that keeps nothing: its commands are events.
type recorder struct{ types journal.Types }

func (recorder) New() struct{}                             { return struct{}{} }
func (recorder) Clone(struct{}) struct{}                   { return struct{}{} }
func (recorder) Apply(struct{}, journal.At, journal.Event) {}
func (recorder) Decide(_ struct{}, _ journal.At, cmd journal.Command) (any, []journal.Event, error) {
	return nil, cmd.([]journal.Event), nil
}
func (recorder) Dump(struct{}, func(string, any) error) error { return nil }
func (recorder) Load(struct{}, string, jsontext.Value) error  { return nil }
func (r recorder) Types() journal.Types                       { return r.types }
