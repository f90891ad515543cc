package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/kit/delivery"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Brokers names the components that events go through. With a Next one every topic is subscribed on both, and what each delivers is
// counted (package delivery).
type Brokers struct {
	Present string // SIDECART_PUBSUB: gets everything; default pubsub
	Next    string // SIDECART_PUBSUB_NEXT: gets a share; "" is none
	Percent int    // SIDECART_PUBSUB_NEXT_PERCENT: that share, 0 to 100
	// Always publishes also what no other process follows: for those who only subscribe to a topic, and ask no service for its
	// journal (SIDECART_PUBLISH). With a Next broker everything is published.
	Always bool
}

func (b Brokers) validate() error {
	var wrong []error
	if !delivery.ValidName(b.Present) {
		wrong = append(wrong, fmt.Errorf("SIDECART_PUBSUB: %q cannot be the name of a component", b.Present))
	}
	switch {
	case b.Next == "" && b.Percent != 0:
		wrong = append(wrong, errors.New("SIDECART_PUBSUB_NEXT_PERCENT: there is no SIDECART_PUBSUB_NEXT that it could be about"))
	case b.Next == b.Present:
		wrong = append(wrong, fmt.Errorf("SIDECART_PUBSUB_NEXT: %s is SIDECART_PUBSUB already", b.Next))
	case b.Next != "" && !delivery.ValidName(b.Next):
		wrong = append(wrong, fmt.Errorf("SIDECART_PUBSUB_NEXT: %q cannot be the name of a component", b.Next))
	}
	if b.Percent < 0 || b.Percent > 100 {
		wrong = append(wrong, fmt.Errorf("SIDECART_PUBSUB_NEXT_PERCENT: %d is not from 0 to 100", b.Percent))
	}
	return errors.Join(wrong...)
}

// components lists the brokers; the index is delivery.Present or delivery.Next.
func (b Brokers) components() []string {
	if b.Next == "" {
		return []string{b.Present}
	}
	return []string{b.Present, b.Next}
}

// move is one service's part in moving from one broker to the next; nil while there is one broker only.
type move struct {
	publisher *delivery.Publisher
	counter   *delivery.Counter // set by follow, before anything comes
}

// publisher gives what a service publishes through.
func (h *Host) publisher(log *slog.Logger) (sidecar.Publisher, *move) {
	b := h.cfg.Brokers
	present := h.out.Sidecar.On(b.Present)
	if b.Next == "" {
		return present, nil
	}
	p := delivery.NewPublisher(
		delivery.PublisherConfig{Present: b.Present, Next: b.Next, Percent: b.Percent}, present, h.out.Sidecar.On(b.Next), log)
	return p, &move{publisher: p}
}

// follow makes the counter of what the service follows.
func (m *move) follow(b Brokers, s Service, d Deps) (err error) {
	if m == nil {
		return nil
	}
	m.counter, err = delivery.NewCounter(delivery.CounterConfig{
		Follower: s.Name(), Sources: slices.Collect(maps.Keys(s.Follows())), Present: b.Present, Next: b.Next,
	}, delivery.CounterDeps{State: d.State, Now: d.Now, Writer: d.Writer, Log: d.Log, Metrics: d.Metrics})
	return err
}

// begin starts publisher and counter. The function that it gives ends them, after the service that they are for, and waits.
func (m *move) begin(ctx context.Context) (end func()) {
	if m == nil {
		return func() {}
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { _ = m.publisher.Run(ctx) }) // both return nil
	running.Go(func() { _ = m.counter.Run(ctx) })
	return func() { stop(); running.Wait() }
}

// brokersOf answers GET /{service}/internal/brokers: which brokers the service uses and what each delivered to it.
func (h *Host) brokersOf(service string, m *move) echo.HandlerFunc {
	return func(c echo.Context) error {
		b := h.cfg.Brokers
		answer := delivery.Status{Service: service, Present: b.Present, Next: b.Next, Percent: b.Percent, Lines: []delivery.Line{}}
		if m != nil {
			lines, err := m.counter.Lines(c.Request().Context())
			if err != nil {
				return errs.New(errs.Unavailable, errs.CodeUnavailable, "what the brokers delivered cannot be read").Wrap(err)
			}
			answer.Lines, answer.Publishing = lines, m.publisher.Publishing()
		}
		return c.JSON(http.StatusOK, answer)
	}
}
