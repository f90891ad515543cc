package host

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// inFlight counts the requests that a listener has under way. Where replicas are added by load, this tells of it before the
// processor does: a slow store makes requests wait and leaves processors idle.
type inFlight struct{ gauge *prometheus.GaugeVec }

func newInFlight(reg prometheus.Registerer) (inFlight, error) {
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "http_requests_in_flight", Help: "Requests under way, by listener.",
	}, []string{"listener"})
	if err := reg.Register(gauge); err != nil {
		return inFlight{}, fmt.Errorf("host: metrics: %w", err)
	}
	return inFlight{gauge}, nil
}

// newReady tells in a metric what /readyz tells.
func newReady(reg prometheus.Registerer, open func() error) error {
	gauge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sidecart_ready", Help: "1 while this process does all of its work: what /readyz says.",
	}, func() float64 {
		if open() != nil {
			return 0
		}
		return 1
	})
	if err := reg.Register(gauge); err != nil {
		return fmt.Errorf("host: metrics: %w", err)
	}
	return nil
}

// on counts what h is asked through the listener of that name.
func (f inFlight) on(listener string, h http.Handler) http.Handler {
	return promhttp.InstrumentHandlerInFlight(f.gauge.WithLabelValues(listener), h)
}
