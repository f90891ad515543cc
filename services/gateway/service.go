package gateway

import (
	"cmp"
	"context"
	_ "embed" // the contract
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/services/gateway/bridge"
	"github.com/sidecart/sidecart/services/gateway/contracts"
	"github.com/sidecart/sidecart/services/gateway/gray"
	"github.com/sidecart/sidecart/services/gateway/rules"
	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/identity"
)

// Name is the service's name.
const Name = "gateway"

const codeCrossOrigin = "cross_origin"

//go:embed openapi.yaml
var contract []byte

// Config is what may be set. Zero fields take the defaults that are named.
type Config struct {
	Address        string             // public listener; 127.0.0.1:8080
	GRPCAddress    string             // of the listener for gRPC; none
	Services       []string           // those in front of which this stands; account, inventory, order, payment, notify
	MaxBodyBytes   int64              // of a request; 64 KiB
	AnswerWithin   time.Duration      // deadline of a request; 15 s
	RefreshEvery   time.Duration      // between looks at the services' contracts; 5 s
	StartAnyway    time.Duration      // after it the gateway is ready though contracts are missing; 15 s
	StatusWithin   time.Duration      // deadline of a service's answer about itself; 2 s
	MaxAnswerBytes int64              // of a service's answer; 8 MiB
	Beside         bool               // releases from before accounts run beside this one, whose contracts do not say who may call what
	CheckOneIn     int                // one answer in so many is held against its contract; 64, below 0 none
	RulesPath      string             // gateway.yaml; none
	Access         httpx.AccessConfig // the access log; zero fields take its defaults
}

func (c Config) withDefaults() Config {
	if c.Address == "" {
		c.Address = "127.0.0.1:8080"
	}
	if c.Services == nil {
		c.Services = []string{"account", "inventory", "order", "payment", "notify"}
	}
	c.MaxBodyBytes = cmp.Or(c.MaxBodyBytes, 64<<10)
	c.AnswerWithin = cmp.Or(c.AnswerWithin, 15*time.Second)
	c.RefreshEvery = cmp.Or(c.RefreshEvery, 5*time.Second)
	c.StartAnyway = cmp.Or(c.StartAnyway, 15*time.Second)
	c.StatusWithin = cmp.Or(c.StatusWithin, 2*time.Second)
	c.MaxAnswerBytes = cmp.Or(c.MaxAnswerBytes, 8<<20)
	c.CheckOneIn = cmp.Or(c.CheckOneIn, 64)
	return c
}

// validate names everything that is wrong.
func (c Config) validate() error {
	var bad []error
	if _, _, err := net.SplitHostPort(c.Address); err != nil {
		bad = append(bad, fmt.Errorf("gateway: Address %q is not host:port", c.Address))
	}
	if _, _, err := net.SplitHostPort(c.GRPCAddress); err != nil && c.GRPCAddress != "" {
		bad = append(bad, fmt.Errorf("gateway: GRPCAddress %q is not host:port", c.GRPCAddress))
	}
	if slices.Contains(c.Services, Name) {
		bad = append(bad, errors.New("gateway: Services names the gateway itself"))
	}
	for name, ok := range map[string]bool{
		"MaxBodyBytes": c.MaxBodyBytes > 0, "AnswerWithin": c.AnswerWithin > 0,
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
	own       *contracts.Contract
	book      *contracts.Book
	verifier  *identity.Verifier
	rules     *rules.Watcher
	file      atomic.Pointer[rules.File] // in use; not nil
	releases  *gray.Router
	foreign   *neighbours
	answers   *answerChecks
	hostname  string  // of Address
	loopback  bool    // nobody but this machine reaches it
	before    []stage // see stages
	protect   *protection
	present   *presentation
	// Looks at what browsers alone send (Sec-Fetch-Site, Origin); other programs pass.
	crossOrigin *http.CrossOriginProtection
	local       map[string]echo.HandlerFunc // the gateway's own operations by operationId
	public      http.Handler
	grpc        *bridge.Server // nil: not listened for
}

var (
	_ host.Service    = (*Service)(nil)
	_ host.Public     = (*Service)(nil)
	_ host.PublicGRPC = (*Service)(nil)
)

// New checks cfg and makes the gateway; it does nothing until Run.
func New(cfg Config, deps host.Deps) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Service{
		cfg: cfg, deps: deps, log: deps.Log,
		crossOrigin: http.NewCrossOriginProtection(),
	}
	s.hostname, _, _ = net.SplitHostPort(cfg.Address) // validate looked at it
	s.loopback = namesThisMachine(s.hostname)
	if deps.Client != nil {
		s.transport = deps.Client.Transport
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if s.own, err = contracts.Read(Name, contract); err != nil {
		return nil, err
	}
	s.local = map[string]echo.HandlerFunc{
		"listServices": s.listServices, "listParked": s.listParked, "retryParked": s.resolveParked("retry"),
		"discardParked": s.resolveParked("discard"), "retryAllParked": s.resolveAllParked("retry"), "discardAllParked": s.resolveAllParked("discard"),
		"forgetFollower": s.forgetFollower, "listBrokers": s.listBrokers, "listContracts": s.listContracts, "acceptContract": s.acceptContract, "showRules": s.showRules, "listReleases": s.showGray,
	}
	s.book, err = contracts.NewBook(contracts.Config{
		Services: cfg.Services, Every: cfg.RefreshEvery, AskWithin: cfg.StatusWithin, Base: cfg.base(), Own: s.own, StartAfter: cfg.StartAnyway,
	}, contracts.Deps{Client: deps.Client, Now: deps.Now, Log: s.log, Metrics: deps.Metrics})
	if err != nil {
		return nil, err
	}
	s.verifier, err = identity.NewVerifier(identity.Config{}, identity.Deps{Inside: deps.Client, Now: deps.Now, Log: s.log, Metrics: deps.Metrics})
	if err != nil {
		return nil, err
	}
	if s.protect, err = newProtection(cfg, deps, s.Ready); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	s.foreign = &neighbours{conn: deps.Apps}
	s.present = newPresentation(deps.Metrics, s.log)
	if err := s.makeRules(); err != nil {
		return nil, err
	}
	s.answers = newAnswerChecks(cfg.CheckOneIn, s.log, deps.Now, deps.Metrics)
	s.before = s.stages()
	s.public = s.edge()
	if cfg.GRPCAddress != "" {
		if s.grpc, err = newGRPC(cfg, s.public, s.log); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Name implements host.Service.
func (s *Service) Name() string { return Name }

// Contract implements host.Service.
func (s *Service) Contract() []byte { return contract }

// Register mounts the operators' routes where other services may call them, too.
func (s *Service) Register(g *echo.Group) {
	for _, o := range s.own.Operations() {
		g.Add(o.Method, echoPath(o.Template), s.local[o.ID])
	}
}

// Follows implements host.Service: the gateway follows nothing.
func (s *Service) Follows() map[string]func(context.Context, []byte) bool { return nil }

// Run keeps the contracts, the rules and the keys of tokens current until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error { s.book.Run(ctx); return nil })
	parts.Go(func() error { s.rules.Run(ctx); return nil })
	parts.Go(func() error { return s.verifier.Run(ctx) })
	return parts.Wait()
}

// Reload implements host.Reloader: it looks at once whether contracts and rules have changed.
func (s *Service) Reload() {
	s.book.Refresh()
	s.rules.Nudge()
}

// Ready tells whether every contract and our keys have been learned, or enough time has passed to start without.
func (s *Service) Ready() error {
	if err := s.book.Ready(); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	if err := s.verifier.Ready(); err != nil && !s.book.StartAnyway() {
		return fmt.Errorf("gateway: %w", err)
	}
	return nil
}

// Public implements host.Public.
func (s *Service) Public() (string, http.Handler) { return s.cfg.Address, s.public }

// edge makes the public handler. Echo has no routes of its own here, so that every path and method goes through the
// pipeline: what Echo would match by itself could be more than the contracts say.
func (s *Service) edge() http.Handler {
	e := httpx.NewEcho(
		httpx.Config{Listener: httpx.Public, MaxBodyBytes: s.cfg.MaxBodyBytes, HandlerTimeout: s.cfg.AnswerWithin, Access: &s.cfg.Access},
		httpx.Deps{Log: s.log, Metrics: s.deps.Metrics, NewID: s.deps.NewID, Tracer: s.deps.Tracer},
	)
	e.RouteNotFound("/*", s.serve)
	return e
}

// echoPath writes a template the way Echo wants it.
func echoPath(template string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(template)
}
