package host

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

const (
	livePath   = "/livez"
	healthPath = "/healthz"
	readyPath  = "/readyz"
)

// join mounts every service's routes and makes the two handlers of the host.
func (h *Host) join() error {
	deps := httpx.Deps{Log: h.out.Log, Metrics: h.metrics, NewID: h.out.NewID, Tracer: h.out.Tracer}
	routes := httpx.NewEcho(h.cfg.HTTP, deps)
	var wrong []error
	for _, s := range h.services {
		g := routes.Group("/" + s.Name())
		if err := serveContract(g, s.Contract()); err != nil {
			wrong = append(wrong, fmt.Errorf("service %s: contract: %w", s.Name(), err))
		}
		s.Register(g)
		g.GET("/internal/brokers", h.brokersOf(s.Name(), h.moves[s.Name()]))
		h.calls.local[s.Name()] = routes
	}
	if err := errors.Join(wrong...); err != nil {
		return err
	}
	h.topics = h.subscriptions()
	own, err := h.ownRoutes(deps)
	if err != nil {
		return err
	}
	if h.inFlight, err = newInFlight(h.metrics); err != nil {
		return err
	}
	if err := newReady(h.metrics, h.open); err != nil {
		return err
	}
	h.app = h.inFlight.on("app", h.guard(own, routes))
	h.internal = h.internalRoutes()
	return nil
}

// guard lets the sidecar in and nobody else. Health stays open: it tells nothing, and a probe has no token.
func (h *Host) guard(own, routes http.Handler) http.Handler {
	// Digests have one length, so that comparing them in constant time does not give away the token's.
	want := sha256.Sum256([]byte(h.cfg.AppToken))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != healthPath && h.cfg.AppToken != "" {
			got := sha256.Sum256([]byte(r.Header.Get("Dapr-Api-Token")))
			if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
				httpx.WriteProblem(w, r, errs.New(errs.Unauthenticated, "unauthenticated", "only the sidecar may call this"))
				return
			}
		}
		r.Header.Del("Dapr-Api-Token")
		if r.URL.Path == healthPath || r.URL.Path == readyPath {
			own.ServeHTTP(w, r)
			return
		}
		if !h.gate.enter() {
			e := errs.New(errs.Unavailable, errs.CodeUnavailable, "this replica is stopping; nothing was changed")
			e.RetryAfter = time.Second
			httpx.WriteProblem(w, r, e)
			return
		}
		defer h.gate.leave()
		if isOwn(r.URL.Path) {
			own.ServeHTTP(w, r)
			return
		}
		h.audience.note(r.URL.Path)
		routes.ServeHTTP(w, r)
	})
}

// isOwn tells the host's own routes from those of services; New refuses services of such a name.
func isOwn(path string) bool {
	return path == healthPath || path == readyPath || strings.HasPrefix(path, "/dapr/") || strings.HasPrefix(path, eventsPath)
}

// ownRoutes are what Dapr asks of an app. The bound of an event's body is receive's own, because an event is
// acknowledged even when it is too large to be taken.
func (h *Host) ownRoutes(deps httpx.Deps) (http.Handler, error) {
	cfg := h.cfg.HTTP
	cfg.MaxBodyBytes = math.MaxInt64
	e := httpx.NewEcho(cfg, deps)
	e.GET(healthPath, h.health)
	e.GET(readyPath, h.readiness)
	e.GET("/dapr/subscribe", h.subscribe)
	events, err := newEvents(h.cfg.Brokers.components(), h.topics, h.out.Log, h.metrics)
	if err != nil {
		return nil, err
	}
	e.POST(eventsPath+":broker/:topic", events.receive)
	h.events = events
	return e, nil
}

// health says that the process lives: while it starts, waits for others and stops, too. It never depends on a store. On the
// way down it holds until the very end, because a sidecar that has been told to end does so when its app is unhealthy, and the
// last commits need it.
func (h *Host) health(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]string{"status": "ok"})
}

// readiness tells operators what is missing; its text is for them and stays on loopback.
func (h *Host) readiness(c echo.Context) error {
	answer := struct {
		Ready    bool              `json:"ready"`
		Waiting  string            `json:"waiting_for,omitzero"`
		Sidecar  bool              `json:"sidecar"`
		Services map[string]string `json:"services"`
		Signals  map[string]string `json:"signals,omitempty"` // of the process that are not fine (kit/vitals)
	}{Signals: h.vitals.Levels(), Ready: true, Sidecar: h.sidecarUp.Load(), Services: map[string]string{}}
	if err := h.open(); err != nil {
		answer.Ready, answer.Waiting = false, err.Error()
	}
	for _, s := range h.services {
		answer.Services[s.Name()] = "ready"
		if err := s.Ready(); err != nil {
			answer.Services[s.Name()] = err.Error()
		}
	}
	status := http.StatusOK
	if !answer.Ready {
		status = http.StatusServiceUnavailable
	}
	return c.JSON(status, answer)
}

// waitForSidecar notes when the sidecar is up. Nothing waits for it but readiness: services start at once and the
// sidecar itself waits for our port.
func (h *Host) waitForSidecar(ctx context.Context) {
	if err := h.out.Sidecar.Wait(ctx); err != nil {
		return // ctx ended
	}
	h.sidecarUp.Store(true)
	h.out.Log.InfoContext(ctx, "sidecar is up", slog.Int("dapr_http_port", h.cfg.DaprHTTPPort))
}
