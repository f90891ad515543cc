package httpx

import (
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

// requestSeconds registers the histogram, or takes the one that another Echo of the same registry made.
func requestSeconds(reg prometheus.Registerer, listener string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:        "http_request_duration_seconds",
		Help:        "Time from the first byte of a request to the end of its answer.",
		ConstLabels: prometheus.Labels{"listener": listener},
		Buckets:     []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15},
	}, []string{"route", "method", "status"})
	if err := reg.Register(h); err != nil {
		if twice, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
			if existing, ok := twice.ExistingCollector.(*prometheus.HistogramVec); ok {
				return existing
			}
		}
		panic(err) // two metrics of one name and different labels: a programmer's mistake
	}
	return h
}

// seconds is the histogram with what was looked up in it at hand: a look-up by labels costs more than the rest of measuring.
// It has as many entries as there are series. A nil one measures nothing.
type seconds struct {
	histogram *prometheus.HistogramVec
	mu        sync.RWMutex
	known     map[series]prometheus.Observer
}

type series struct {
	route, method string
	status        int
}

func newSeconds(reg prometheus.Registerer, listener string) *seconds {
	if reg == nil {
		return nil
	}
	return &seconds{histogram: requestSeconds(reg, listener), known: map[series]prometheus.Observer{}}
}

// observe counts one request; route and method must be bounded in number.
func (s *seconds) observe(route, method string, status int, took time.Duration) {
	if s == nil {
		return
	}
	of := series{route, method, status}
	s.mu.RLock()
	o, ok := s.known[of]
	s.mu.RUnlock()
	if !ok {
		o = s.histogram.WithLabelValues(route, method, strconv.Itoa(status))
		s.mu.Lock()
		s.known[of] = o
		s.mu.Unlock()
	}
	o.Observe(took.Seconds())
}

// route is the template of the route that the path matched, such as "/order/v1/orders/:id".
func route(c echo.Context) string {
	if path := c.Path(); path != "" {
		return path
	}
	return unmatched
}

// knownMethod bounds the method label.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "OTHER"
}
