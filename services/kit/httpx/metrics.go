package httpx

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// unmatched is the route label of everything that is not a route of ours: a stranger who tries many paths must
// not make many series.
const unmatched = "unmatched"

// requestSeconds registers the histogram, or takes the one that another Echo of the same registry made.
func requestSeconds(reg prometheus.Registerer, listener string) *prometheus.HistogramVec {
	if reg == nil {
		return nil
	}
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

func statusLabel(status int) string { return strconv.Itoa(status) }
