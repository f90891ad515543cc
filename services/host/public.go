package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/sidecart/sidecart/services/kit/httpx"
)

// readyPoll is how often the opening of the public listeners looks whether the services are ready.
const readyPoll = 10 * time.Millisecond

// Server answers on a listener; *http.Server is one.
type Server interface {
	// Serve answers until Shutdown or Close; it returns nil or http.ErrServerClosed then.
	Serve(l net.Listener) error
	// Shutdown takes nothing more and waits for what is under way until ctx ends.
	Shutdown(ctx context.Context) error
	// Close cuts everything off.
	Close() error
}

// outlet is a listener to the outside world that is to be opened.
type outlet struct {
	name    string // in metrics
	address string
	server  Server
}

// outlets are those of all services.
func (h *Host) outlets() []outlet {
	var all []outlet
	for _, s := range h.services {
		if p, ok := s.(Public); ok {
			address, handler := p.Public()
			all = append(all, outlet{httpx.Public, address, httpx.NewServer(h.inFlight.on(httpx.Public, handler), httpx.ServerConfig{}, h.out.Log)})
		}
		if p, ok := s.(PublicGRPC); ok {
			if address, server := p.PublicGRPC(); server != nil {
				all = append(all, outlet{"grpc", address, server})
			}
		}
	}
	return all
}

// tryPublic finds a taken public address at once and not only when everything else is up.
func (h *Host) tryPublic() error {
	for _, o := range h.public {
		l, err := httpx.Listen(o.address)
		if err != nil {
			return err
		}
		if err := l.Close(); err != nil {
			return fmt.Errorf("listener %s: %w", o.address, err)
		}
	}
	return nil
}

// openPublic opens the public listeners once every service of this host is ready: nobody outside sees a half-started shop.
func (h *Host) openPublic(ctx context.Context, intake *servers, failed chan<- error) {
	if len(h.public) == 0 {
		return
	}
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for h.ready() != nil {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
	for _, o := range h.public {
		if err := h.openOne(ctx, o, intake, failed); err != nil {
			failed <- err
			return
		}
	}
}

// openOne opens a public listener, unless stopping has begun.
func (h *Host) openOne(ctx context.Context, o outlet, intake *servers, failed chan<- error) error {
	l, err := httpx.Listen(o.address)
	if err != nil {
		return err
	}
	bound, err := httpx.Bound(l, httpx.Connections{Listener: o.name, Metrics: h.metrics})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	if !intake.add(o.server) {
		_ = l.Close()
		return nil
	}
	h.serve(bound, o.server, failed)
	h.addresses.mu.Lock()
	h.addresses.public = append(h.addresses.public, l.Addr().String())
	h.addresses.mu.Unlock()
	h.out.Log.InfoContext(ctx, "open to the public", slog.String("address", l.Addr().String()), slog.String("listener", o.name))
	return nil
}

// servers are those of the public listeners.
type servers struct {
	mu     sync.Mutex
	closed bool
	list   []Server
}

// add is false when the servers are already shut down.
func (s *servers) add(server Server) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.list = append(s.list, server)
	return true
}

// shutdown closes the listeners, the latest first, and waits for what is under way until ctx ends.
func (s *servers) shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	list := s.list
	s.mu.Unlock()
	var wrong []error
	for i := len(list) - 1; i >= 0; i-- {
		wrong = append(wrong, shutdown(ctx, list[i]))
	}
	return errors.Join(wrong...)
}
