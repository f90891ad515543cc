package follow

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what one follower counts, and the descriptions of what is computed when somebody looks. The
// label source is the same for all of them.
type metrics struct {
	pulls, duplicates, pushesDropped, unknownTypes, retries, parked, lost prometheus.Counter

	lag, gapSeconds, levelSeconds, parkedNow *prometheus.Desc
}

func newMetrics(source string) *metrics {
	labels := prometheus.Labels{"source": source} // the registry adds the service
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "sidecart_follow_" + name, Help: help, ConstLabels: labels})
	}
	gauge := func(name, help string, by ...string) *prometheus.Desc {
		return prometheus.NewDesc("sidecart_follow_"+name, help, by, labels)
	}
	return &metrics{
		pulls:         counter("pulls_total", "Requests for segments of the source's journal."),
		duplicates:    counter("duplicates_dropped_total", "Pushed segments that were known already."),
		pushesDropped: counter("pushes_dropped_total", "Pushed segments that could not be used."),
		unknownTypes:  counter("unknown_events_total", "Events passed over because their type is not known here: once a type in a packed segment, and again when a segment is pulled again."),
		retries:       counter("retries_total", "Attempts to apply a segment that failed and were repeated."),
		parked:        counter("parked_total", "Events parked after their effect kept failing."),
		lost:          counter("trimmed_segments_skipped_total", "Segments that the source trimmed before they were applied. Above 0, effects are lost."),
		lag:           gauge("lag_segments", "Segments of the source that are not applied yet.", "own_shard", "source_shard"),
		gapSeconds:    gauge("gap_seconds", "Age of the oldest segment that is known to exist and has not come.", "own_shard", "source_shard"),
		levelSeconds:  gauge("level_age_seconds", "Age of the instant up to which everything of the source is applied."),
		parkedNow:     gauge("parked_events", "Events that wait for an operator."),
	}
}

func (m *metrics) counters() []prometheus.Counter {
	return []prometheus.Counter{m.pulls, m.duplicates, m.pushesDropped, m.unknownTypes, m.retries, m.parked, m.lost}
}

// Describe makes a Follower a prometheus.Collector.
func (f *Follower) Describe(out chan<- *prometheus.Desc) {
	for _, c := range f.metrics.counters() {
		c.Describe(out)
	}
	for _, d := range []*prometheus.Desc{f.metrics.lag, f.metrics.gapSeconds, f.metrics.levelSeconds, f.metrics.parkedNow} {
		out <- d
	}
}

// Collect is called by the registry, from any goroutine.
func (f *Follower) Collect(out chan<- prometheus.Metric) {
	for _, c := range f.metrics.counters() {
		c.Collect(out)
	}
	gauge := func(d *prometheus.Desc, v float64, by ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, by...)
	}
	now := f.deps.Now()
	for _, s := range f.Status() {
		own, source := strconv.Itoa(s.OwnShard), strconv.Itoa(s.SourceShard)
		gauge(f.metrics.lag, float64(s.Lag), own, source)
		age := 0.0
		if s.GapSince != nil {
			age = now.Sub(*s.GapSince).Seconds()
		}
		gauge(f.metrics.gapSeconds, age, own, source)
	}
	if at := f.LevelAt(); !at.IsZero() {
		gauge(f.metrics.levelSeconds, now.Sub(at).Seconds())
	}
	select {
	case <-f.deps.Target.Loaded():
	default:
		return
	}
	parked := 0
	for _, p := range f.deps.Target.Parked() {
		if p.Source == f.cfg.Source {
			parked++
		}
	}
	gauge(f.metrics.parkedNow, float64(parked))
}
