package host

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeSidecar stands in for the process beside us: only that it is there matters here.
type fakeSidecar struct {
	sidecar.Configuration
	sidecar.Secrets
	sidecar.State
	sidecar.Bindings
	up     chan struct{} // closed when it is
	closed atomic.Bool
}

func upSidecar() *fakeSidecar {
	s := &fakeSidecar{up: make(chan struct{})}
	close(s.up)
	return s
}

func (s *fakeSidecar) Wait(ctx context.Context) error {
	select {
	case <-s.up:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// App reaches nobody.
func (s *fakeSidecar) App(string) grpc.ClientConnInterface { return nil }

// On gives no publisher: nothing is published unless a test brings its own.
func (s *fakeSidecar) On(string) sidecar.Publisher { return nil }

func (s *fakeSidecar) Close() error { s.closed.Store(true); return nil }

// fakeService is a service whose every part a test can set.
type fakeService struct {
	name     string
	contract []byte
	routes   func(g *echo.Group)
	follows  map[string]func(context.Context, []byte) bool
	run      func(context.Context) error
	notReady atomic.Bool
	deps     Deps
}

func (s *fakeService) Name() string     { return s.name }
func (s *fakeService) Contract() []byte { return s.contract }
func (s *fakeService) Register(g *echo.Group) {
	if s.routes != nil {
		s.routes(g)
	}
}
func (s *fakeService) Follows() map[string]func(context.Context, []byte) bool { return s.follows }
func (s *fakeService) Run(ctx context.Context) error {
	if s.run != nil {
		return s.run(ctx)
	}
	<-ctx.Done()
	return ctx.Err()
}

func (s *fakeService) Ready() error {
	if s.notReady.Load() {
		return errors.New("still loading")
	}
	return nil
}

func (s *fakeService) named() Named {
	return Named{Name: s.name, New: func(d Deps) (Service, error) { s.deps = d; return s, nil }}
}

// publicService also listens to the outside.
type publicService struct {
	fakeService
	address string
	handler http.Handler
}

func (s *publicService) Public() (string, http.Handler) { return s.address, s.handler }
func (s *publicService) named() Named {
	return Named{Name: s.name, New: func(d Deps) (Service, error) { s.deps = d; return s, nil }}
}

// running is a host under test and how it ended.
type running struct {
	*Host
	stop  context.CancelFunc
	ended chan error
}

func start(t *testing.T, cfg Config, out Outside, named ...Named) *running {
	t.Helper()
	if out.Sidecar == nil {
		out.Sidecar = upSidecar()
	}
	h, err := New(cfg, out, named...)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Host: h, stop: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- h.Run(ctx) }()
	select {
	case <-h.Opened():
	case err := <-r.ended:
		cancel()
		require.NoError(t, err, "the host did not start")
	}
	t.Cleanup(func() {
		cancel()
		h.calls.dapr.(*http.Transport).CloseIdleConnections()
	})
	return r
}

// end stops the host and gives what Run returned.
func (r *running) end(t *testing.T) error {
	t.Helper()
	r.stop()
	return r.wait(t)
}

func (r *running) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(20 * time.Second):
		require.Fail(t, "the host did not end")
		return nil
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 20*time.Second, time.Millisecond, what)
}
