package host

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

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

// delivery is one service's ear on a topic.
type delivery struct {
	service string
	take    func(ctx context.Context, data []byte)
}

func subscriptions(services []Service) map[string][]delivery {
	topics := map[string][]delivery{}
	for _, s := range services {
		for topic, take := range s.Follows() {
			topics[topic] = append(topics[topic], delivery{service: s.Name(), take: take})
		}
	}
	return topics
}

// subscribe tells Dapr the topics of all services of this host, each once: an app has one subscription per topic.
func (h *Host) subscribe(c echo.Context) error {
	type subscription struct {
		PubSub string `json:"pubsubname"`
		Topic  string `json:"topic"`
		Route  string `json:"route"`
	}
	list := []subscription{}
	for _, topic := range slices.Sorted(maps.Keys(h.topics)) {
		list = append(list, subscription{PubSub: sidecar.PubSub, Topic: topic, Route: eventsPath + topic})
	}
	return c.JSON(http.StatusOK, list)
}

// events takes what the broker delivers.
type events struct {
	topics map[string][]delivery
	log    *slog.Logger
	count  *prometheus.CounterVec
}

func newEvents(topics map[string][]delivery, log *slog.Logger, reg prometheus.Registerer) (*events, error) {
	e := &events{topics: topics, log: log, count: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sidecart_host_events_total", Help: "Events that the broker delivered, by what became of them.",
	}, []string{"topic", "outcome"})}
	if err := reg.Register(e.count); err != nil {
		return nil, fmt.Errorf("host: metrics: %w", err)
	}
	return e, nil
}

// receive hands an event to every service of the host that follows its topic. It always acknowledges: brokers
// differ too much in what they do otherwise, and followers find what is missing in the source's journal.
func (e *events) receive(c echo.Context) error {
	topic := c.Param("topic")
	ears, known := e.topics[topic]
	outcome := "delivered"
	switch event, err := readEvent(c.Request()); {
	case !known:
		topic, outcome = "unknown", "no_follower" // a label must not come from the request
	case err != nil:
		outcome = "unreadable"
		e.log.WarnContext(c.Request().Context(), "event dropped", slog.String("topic", topic), slog.Any("error", err))
	default:
		ctx := httpx.ContextWithTraceParent(c.Request().Context(), event.TraceParent)
		failpoint.Deliver(func() {
			for _, ear := range ears {
				if !e.deliver(ctx, ear, event) {
					outcome = "panicked"
				}
			}
		})
	}
	e.count.WithLabelValues(topic, outcome).Inc()
	return c.JSON(http.StatusOK, map[string]string{"status": "SUCCESS"})
}

func readEvent(r *http.Request) (sidecar.CloudEvent, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxEventBytes+1))
	if err != nil {
		return sidecar.CloudEvent{}, fmt.Errorf("read event: %w", err)
	}
	if len(body) > maxEventBytes {
		return sidecar.CloudEvent{}, fmt.Errorf("event is over %d bytes", maxEventBytes)
	}
	return sidecar.DecodeCloudEvent(body)
}

// deliver keeps one service's mistake from the others.
func (e *events) deliver(ctx context.Context, ear delivery, event sidecar.CloudEvent) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			e.log.ErrorContext(ctx, "panic while taking an event", slog.String("service", ear.service),
				slog.String("event", event.ID), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			ok = false
		}
	}()
	ear.take(ctx, event.Data)
	return true
}
