package order

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/kit/follow"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/stage"
	"github.com/sidecart/sidecart/services/order/orderapi"
	"github.com/sidecart/sidecart/services/payment/paymentapi"
)

// Name is the service's name: its app id, topic and key prefix.
const Name = "order"

// The services that order follows.
const (
	sourcePayment   = "payment"
	sourceInventory = "inventory"
)

//go:embed openapi.yaml
var contract []byte

// Config of the service; zero fields get the defaults.
type Config struct {
	Journal      journal.Config // Service is set by New
	PayWithin    time.Duration  // from placing an order to its pay_by; default 15 min, 1 s to 23 h
	TimeOutEvery time.Duration  // how often to look for orders whose pay_by is over; default 500 ms
	ArchiveAfter time.Duration  // how long a finished order stays in memory; default 1 min
	PollEvery    time.Duration  // of the heads of the followed services; default that of follow
}

// Bounds of Config. Inventory holds stock for at most a day, and the hold outlasts pay_by.
const (
	minPayWithin        = time.Second
	maxPayWithin        = 23 * time.Hour
	defaultPayWithin    = 15 * time.Minute
	minHoldMargin       = 5 * time.Second
	maxHoldMargin       = time.Minute
	defaultTimeOutEvery = 500 * time.Millisecond
	maxParallelLists    = 4 // customers' lists written at the same time
)

// withDefaults fills what is zero.
func (c Config) withDefaults() Config {
	if c.PayWithin == 0 {
		c.PayWithin = defaultPayWithin
	}
	if c.TimeOutEvery == 0 {
		c.TimeOutEvery = defaultTimeOutEvery
	}
	c.Journal.Service = Name
	c.Journal.TraceEvents = journal.OneOf(orderapi.Placed{}, orderapi.PaymentRequested{}, orderapi.Paid{}, orderapi.Cancelled{},
		orderapi.RefundRequested{}, orderapi.Refunded{}) // what payment, inventory and notify act on
	return c
}

// holdMargin is how much longer than pay_by the stock is held, so that a payment that was asked for in time normally
// finds it. It is also how much longer a hold stands that no order came of.
func (c Config) holdMargin() time.Duration {
	return min(max(c.PayWithin/4, minHoldMargin), maxHoldMargin)
}

// validate says everything that is wrong; the journal, the followers and the archiver check their own parts.
func (c Config) validate() error {
	var wrong []error
	if c.PayWithin < minPayWithin || c.PayWithin > maxPayWithin {
		wrong = append(wrong, fmt.Errorf("order: PayWithin is %s, want %s to %s", c.PayWithin, minPayWithin, maxPayWithin))
	}
	if c.TimeOutEvery < 0 {
		wrong = append(wrong, fmt.Errorf("order: TimeOutEvery is %s, want more than 0", c.TimeOutEvery))
	}
	return errors.Join(wrong...)
}

// Service is order as a part of a host.
type Service struct {
	cfg       Config
	deps      host.Deps
	log       *journal.Journal[*state]
	journal   *archive.Journal[*state, orderapi.Order] // log, with archived orders in reach
	views     *archive.Store[orderapi.Order]
	lists     *archive.List
	archiver  *archive.Archiver[*state, orderapi.Order]
	holds     *holder
	payments  *follow.Follower
	inventory *follow.Follower
}

var _ host.Service = (*Service)(nil)

// New wires the service; it starts nothing.
func New(cfg Config, deps host.Deps) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg, deps: deps, holds: newHolder(deps.Client)}
	var err error
	s.log, err = journal.New(cfg.Journal, machine{}, journal.Deps{
		State: deps.State, Publish: journal.AnnounceOn(deps.Publisher), Now: deps.Now, Writer: deps.Writer,
		Log: deps.Log, Metrics: deps.Metrics, BeforeTrim: archive.NewCatalogue(deps.State, Layout()).Keep,
	})
	if err != nil {
		return nil, err
	}
	s.views = archive.NewStore[orderapi.Order](deps.State, Name, viewKind)
	s.lists = archive.NewList(deps.State, Name, listKind)
	s.journal = archive.Wrap[*state](s.log, s.views, indexOf)
	s.archiver, err = archive.NewArchiver(archive.Config{Kind: viewKind, After: cfg.ArchiveAfter}, s.journal,
		archive.Rules[*state, orderapi.Order]{
			Finished: s.finished,
			Listed:   s.listed,
			Command:  func(refs []archive.Ref) journal.Command { return archiveOrders{refs} },
		}, archive.Deps{Now: deps.Now, Log: deps.Log, Metrics: deps.Metrics})
	if err != nil {
		return nil, err
	}
	if s.payments, err = s.follower(sourcePayment, paymentapi.Types(), paymentReactions); err != nil {
		return nil, err
	}
	s.inventory, err = s.follower(sourceInventory, inventoryapi.Types(), inventoryReactions)
	return s, err
}

func (s *Service) follower(source string, types journal.Types, react follow.Reactions) (*follow.Follower, error) {
	return follow.New(
		follow.Config{Source: source, Follower: Name, Types: types, React: react, PollEvery: s.cfg.PollEvery},
		follow.Deps{Target: s.journal, Client: s.deps.Client, Now: s.deps.Now, Log: s.deps.Log, Metrics: s.deps.Metrics},
	)
}

// Name is "order".
func (s *Service) Name() string { return Name }

// Contract is the public contract.
func (s *Service) Contract() []byte { return contract }

// Follows takes what payment and inventory publish.
func (s *Service) Follows() map[string]func(context.Context, []byte) bool {
	return map[string]func(context.Context, []byte) bool{
		sourcePayment:   s.payments.Deliver,
		sourceInventory: s.inventory.Deliver,
	}
}

// Run works until ctx ends. The journal ends last.
func (s *Service) Run(ctx context.Context) error {
	return stage.Run(ctx, s.log.Run, s.holds.run, s.payments.Run, s.inventory.Run, s.archiver.Run, s.timeOuts)
}

// Ready is nil when the journal can commit.
func (s *Service) Ready() error { return s.log.Ready() }

// timeOuts cancels orders that were not paid in time. How far it may go is bounded by how far payment's events are
// in: a charge that landed before pay_by comes first, however long payment or we were away.
func (s *Service) timeOuts(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.TimeOutEvery)
	defer tick.Stop()
	select {
	case <-s.log.Loaded():
	case <-ctx.Done():
		return nil
	}
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		until := s.deps.Now()
		if level := s.payments.LevelAt(); level.Before(until) {
			until = level
		}
		for shard := range s.log.Shards() {
			for ctx.Err() == nil && s.log.State(shard).dueBefore(until) {
				result, err := s.log.DoShard(ctx, shard, timeOut{Until: until})
				if err != nil {
					s.deps.Log.WarnContext(ctx, "timing out orders failed; it will be repeated", "shard", shard, "error", err)
					break
				}
				if result.Answer.(int) == 0 { // the segment's time is behind our clock
					break
				}
			}
		}
	}
}

// finished is what the archiver may take.
func (s *Service) finished(state *state, before time.Time, limit int) []archive.View[orderapi.Order] {
	orders := state.settledBefore(before, limit)
	views := make([]archive.View[orderapi.Order], len(orders))
	for i, o := range orders {
		views[i] = archive.View[orderapi.Order]{ID: o.ID, Shard: s.log.ShardOf(o.ID), Seq: o.Seq, Doc: *o}
	}
	return views
}

// listed enters orders that are about to leave memory in the lists of their customers.
func (s *Service) listed(ctx context.Context, views []archive.View[orderapi.Order]) error {
	byOwner := make(map[string][]archive.Entry)
	for _, v := range views {
		owner := listOwner(v.Doc.Tenant, v.Doc.Customer)
		byOwner[owner] = append(byOwner[owner], archive.Entry{ID: v.ID, At: v.Doc.PlacedAt})
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxParallelLists)
	for owner, entries := range byOwner {
		group.Go(func() error { return s.lists.Add(ctx, owner, entries) })
	}
	return group.Wait()
}
