package gateway

import (
	"context"
	_ "embed" // the contract and the page
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// Name is the service's name.
const Name = "gateway"

const codeCrossOrigin = "cross_origin"

//go:embed openapi.yaml
var contract []byte

// Config is what may be set. Zero fields take the defaults that are named.
type Config struct {
	Address        string        // public listener; 127.0.0.1:8080
	Services       []string      // those in front of which this stands; inventory, order, payment, notify
	MaxInFlight    int           // requests at once, over it 503; 4096
	MaxBodyBytes   int64         // of a request; 64 KiB
	AnswerWithin   time.Duration // deadline of a request; 15 s
	RefreshEvery   time.Duration // between looks at the services' contracts; 30 s
	StartAnyway    time.Duration // after it the gateway is ready though contracts are missing; 15 s
	StatusWithin   time.Duration // deadline of a service's answer about itself; 2 s
	MaxAnswerBytes int64         // of a service's answer; 8 MiB
}

func (c Config) withDefaults() Config {
	if c.Address == "" {
		c.Address = "127.0.0.1:8080"
	}
	if c.Services == nil {
		c.Services = []string{"inventory", "order", "payment", "notify"}
	}
	orDefault(&c.MaxInFlight, 4096)
	orDefault(&c.MaxBodyBytes, 64<<10)
	orDefault(&c.AnswerWithin, 15*time.Second)
	orDefault(&c.RefreshEvery, 30*time.Second)
	orDefault(&c.StartAnyway, 15*time.Second)
	orDefault(&c.StatusWithin, 2*time.Second)
	orDefault(&c.MaxAnswerBytes, 8<<20)
	return c
}

func orDefault[T int | int64 | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

// validate names everything that is wrong.
func (c Config) validate() error {
	var bad []error
	if _, _, err := net.SplitHostPort(c.Address); err != nil {
		bad = append(bad, fmt.Errorf("gateway: Address %q is not host:port", c.Address))
	}
	if slices.Contains(c.Services, Name) {
		bad = append(bad, errors.New("gateway: Services names the gateway itself"))
	}
	for name, ok := range map[string]bool{
		"MaxInFlight": c.MaxInFlight > 0, "MaxBodyBytes": c.MaxBodyBytes > 0, "AnswerWithin": c.AnswerWithin > 0,
		"RefreshEvery": c.RefreshEvery > 0, "StartAnyway": c.StartAnyway > 0, "StatusWithin": c.StatusWithin > 0,
		"MaxAnswerBytes": c.MaxAnswerBytes > 0,
	} {
		if !ok {
			bad = append(bad, fmt.Errorf("gateway: %s must be above 0", name))
		}
	}
	return errors.Join(bad...)
}

// base is the address that somebody on this machine would use.
func (c Config) base() string {
	name, port, _ := net.SplitHostPort(c.Address) // validate looked at it
	if ip := net.ParseIP(name); name == "" || ip != nil && ip.IsUnspecified() {
		name = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(name, port)
}

// Service is the gateway as a service of a host. Its methods are safe for concurrent use.
type Service struct {
	cfg       Config
	deps      host.Deps
	transport http.RoundTripper // of deps.Client
	log       *slog.Logger
	own       contractOf
	inFlight  chan struct{}
	// Looks at what browsers alone send (Sec-Fetch-Site, Origin); other programs pass.
	crossOrigin *http.CrossOriginProtection
	local       map[string]echo.HandlerFunc // the gateway's own operations by operationId
	public      http.Handler

	table   atomic.Pointer[table] // what is known of the contracts; never nil
	started atomic.Bool           // StartAnyway is over
}

var (
	_ host.Service = (*Service)(nil)
	_ host.Public  = (*Service)(nil)
)

// New checks cfg and makes the gateway; it does nothing until Run.
func New(cfg Config, deps host.Deps) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Service{
		cfg: cfg, deps: deps, log: deps.Log,
		inFlight: make(chan struct{}, cfg.MaxInFlight), crossOrigin: http.NewCrossOriginProtection(),
	}
	if deps.Client != nil {
		s.transport = deps.Client.Transport
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	own, err := readContract(Name, contract)
	if err != nil {
		return nil, err
	}
	s.own = own
	s.local = map[string]echo.HandlerFunc{
		"listServices": s.listServices, "listParked": s.listParked, "retryParked": s.resolveParked("retry"),
		"discardParked": s.resolveParked("discard"), "retryAllParked": s.resolveAllParked("retry"), "discardAllParked": s.resolveAllParked("discard"),
		"forgetFollower": s.forgetFollower, "listBrokers": s.listBrokers,
	}
	t, err := newTable([]contractOf{own}, s.cfg.Services, cfg.base())
	if err != nil {
		return nil, err
	}
	s.table.Store(t)
	s.public = s.edge()
	return s, nil
}

// Name implements host.Service.
func (s *Service) Name() string { return Name }

// Contract implements host.Service.
func (s *Service) Contract() []byte { return contract }

// Register mounts the operators' routes where other services may call them, too.
func (s *Service) Register(g *echo.Group) {
	for _, r := range s.own.routes() {
		g.Add(r.method, echoPath(r.template), s.local[r.operation])
	}
}

// Follows implements host.Service: the gateway follows nothing.
func (s *Service) Follows() map[string]func(context.Context, []byte) bool { return nil }

// Ready tells whether every contract has been learned, or enough time has passed to start without.
func (s *Service) Ready() error {
	t := s.table.Load()
	if len(t.missing) == 0 || s.started.Load() && len(t.missing) < len(s.cfg.Services) {
		return nil
	}
	return fmt.Errorf("gateway: the contracts of %v are not learned yet", t.missing)
}

// Public implements host.Public.
func (s *Service) Public() (string, http.Handler) { return s.cfg.Address, s.public }

// edge makes the public handler. Echo has no routes of its own here, so that every path and method goes through the
// table: what Echo would match by itself could be more than the contracts say.
func (s *Service) edge() http.Handler {
	e := httpx.NewEcho(
		httpx.Config{Listener: "public", MaxBodyBytes: s.cfg.MaxBodyBytes, HandlerTimeout: s.cfg.AnswerWithin},
		httpx.Deps{Log: s.log, Metrics: s.deps.Metrics, NewID: s.deps.NewID, Tracer: s.deps.Tracer},
	)
	e.RouteNotFound("/*", s.limited(s.dispatch))
	return e
}

// limited lets a request in: not one that a page of another site makes a browser send, which would otherwise order,
// cancel and discard in the name of whoever looks at that page; and no more than MaxInFlight at a time. The body is
// read before that, so that a slow sender takes nobody's place and holds only its own connection and memory for what has
// come of its body (requestAtOnce at the least), until the server's read deadline.
func (s *Service) limited(next func(echo.Context, []byte) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if err := s.crossOrigin.Check(r); err != nil {
			return errs.New(errs.Forbidden, codeCrossOrigin, "a page of another site must not change anything here").Wrap(err)
		}
		body, err := readAll(r.Body, r.ContentLength, s.cfg.MaxBodyBytes+1, requestAtOnce)
		if err != nil {
			return bodyError(err, s.cfg.MaxBodyBytes)
		}
		select {
		case s.inFlight <- struct{}{}:
			defer func() { <-s.inFlight }()
			return next(c, body)
		default:
			return errs.Overloaded("the gateway")
		}
	}
}
