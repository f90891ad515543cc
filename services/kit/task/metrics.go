package task

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of one Worker; the registry says which service it is.
type metrics struct {
	seconds *prometheus.HistogramVec
}

func newMetrics(channel string, deps Deps) (*metrics, error) {
	m := &metrics{seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "sidecart_task_execution_seconds",
		Help:    "Time that external effects took, by what they came to: recorded, try_again, give_up, not_now, moot.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"result"})}
	if deps.Metrics == nil {
		return m, nil
	}
	// A process has several workers in one registry, so every one has the label.
	registry := prometheus.WrapRegistererWith(prometheus.Labels{"channel": channel}, deps.Metrics)
	return m, errors.Join(registry.Register(m.seconds),
		registry.Register(gauge(deps, "sidecart_tasks_open", "Effects that are not made yet, parked ones included.", (*Set).Len)),
		registry.Register(gauge(deps, "sidecart_tasks_parked", "Effects that wait for an operator.", (*Set).ParkedLen)))
}

// gauge sums something over the committed Sets; before the journal is loaded there is nothing to sum.
func gauge(deps Deps, name, help string, of func(*Set) int) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
		select {
		case <-deps.Journal.Loaded():
		default:
			return 0
		}
		sum := 0
		for shard := range deps.Journal.Shards() {
			sum += of(deps.Set(shard))
		}
		return float64(sum)
	})
}

func (m *metrics) executed(r result, took time.Duration) {
	m.seconds.WithLabelValues(string(r)).Observe(took.Seconds())
}
