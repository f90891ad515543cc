package host

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/sidecart/sidecart/services/kit/vitals"
)

// Host is a set of services that run as one Dapr app. Make it with New, run it once.
type Host struct {
	cfg      Config
	out      Outside
	metrics  prometheus.Registerer // the host's own
	services []Service
	moves    map[string]*move // by service; nil while there is one broker
	topics   map[string][]ear // who follows what
	audience *audience        // who follows what is here from elsewhere
	events   *events          // hands what was published to those
	app      http.Handler     // what the sidecar talks to
	internal http.Handler     // what operators talk to
	public   []outlet         // what the outside world talks to
	calls    *transport
	inFlight inFlight
	vitals   *vitals.Watch
	gate     *gate // before everything that the sidecar may ask, but health

	sidecarUp atomic.Bool // it was seen healthy since the start
	stopping  atomic.Bool
	addresses addresses
}

// serviceName is what a name must be to serve as app id, topic, host name and key prefix on every platform.
var serviceName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// reserved are the first segments of the host's own paths (see isOwn).
var reserved = []string{"dapr", "events", "healthz", "readyz"}

// New makes the services and joins them; nothing runs or listens yet. The errors of all factories come together.
func New(cfg Config, out Outside, factories ...Named) (*Host, error) {
	cfg = cfg.Defaults()
	out = out.defaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if out.Sidecar == nil {
		return nil, errors.New("host: no sidecar given")
	}
	// A metric must have the same label names wherever it is registered, and services' metrics have this one.
	own := prometheus.WrapRegistererWith(prometheus.Labels{"service": "host"}, out.Metrics)
	names := make([]string, 0, len(factories))
	for _, f := range factories {
		if !serviceName.MatchString(f.Name) || slices.Contains(reserved, f.Name) {
			return nil, fmt.Errorf("host: %q cannot be the name of a service", f.Name)
		}
		if slices.Contains(names, f.Name) {
			return nil, fmt.Errorf("host: service %q is given twice", f.Name)
		}
		names = append(names, f.Name)
	}
	if len(names) == 0 {
		return nil, errors.New("host: no services given")
	}
	h := &Host{cfg: cfg, out: out, metrics: own, moves: map[string]*move{}, gate: newGate(), addresses: addresses{open: make(chan struct{})}}
	h.calls = newTransport(cfg, out.Log)
	h.audience = newAudience(cfg.App, names, out.Now)
	process := out.NewID() // names this start of the process
	var err error
	if h.vitals, err = vitals.New(cfg.Vitals, vitals.Deps{Now: out.Now, ID: process, Log: out.Log, Metrics: own}); err != nil {
		return nil, err
	}
	shared := Deps{
		Now: out.Now, NewID: out.NewID, Writer: process, State: out.Sidecar, Bindings: out.Sidecar, Configuration: out.Sidecar, Secrets: out.Sidecar,
		Apps: out.Sidecar.App, Client: &http.Client{Transport: h.calls, CheckRedirect: noRedirects}, Tracer: out.Tracer, Services: names, HostReady: h.ready,
	}
	var wrong []error
	for _, f := range factories {
		s, err := h.make(f, shared)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("service %s: %w", f.Name, err))
			continue
		}
		h.services = append(h.services, s)
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	if err := h.join(); err != nil {
		return nil, err
	}
	h.public = h.outlets()
	return h, nil
}

func (h *Host) make(f Named, d Deps) (Service, error) {
	d.Log = h.out.Log.With(slog.String("service", f.Name))
	d.Metrics = prometheus.WrapRegistererWith(prometheus.Labels{"service": f.Name}, h.out.Metrics)
	d.Publisher, h.moves[f.Name] = h.publisher(d.Log)
	if h.moves[f.Name] == nil { // otherwise what each broker delivers first is counted, so nothing may come before it
		d.Publisher = nearby{host: h, service: f.Name, broker: d.Publisher}
	}
	s, err := f.New(d)
	if err != nil {
		return nil, err
	}
	if s.Name() != f.Name {
		return nil, fmt.Errorf("calls itself %q", s.Name())
	}
	return s, h.moves[f.Name].follow(h.cfg.Brokers, s, d)
}

// Contracts are the OpenAPI documents of the services that have one, by service.
func (h *Host) Contracts() map[string][]byte {
	all := map[string][]byte{}
	for _, s := range h.services {
		if c := s.Contract(); c != nil {
			all[s.Name()] = c
		}
	}
	return all
}

// ready is nil when the sidecar was seen and every service is ready.
func (h *Host) ready() error {
	if h.stopping.Load() {
		return errors.New("stopping")
	}
	if !h.sidecarUp.Load() {
		return errors.New("waiting for the sidecar")
	}
	for _, s := range h.services {
		if err := s.Ready(); err != nil {
			return fmt.Errorf("%s: %w", s.Name(), err)
		}
	}
	return nil
}

// open says why this host does not do all of its work now: beside being ready, its public listeners accept calls and it does not rest
// in danger (kit/vitals). It is what whoever starts a host waits for, and what a balancer asks.
func (h *Host) open() error {
	if err := h.ready(); err != nil {
		return err
	}
	if _, _, public := h.Addresses(); len(public) < len(h.public) {
		return errors.New("opening the public listener")
	}
	return h.vitals.Ready()
}

// noRedirects hands a redirect to the caller: no service of ours sends one, so following it would be wrong.
func noRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (o Outside) defaults() Outside {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider().Tracer("")
	}
	if o.Now == nil {
		o.Now = func() time.Time { return time.Now().UTC() }
	}
	if o.NewID == nil {
		o.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	return o
}
