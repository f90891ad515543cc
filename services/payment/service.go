package payment

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/kit/follow"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/stage"
	"github.com/sidecart/sidecart/services/kit/task"
	"github.com/sidecart/sidecart/services/order/orderapi"
	"github.com/sidecart/sidecart/services/payment/paymentapi"
)

// Name is the service's name: its app id, topic and key prefix.
const Name = "payment"

// source is the service that payment follows.
const source = "order"

// Config of the service; zero fields get the defaults.
type Config struct {
	Journal       journal.Config // Service is set by New
	ExecuteWithin time.Duration  // deadline of one call to the provider; default 5 s
	MaxInFlight   int            // calls to the provider at a time; default 16
	PollEvery     time.Duration  // of order's heads; default that of follow
}

// Service is payment as a part of a host.
type Service struct {
	deps     host.Deps
	journal  *journal.Journal[*state]
	follower *follow.Follower
	worker   *task.Worker
	board    *task.Board
}

var _ host.Service = (*Service)(nil)

// New wires the service; it starts nothing.
func New(cfg Config, deps host.Deps) (*Service, error) {
	s := &Service{deps: deps}
	cfg.Journal.Service = Name
	cfg.Journal.TraceEvents = journal.OneOf(paymentapi.Charged{}, paymentapi.Declined{}, paymentapi.Abandoned{}, paymentapi.Refunded{})
	var err error
	s.journal, err = journal.New(cfg.Journal, machine{}, journal.Deps{
		State: deps.State, Publish: s.announce(journal.AnnounceOn(deps.Publisher)), Now: deps.Now, Writer: deps.Writer, Log: deps.Log, Metrics: deps.Metrics,
	})
	if err != nil {
		return nil, err
	}
	work := task.Config{
		Writer: deps.Writer, Channel: bindingName, ExecuteWithin: cfg.ExecuteWithin, MaxInFlight: cfg.MaxInFlight,
	}.Defaults()
	s.worker, err = task.NewWorker(work, task.Deps{
		Journal: s.journal,
		Set:     func(shard int) *task.Set { return s.journal.State(shard).tasks },
		Execute: s.execute(provider{bindings: deps.Bindings}),
		Now:     deps.Now, Log: deps.Log, Metrics: deps.Metrics,
	})
	if err != nil {
		return nil, err
	}
	s.follower, err = follow.New(follow.Config{
		Source: source, Follower: Name, Types: orderapi.Types(), React: reactions(deps.Writer, work.Lease), PollEvery: cfg.PollEvery,
	}, follow.Deps{Target: s.journal, Client: deps.Client, Now: deps.Now, Log: deps.Log, Metrics: deps.Metrics})
	if err != nil {
		return nil, err
	}
	s.board = &task.Board{
		Journal:  s.journal,
		Sets:     func(shard int) []*task.Set { return []*task.Set{s.journal.State(shard).tasks} },
		Describe: s.describe,
	}
	return s, nil
}

// Name is "payment".
func (s *Service) Name() string { return Name }

// Contract is nil: what the public may ask for is part of order's contract.
func (s *Service) Contract() []byte { return nil }

// Follows takes what order publishes.
func (s *Service) Follows() map[string]func(context.Context, []byte) bool {
	return map[string]func(context.Context, []byte) bool{source: s.follower.Deliver}
}

// Run works until ctx ends. The journal ends last, so that answers of the provider are still recorded.
func (s *Service) Run(ctx context.Context) error {
	return stage.Run(ctx, s.journal.Run, s.follower.Run, s.worker.Run)
}

// Ready is nil when the journal can commit.
func (s *Service) Ready() error { return s.journal.Ready() }

// announce publishes a committed segment, and tells the worker that there may be something to do.
func (s *Service) announce(publish announcer) announcer {
	return func(ctx context.Context, seg journal.Segment, encoded []byte) error {
		s.worker.Wake()
		return publish(ctx, seg, encoded)
	}
}

// announcer is what a journal calls after a commit.
type announcer = func(ctx context.Context, seg journal.Segment, encoded []byte) error

// execute finds what a claimed task is about and asks the provider.
func (s *Service) execute(p provider) func(context.Context, int, task.Task) task.Outcome {
	return func(ctx context.Context, shard int, t task.Task) task.Outcome {
		w, ok := s.journal.State(shard).work(t.ID)
		if !ok {
			return task.Moot()
		}
		return p.execute(ctx, w)
	}
}

// describe says what a parked task is about.
func (s *Service) describe(shard int, t task.Task) follow.Parked {
	p := follow.Parked{Source: bindingName, Type: "payment.charge"}
	w, _ := s.journal.State(shard).work(t.ID)
	about := map[string]any{"order_id": w.orderID}
	switch {
	case w.refund != nil:
		p.Type = "payment.refund"
		about["charge_id"], about["amount"] = w.refund.ChargeID, w.refund.Amount
	case w.charge != nil:
		about["attempt"], about["method"], about["amount"] = w.charge.Attempt, w.charge.Method, w.charge.Amount
	}
	p.Data, _ = json.Marshal(about, json.Deterministic(true)) // strings and numbers always encode
	return p
}
