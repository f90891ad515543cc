package inventory

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/follow"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

const Name = "inventory"

//go:embed openapi.yaml
var contract []byte

// Config tunes the service; the zero value is fit for production.
type Config struct {
	Journal journal.Config // Service is set by New
	Follow  follow.Config  // of order; source, follower, types and reaction are set by New
	// SweepEvery bounds the wait between two looks for what has expired; default 1 s. What is due sooner is looked
	// for when it is due.
	SweepEvery time.Duration
}

// Service is the inventory service: see doc.go.
type Service struct {
	cfg     Config
	deps    host.Deps
	journal *journal.Journal[*State]
	orders  *follow.Follower
}

var _ host.Service = (*Service)(nil)

// New wires the service; it does nothing until Run.
func New(cfg Config, deps host.Deps) (*Service, error) {
	if cfg.SweepEvery == 0 {
		cfg.SweepEvery = time.Second
	}
	if cfg.SweepEvery < minSweepWait {
		return nil, fmt.Errorf("inventory: SweepEvery is %v, want at least %v", cfg.SweepEvery, minSweepWait)
	}
	cfg.Journal.Service = Name
	cfg.Journal.TraceEvents = journal.OneOf(inventoryapi.HoldLost{}) // the only one that anybody acts on; reservations are too many
	j, err := journal.New(cfg.Journal, Machine{}, journal.Deps{
		State: deps.State, Publish: journal.AnnounceOn(deps.Publisher), Now: deps.Now, Writer: deps.Writer,
		Log: deps.Log, Metrics: deps.Metrics,
	})
	if err != nil {
		return nil, err
	}
	cfg.Follow.Source, cfg.Follow.Follower = "order", Name
	cfg.Follow.Types, cfg.Follow.React = orderapi.Types(), reactions
	orders, err := follow.New(cfg.Follow, follow.Deps{
		Target: j, Client: deps.Client, Now: deps.Now, Log: deps.Log, Metrics: deps.Metrics,
	})
	if err != nil {
		return nil, err
	}
	return &Service{cfg: cfg, deps: deps, journal: j, orders: orders}, nil
}

// Name is "inventory".
func (s *Service) Name() string { return Name }

// Contract is openapi.yaml.
func (s *Service) Contract() []byte { return contract }

// Follows asks for the events of order.
func (s *Service) Follows() map[string]func(ctx context.Context, data []byte) bool {
	return map[string]func(context.Context, []byte) bool{"order": s.orders.Deliver}
}

// Ready is nil when the journal can commit.
func (s *Service) Ready() error { return s.journal.Ready() }

// Register mounts the contract, the internal routes and the journal's.
func (s *Service) Register(g *echo.Group) {
	g.PUT("/v1/inventory/:sku", s.putItem)
	g.GET("/v1/inventory/:sku", s.getItem)
	g.GET("/v1/inventory", s.listItems)
	g.POST("/v1/inventory/:sku/restock", s.restock)
	g.POST("/v1/inventory/:sku/reservations", s.reserve)
	g.POST("/v1/inventory/:sku/reservations/:id/confirm", s.confirm)
	g.POST("/v1/inventory/:sku/reservations/:id/release", s.release)
	g.POST("/internal/holds", s.postHold)
	g.POST("/internal/holds/batch", s.postHolds)
	g.POST("/internal/holds/:id/release", s.postHoldRelease)
	s.journal.Register(g)
	followers := []*follow.Follower{s.orders}
	follow.RegisterParked(g, Name, s.journal, followers, nil)
	follow.RegisterStatus(g, Name, s.journal, followers, nil)
}

// Run works until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.journal.Run(ctx) })
	group.Go(func() error { return s.orders.Run(ctx) })
	group.Go(func() error { return s.expireInTime(ctx) })
	return group.Wait()
}

// loaded refuses while the state is still being read from the store.
func (s *Service) loaded() error {
	select {
	case <-s.journal.Loaded():
		return nil
	default:
		e := errs.New(errs.Unavailable, errs.CodeUnavailable, "the inventory is being loaded; try again shortly").
			Wrap(errors.New("inventory: not loaded"))
		e.RetryAfter = time.Second
		return e
	}
}

// shardState is the state of a shard as it was at some moment during the call, whoever writes to the store.
func (s *Service) shardState(ctx context.Context, shard int) (*State, error) {
	if err := s.journal.Sync(ctx, shard); err != nil {
		return nil, err
	}
	return s.journal.State(shard), nil
}
