package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/vitals"
)

// addresses are where a running host listens, for tests and logs.
type addresses struct {
	mu       sync.Mutex
	app      string
	internal string
	public   []string
	open     chan struct{} // closed once the app and internal listeners are open
}

// Opened is closed once the app and internal listeners are open.
func (h *Host) Opened() <-chan struct{} { return h.addresses.open }

// Addresses gives host:port of the listeners; public ones appear once every service is ready.
func (h *Host) Addresses() (app, internal string, public []string) {
	h.addresses.mu.Lock()
	defer h.addresses.mu.Unlock()
	return h.addresses.app, h.addresses.internal, append([]string(nil), h.addresses.public...)
}

// Run opens the listeners and runs the services until ctx ends or one of them fails; then it stops everything
// within cfg.ShutdownWithin: not ready, no more intake, what is under way ends, services end, and last of all the app
// listener closes, because its sidecar may end when it is gone. It returns nil only after an orderly stop that ctx asked
// for. Call it once.
func (h *Host) Run(ctx context.Context) error {
	defer func() { _ = h.out.Sidecar.Close() }() // last of all: services use it until they end
	if err := h.tryPublic(); err != nil {
		return err
	}
	app, err := listen(h.cfg.ListenHost, h.cfg.AppPort)
	if err != nil {
		return err
	}
	internal, err := listen(h.cfg.InternalHost, h.cfg.InternalPort)
	if err != nil {
		return errors.Join(err, app.Close())
	}
	h.opened(app, internal)

	// Services and open requests outlive ctx: they are stopped in order below.
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	failed := make(chan error, len(h.services)*3+3) // room for all who may send: nobody waits here
	// A CPU profile of the usual 30 s must fit into the write timeout.
	internalServer := httpx.NewServer(h.internal, httpx.ServerConfig{WriteTimeout: 2 * time.Minute}, h.out.Log)
	h.serve(internal, internalServer, failed)
	appServer := httpx.NewServer(h.app, httpx.ServerConfig{}, h.out.Log)
	h.serve(app, appServer, failed)
	intake := &servers{}
	var running errgroup.Group
	for _, s := range h.services {
		running.Go(func() error { return h.runService(work, s, failed) })
	}
	starting, stopStarting := context.WithCancel(ctx)
	defer stopStarting()
	running.Go(func() error { h.waitForSidecar(starting); return nil })
	running.Go(func() error { return h.vitals.Run(work, vitals.NewReader(vitals.OS(), h.out.Now).Read) })
	running.Go(func() error { h.openPublic(starting, intake, failed); return nil })

	var cause error
	select {
	case <-ctx.Done():
	case cause = <-failed:
		h.out.Log.ErrorContext(ctx, "stopping because of a failure", slog.Any("error", cause))
	}
	stopStarting()
	err = h.stop(intake, appServer, stopWork, &running)
	return errors.Join(cause, err, internalServer.Close())
}

func listen(host string, port int) (net.Listener, error) {
	return httpx.Listen(net.JoinHostPort(host, strconv.Itoa(port)))
}

func (h *Host) opened(app, internal net.Listener) {
	h.addresses.mu.Lock()
	h.addresses.app, h.addresses.internal = app.Addr().String(), internal.Addr().String()
	h.addresses.mu.Unlock()
	close(h.addresses.open)
	h.out.Log.Info("listening", slog.String("app_address", app.Addr().String()), slog.String("internal_address", internal.Addr().String()))
	if h.cfg.AppToken == "" || h.cfg.DaprToken == "" {
		h.out.Log.Warn("no API tokens between app and sidecar: any process on this machine can call either",
			slog.Bool("app_token", h.cfg.AppToken != ""), slog.Bool("dapr_token", h.cfg.DaprToken != ""))
	}
}

// serve runs a server on l; its unexpected end is a failure of the host.
func (h *Host) serve(l net.Listener, server Server, failed chan<- error) {
	go func() {
		if err := server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("listener %s: %w", l.Addr(), err)
		}
	}()
}

// runService runs one service; if it ends while nobody asked it to, the host fails.
func (h *Host) runService(work context.Context, s Service, failed chan<- error) error {
	end := h.moves[s.Name()].begin(work)
	err := s.Run(work)
	end()
	if work.Err() == nil {
		if err == nil {
			err = errors.New("ended by itself")
		}
		failed <- fmt.Errorf("service %s: %w", s.Name(), err)
		return nil
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("service %s: stopping: %w", s.Name(), err)
	}
	return nil
}

// Reload has every service that can look for changes at once do so.
func (h *Host) Reload() {
	for _, s := range h.services {
		if r, ok := s.(Reloader); ok {
			r.Reload()
		}
	}
}

// stop goes down in order under one deadline.
func (h *Host) stop(intake *servers, app *http.Server, stopWork context.CancelFunc, running *errgroup.Group) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), h.cfg.ShutdownWithin)
	defer cancel()
	h.stopping.Store(true)
	err := errors.Join(intake.shutdown(ctx), h.gate.close(ctx))
	stopWork()
	ended := make(chan error, 1)
	go func() { ended <- running.Wait() }()
	select {
	case runErr := <-ended:
		h.out.Log.Info("stopped", slog.String("after", time.Since(began).String()))
		return errors.Join(err, runErr, shutdown(ctx, app))
	case <-ctx.Done():
		return errors.Join(err, fmt.Errorf("services did not stop within %s", h.cfg.ShutdownWithin), app.Close())
	}
}

// shutdown closes a server's listener and waits for what is under way until ctx ends; then that is cut off.
func shutdown(ctx context.Context, server Server) error {
	if err := server.Shutdown(ctx); err != nil {
		return fmt.Errorf("requests under way did not end: %w", errors.Join(err, server.Close()))
	}
	return nil
}
