package httpx

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// unmatched is the route label of everything that is not a route of ours: a stranger who tries many paths must
// not make many series.
const unmatched = "unmatched"

// buckets of a request's time, in seconds.
var buckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15}

// registered registers c, or takes the one that another Echo of the same registry made.
func registered[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	if err := reg.Register(c); err != nil {
		if twice, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
			if existing, ok := twice.ExistingCollector.(C); ok {
				return existing
			}
		}
		panic(err) // two metrics of one name and different labels: a programmer's mistake
	}
	return c
}

// seconds measures the requests of a listener. What was looked up is kept at hand: a look-up by labels costs more than the rest of
// measuring. It has as many entries as there are series. A nil one measures nothing.
type seconds struct {
	histogram *prometheus.HistogramVec
	total     *prometheus.CounterVec // of the public listener alone, and so are versions
	mu        sync.RWMutex
	known     map[series]measure
}

type series struct {
	route, method string
	status        int
	version       string // the app that answered; "" where there is no choice
}

// measure is what one series is counted by.
type measure struct {
	took  prometheus.Observer
	total prometheus.Counter // nil but on the public listener
}

func newSeconds(reg prometheus.Registerer, listener string) *seconds {
	if reg == nil {
		return nil
	}
	s := &seconds{known: map[series]measure{}}
	labels := []string{"route", "method", "status"}
	if listener != Public {
		s.histogram = registered(reg, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:        "http_request_duration_seconds",
			Help:        "Time from the first byte of a request to the end of its answer.",
			ConstLabels: prometheus.Labels{"listener": listener}, Buckets: buckets,
		}, labels))
		return s
	}
	labels = append(labels, "version")
	s.histogram = registered(reg, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "gateway_http_request_duration_seconds", Help: "Time of a public request, by the app that answered it (version).", Buckets: buckets,
	}, labels))
	s.total = registered(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_http_requests_total", Help: "Public requests, by the app that answered them (version).",
	}, labels))
	return s
}

// observe counts one request; route, method and version must be bounded in number.
func (s *seconds) observe(route, method string, status int, version string, took time.Duration) {
	if s == nil {
		return
	}
	of := series{route: route, method: method, status: status, version: version}
	s.mu.RLock()
	m, ok := s.known[of]
	s.mu.RUnlock()
	if !ok {
		m = s.look(of)
	}
	m.took.Observe(took.Seconds())
	if m.total != nil {
		m.total.Inc()
	}
}

// look finds the series by its labels and remembers it.
func (s *seconds) look(of series) measure {
	labels := []string{of.route, of.method, strconv.Itoa(of.status)}
	m := measure{}
	if s.total != nil {
		labels = append(labels, of.version)
		m.total = s.total.WithLabelValues(labels...)
	}
	m.took = s.histogram.WithLabelValues(labels...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[of] = m
	return m
}

// AnsweredBy notes which app answers the request that ctx belongs to, for metrics and the access log: "order", "order-canary". Its
// values must be bounded in number. Whoever answers by itself need not say so. Not safe for concurrent use; it belongs to the
// request's own goroutine.
func AnsweredBy(ctx context.Context, app string) {
	if r := requestOf(ctx); r != nil {
		r.answeredBy = app
	}
}

// itself is who answers when nobody else was asked.
const itself = "gateway"

// version is the app that answered; "" where there is no choice, and the request may be a caller's, who goes on with it.
func (m *edge) version(r *request) string {
	switch {
	case !m.public:
		return ""
	case r.answeredBy == "":
		return itself
	}
	return r.answeredBy
}

// route is the template of the route that the path matched, such as "/order/v1/orders/:id".
func route(c echo.Context) string {
	switch path := c.Path(); path {
	case "", "/*": // the latter is the gateway's, which matches by itself
		return unmatched
	default:
		return path
	}
}

// knownMethod bounds the method label.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "OTHER"
}
