package notify

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/kit/follow"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/stage"
	"github.com/sidecart/sidecart/services/kit/task"
	"github.com/sidecart/sidecart/services/notify/notifyapi"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// Name is the service's name: its app id, topic and key prefix.
const Name = "notify"

// source is the service that notify follows.
const source = "order"

//go:embed openapi.yaml
var contract []byte

// Config of the service; zero fields get the defaults.
type Config struct {
	Journal  journal.Config // Service is set by New
	MailFrom string         // the sender of mails, a bare address; default shop@sidecart.invalid
	// MailConcurrency is how many mails are sent at a time; default 1, because the SMTP binding of a released Dapr
	// mixes up the recipients of concurrent mails (see components/embedded/mail.yaml).
	MailConcurrency int
	SMSConcurrency  int           // text messages at a time; default 8
	ExecuteWithin   time.Duration // deadline of one message; default 5 s
	ArchiveAfter    time.Duration // how long an order with nothing left to send stays in memory; default 1 min
	PollEvery       time.Duration // of order's heads; default that of follow
}

func (c Config) withDefaults() Config {
	c.Journal.Service = Name
	if c.MailFrom == "" {
		c.MailFrom = "shop@sidecart.invalid"
	}
	if c.MailConcurrency == 0 {
		c.MailConcurrency = 1
	}
	if c.SMSConcurrency == 0 {
		c.SMSConcurrency = 8
	}
	return c
}

// Service is notify as a part of a host.
type Service struct {
	log      *journal.Journal[*state]
	journal  *archive.Journal[*state, notifyapi.Order] // log, with archived orders in reach
	views    *archive.Store[notifyapi.Order]
	archiver *archive.Archiver[*state, notifyapi.Order]
	follower *follow.Follower
	mail     *task.Worker
	sms      *task.Worker
	board    *task.Board
}

var _ host.Service = (*Service)(nil)

// New wires the service; it starts nothing.
func New(cfg Config, deps host.Deps) (*Service, error) {
	cfg = cfg.withDefaults()
	if !isAddress(cfg.MailFrom) {
		return nil, fmt.Errorf("notify: MailFrom %q is not a mail address", cfg.MailFrom)
	}
	s := &Service{}
	var err error
	s.log, err = journal.New(cfg.Journal, machine{}, journal.Deps{
		State: deps.State, Publish: s.announce(journal.AnnounceOn(deps.Publisher)), Now: deps.Now, Writer: deps.Writer,
		Log: deps.Log, Metrics: deps.Metrics, BeforeTrim: archive.NewCatalogue(deps.State, Layout()).Keep,
	})
	if err != nil {
		return nil, err
	}
	s.views = archive.NewStore[notifyapi.Order](deps.State, Name, viewKind)
	s.journal = archive.Wrap[*state](s.log, s.views, func(st *state) *archive.Index { return st.archived })
	s.archiver, err = archive.NewArchiver(archive.Config{Kind: viewKind, After: cfg.ArchiveAfter}, s.journal,
		archive.Rules[*state, notifyapi.Order]{
			Finished: s.finished,
			Command:  func(refs []archive.Ref) journal.Command { return archiveOrders{refs} },
		}, archive.Deps{Now: deps.Now, Log: deps.Log, Metrics: deps.Metrics})
	if err != nil {
		return nil, err
	}
	if err := s.newWorkers(cfg, deps); err != nil {
		return nil, err
	}
	lease := task.Config{ExecuteWithin: cfg.ExecuteWithin}.Defaults().Lease
	s.follower, err = follow.New(follow.Config{
		Source: source, Follower: Name, Types: orderapi.Types(), React: reactions(deps.Writer, lease), PollEvery: cfg.PollEvery,
	}, follow.Deps{Target: s.journal, Client: deps.Client, Now: deps.Now, Log: deps.Log, Metrics: deps.Metrics})
	s.board = &task.Board{
		Journal: s.log,
		Sets: func(shard int) []*task.Set {
			st := s.log.State(shard)
			return []*task.Set{st.mail, st.sms}
		},
		Describe: s.describe,
	}
	return s, err
}

// newWorkers makes a worker a channel.
func (s *Service) newWorkers(cfg Config, deps host.Deps) error {
	out := sender{bindings: deps.Bindings, from: cfg.MailFrom}
	execute := func(ctx context.Context, shard int, t task.Task) task.Outcome {
		_, m, ok := s.log.State(shard).message(t.ID)
		if !ok {
			return task.Moot()
		}
		return out.send(ctx, m)
	}
	worker := func(channel string, inFlight int) (*task.Worker, error) {
		return task.NewWorker(
			task.Config{Writer: deps.Writer, Channel: channel, ExecuteWithin: cfg.ExecuteWithin, MaxInFlight: inFlight},
			task.Deps{
				Journal: s.log, Execute: execute, Now: deps.Now, Log: deps.Log.With("channel", channel),
				Set:     func(shard int) *task.Set { return s.log.State(shard).set(channel) },
				Metrics: deps.Metrics,
			})
	}
	var mailErr, smsErr error
	s.mail, mailErr = worker(notifyapi.ChannelEmail, cfg.MailConcurrency)
	s.sms, smsErr = worker(notifyapi.ChannelSMS, cfg.SMSConcurrency)
	return errors.Join(mailErr, smsErr)
}

// Name is "notify".
func (s *Service) Name() string { return Name }

// Contract is the public contract.
func (s *Service) Contract() []byte { return contract }

// Follows takes what order publishes.
func (s *Service) Follows() map[string]func(context.Context, []byte) bool {
	return map[string]func(context.Context, []byte) bool{source: s.follower.Deliver}
}

// Run works until ctx ends. The journal ends last, so that what was sent is still recorded.
func (s *Service) Run(ctx context.Context) error {
	return stage.Run(ctx, s.log.Run, s.follower.Run, s.mail.Run, s.sms.Run, s.archiver.Run)
}

// Ready is nil when the journal can commit.
func (s *Service) Ready() error { return s.log.Ready() }

// announcer is what a journal calls after a commit.
type announcer = func(ctx context.Context, seg journal.Segment, encoded []byte) error

// announce publishes a committed segment, and tells the workers that there may be something to do.
func (s *Service) announce(publish announcer) announcer {
	return func(ctx context.Context, seg journal.Segment, encoded []byte) error {
		s.mail.Wake()
		s.sms.Wake()
		return publish(ctx, seg, encoded)
	}
}

// finished is what the archiver may take.
func (s *Service) finished(st *state, before time.Time, limit int) []archive.View[notifyapi.Order] {
	orders := st.settledBefore(before, limit)
	views := make([]archive.View[notifyapi.Order], len(orders))
	for i, o := range orders {
		views[i] = archive.View[notifyapi.Order]{ID: o.ID, Shard: s.log.ShardOf(o.ID), Seq: o.Seq, Doc: *o}
	}
	return views
}

// describe says what a parked message is about, without saying to whom it goes.
func (s *Service) describe(shard int, t task.Task) follow.Parked {
	orderID, m, _ := s.log.State(shard).message(t.ID)
	p := follow.Parked{Source: bindingMail, Type: m.Template}
	if m.Channel == notifyapi.ChannelSMS {
		p.Source = bindingSMS
	}
	p.Data, _ = json.Marshal(map[string]string{"order_id": orderID, "channel": m.Channel, "template": m.Template},
		json.Deterministic(true)) // strings always encode
	return p
}
