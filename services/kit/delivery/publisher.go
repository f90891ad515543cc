package delivery

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Bounds of the next broker's queue, of each service.
const (
	maxQueued      = 512
	maxQueuedBytes = 16 << 20
	publishWithin  = 3 * time.Second
	// drainWithin is how long what is queued may take on the way down, so that an orderly stop loses nothing.
	drainWithin = 2 * time.Second
)

// PublisherConfig says which brokers get what.
type PublisherConfig struct {
	Present, Next string // components
	Percent       int    // share of the next one, 0 to 100
}

// Publisher gives each event to the present broker, and one of the share also to the next one. Publish is safe for
// concurrent use; call Run once.
type Publisher struct {
	cfg           PublisherConfig
	shares        string
	present, next sidecar.Publisher
	log           *slog.Logger
	waiting       chan queued

	mu    sync.Mutex
	bytes int  // of what is queued
	ended bool // Run takes nothing more

	published, failed, dropped atomic.Uint64
}

// queued is an event on its way to the next broker.
type queued struct {
	topic string
	event sidecar.CloudEvent
}

// NewPublisher makes a Publisher; nothing reaches the next broker until Run.
func NewPublisher(cfg PublisherConfig, present, next sidecar.Publisher, log *slog.Logger) *Publisher {
	return &Publisher{
		cfg: cfg, present: present, next: next, log: log, waiting: make(chan queued, maxQueued),
		shares: Shares{{cfg.Present, wholePercent}, {cfg.Next, cfg.Percent}}.String(),
	}
}

var _ sidecar.Publisher = (*Publisher)(nil)

// Publish gives the event to the present broker and returns what that says. The next broker never delays or fails it.
func (p *Publisher) Publish(ctx context.Context, topic string, event sidecar.CloudEvent) error {
	event.Shares = p.shares
	if InShare(event.ID, p.cfg.Percent) {
		p.offer(queued{topic, event})
	}
	return p.present.Publish(ctx, topic, event)
}

// offer queues an event, or drops and counts it when there is no room.
func (p *Publisher) offer(q queued) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || p.bytes+len(q.event.Data) > maxQueuedBytes {
		p.dropped.Add(1)
		return
	}
	select {
	case p.waiting <- q:
		p.bytes += len(q.event.Data)
	default:
		p.dropped.Add(1)
	}
}

// Run publishes what is queued, in order, until ctx ends; then for up to two seconds more, what is left. It returns nil.
func (p *Publisher) Run(ctx context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var down time.Time // since when it fails
	for {
		select {
		case q := <-p.waiting:
			p.send(work, q, &down)
			continue
		default:
		}
		select {
		case q := <-p.waiting:
			p.send(work, q, &down)
		case <-ctx.Done():
			return p.drain(work, &down)
		}
	}
}

func (p *Publisher) drain(ctx context.Context, down *time.Time) error {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, drainWithin)
	defer cancel()
	for {
		select {
		case q := <-p.waiting:
			p.send(ctx, q, down)
		default:
			return nil
		}
	}
}

// send publishes one event. A broker that is down is logged when it goes and when it comes back, not at every event.
func (p *Publisher) send(ctx context.Context, q queued, down *time.Time) {
	attempt, cancel := context.WithTimeout(ctx, publishWithin)
	err := p.next.Publish(attempt, q.topic, q.event)
	cancel()
	p.mu.Lock()
	p.bytes -= len(q.event.Data)
	p.mu.Unlock()
	switch {
	case err != nil:
		p.failed.Add(1)
		if down.IsZero() {
			*down = time.Now()
			p.log.WarnContext(ctx, "the next broker does not take segments; the present one does its work",
				slog.String("broker", p.cfg.Next), slog.String("event", q.event.ID), slog.Any("error", err))
		}
	default:
		p.published.Add(1)
		if !down.IsZero() {
			p.log.InfoContext(ctx, "the next broker takes segments again",
				slog.String("broker", p.cfg.Next), slog.Duration("was_down", time.Since(*down)))
			*down = time.Time{}
		}
	}
}

// Publishing is what the queue has done so far.
func (p *Publisher) Publishing() Publishing {
	return Publishing{Published: p.published.Load(), Failed: p.failed.Load(), Dropped: p.dropped.Load()}
}
