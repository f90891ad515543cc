package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecart/sidecart/services/kit/delivery"
	"github.com/sidecart/sidecart/services/kit/failpoint"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

const (
	eventsPath = "/events/"
	// maxEventBytes holds a segment of the largest size that a store takes, inside of its envelope, with room
	// for what an encoder may add.
	maxEventBytes = 1 << 20
)

// ear is one service's on a topic.
type ear struct {
	service string
	take    func(ctx context.Context, data []byte) (news bool)
	counter *delivery.Counter // nil while there is one broker
}

func (h *Host) subscriptions() map[string][]ear {
	topics := map[string][]ear{}
	for _, s := range h.services {
		e := ear{service: s.Name()}
		if m := h.moves[s.Name()]; m != nil {
			e.counter = m.counter
		}
		for topic, take := range s.Follows() {
			e.take = take
			topics[topic] = append(topics[topic], e)
		}
	}
	return topics
}

// subscribe tells Dapr the topics that are to be delivered, each once a broker: an app has one subscription per component
// and topic. The route says which broker an event came by.
func (h *Host) subscribe(c echo.Context) error {
	list := []sidecar.Subscription{}
	for _, component := range h.cfg.Brokers.components() {
		for _, topic := range slices.Sorted(maps.Keys(h.topics)) {
			if !h.hearsNearby(topic) {
				list = append(list, sidecar.NewSubscription(component, topic, eventsPath+component+"/"+topic))
			}
		}
	}
	return c.JSON(http.StatusOK, list)
}

// events takes what the brokers deliver.
type events struct {
	brokers []string // components; the index is delivery.Present or delivery.Next
	topics  map[string][]ear
	log     *slog.Logger
	count   *prometheus.CounterVec // what the brokers delivered
	nearby  *prometheus.CounterVec // what came from this process before that
}

func newEvents(brokers []string, topics map[string][]ear, log *slog.Logger, reg prometheus.Registerer) (*events, error) {
	e := &events{brokers: brokers, topics: topics, log: log,
		count: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sidecart_host_events_total", Help: "Events that the brokers delivered, by what became of them.",
		}, []string{"broker", "topic", "outcome"}),
		nearby: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sidecart_host_nearby_events_total", Help: "Events that were handed over in the process, by what became of them.",
		}, []string{"topic", "outcome"}),
	}
	if err := errors.Join(reg.Register(e.count), reg.Register(e.nearby)); err != nil {
		return nil, fmt.Errorf("host: metrics: %w", err)
	}
	return e, nil
}

// receive hands an event to every service of the host that follows its topic. It always acknowledges: brokers
// differ too much in what they do otherwise, and followers find what is missing in the source's journal.
func (e *events) receive(c echo.Context) error {
	component, topic := c.Param("broker"), c.Param("topic")
	broker := slices.Index(e.brokers, component)
	ears, known := e.topics[topic]
	outcome := "delivered"
	switch event, err := readEvent(c.Request()); {
	case !known || broker < 0:
		component, topic, outcome = "unknown", "unknown", "no_follower" // a label must not come from the request
	case err != nil:
		outcome = "unreadable"
		e.log.WarnContext(c.Request().Context(), "event dropped", slog.String("topic", topic), slog.Any("error", err))
	default:
		ctx := httpx.ContextWithTraceParent(c.Request().Context(), event.TraceParent)
		failpoint.Deliver(func() {
			for _, ear := range ears {
				if !e.deliver(ctx, ear, broker, event) {
					outcome = "panicked"
				}
			}
		})
	}
	e.count.WithLabelValues(component, topic, outcome).Inc()
	return c.JSON(http.StatusOK, map[string]string{"status": "SUCCESS"})
}

func readEvent(r *http.Request) (sidecar.CloudEvent, error) {
	// Room for all of it and for finding its end: a buffer that grew with it would be copied several times.
	body := bytes.NewBuffer(make([]byte, 0, bytes.MinRead+min(max(r.ContentLength, 0), maxEventBytes)))
	if _, err := body.ReadFrom(io.LimitReader(r.Body, maxEventBytes+1)); err != nil {
		return sidecar.CloudEvent{}, fmt.Errorf("read event: %w", err)
	}
	if body.Len() > maxEventBytes {
		return sidecar.CloudEvent{}, fmt.Errorf("event is over %d bytes", maxEventBytes)
	}
	return sidecar.DecodeCloudEvent(body.Bytes())
}

// deliver keeps one service's mistake from the others.
func (e *events) deliver(ctx context.Context, ear ear, broker int, event sidecar.CloudEvent) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			e.log.ErrorContext(ctx, "panic while taking an event", slog.String("service", ear.service),
				slog.String("event", event.ID), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			ok = false
		}
	}()
	news := ear.take(ctx, event.Data)
	if ear.counter != nil {
		if err := ear.counter.Note(broker, event, news); err != nil {
			e.log.DebugContext(ctx, "event not counted", slog.String("event", event.ID), slog.Any("error", err))
		}
	}
	return true
}
