package overload

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the figures of a Guard; every name begins with gateway_overload_.
type metrics struct {
	refusals [priorities]map[string]prometheus.Counter // not changed
}

var reasons = []string{"starting", "full", "limit", "route", "client"}

func newMetrics(g *Guard) (*metrics, error) {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_overload_refused_total",
		Help: "Requests that were refused: starting (warm-up), full (all services), limit (a service), route and client (token buckets).",
	}, []string{"reason", "priority"})
	m := &metrics{}
	for p := range m.refusals {
		m.refusals[p] = map[string]prometheus.Counter{}
		for _, why := range reasons {
			m.refusals[p][why] = vec.WithLabelValues(why, Priority(p).String())
		}
	}
	if g.deps.Metrics == nil {
		return m, nil
	}
	failures := []error{g.deps.Metrics.Register(vec), g.deps.Metrics.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gateway_overload_clients", Help: "Token buckets of clients that are remembered.",
	}, func() float64 { return float64(g.buckets.count()) }))}
	for name, l := range g.limits {
		reg := prometheus.WrapRegistererWith(prometheus.Labels{"target": name}, g.deps.Metrics)
		for _, f := range []struct {
			name, help string
			value      func() float64
		}{
			{"limit", "Requests that may be in flight to the service.", func() float64 { return float64(l.allowed.Load()) }},
			{"in_flight", "Requests in flight to the service.", func() float64 { return float64(l.inFlight.Load()) }},
			{"goal_seconds", "Time within which nine of ten answers should come.", func() float64 { return l.snapshot().goal.Seconds() }},
			{"took_seconds", "Time within which nine of ten answers came.", func() float64 { return l.snapshot().took.Seconds() }},
			{"phase", "0 steady, 1 ramp, 2 probe.", func() float64 { return float64(l.snapshot().phase) }},
		} {
			failures = append(failures, reg.Register(prometheus.NewGaugeFunc(
				prometheus.GaugeOpts{Name: "gateway_overload_" + f.name, Help: f.help}, f.value)))
		}
	}
	return m, errors.Join(failures...)
}

func (m *metrics) refused(why string, p Priority) { m.refusals[p][why].Inc() }

// state is what the last window came to.
type state struct {
	goal, took time.Duration
	phase      phase
}

func (l *limit) snapshot() state {
	l.mu.Lock()
	defer l.mu.Unlock()
	return state{l.goal, l.took, l.warmup.phase}
}
