package journal

import (
	"errors"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the figures of one service's journal; every name begins with sidecart_journal_. The Registerer adds the
// service's name as a label.
type metrics struct {
	commits, conflicts, ambiguous, unknown    prometheus.Counter
	trimmed, publishFailures, publishDropped  prometheus.Counter
	commitSeconds, batchCommands              prometheus.Histogram
	snapshotSeconds, snapshotBytes, loadTimes prometheus.Histogram
	head, queue                               *prometheus.GaugeVec
}

func newMetrics(into prometheus.Registerer) (*metrics, error) {
	var all []prometheus.Collector
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "sidecart_journal_" + name, Help: help})
		all = append(all, c)
		return c
	}
	histogram := func(name, help string, start, factor float64, count int) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "sidecart_journal_" + name, Help: help,
			Buckets: prometheus.ExponentialBuckets(start, factor, count)})
		all = append(all, h)
		return h
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "sidecart_journal_" + name, Help: help}, []string{"shard"})
		all = append(all, g)
		return g
	}
	m := &metrics{
		commits:         counter("commits_total", "Segments that this process committed."),
		conflicts:       counter("conflicts_total", "Batches decided again because another writer was first."),
		ambiguous:       counter("ambiguous_total", "Writes that ended in an error other than a conflict and were settled by reading back."),
		unknown:         counter("outcome_unknown_total", "Batches whose outcome was not known by their deadline."),
		trimmed:         counter("trimmed_segments_total", "Segments deleted because they were old, in a snapshot and passed by every follower."),
		publishFailures: counter("publish_failures_total", "Announcements that the broker did not take."),
		publishDropped:  counter("publish_dropped_total", "Announcements dropped because too many were waiting."),
		commitSeconds:   histogram("commit_seconds", "Time from taking a batch to its commit.", 0.0005, 2, 14),
		batchCommands:   histogram("batch_commands", "Commands answered by one batch.", 1, 2, 11),
		snapshotSeconds: histogram("snapshot_seconds", "Time to write a snapshot.", 0.01, 2, 14),
		snapshotBytes:   histogram("snapshot_bytes", "Size of a snapshot's records.", 1<<10, 4, 12),
		loadTimes:       histogram("load_seconds", "Time to load a shard.", 0.01, 2, 14),
		head:            gauge("head_seq", "Number of the last committed segment known."),
		queue:           gauge("queue_commands", "Commands waiting when the last batch was taken."),
	}
	if into == nil {
		return m, nil
	}
	var errs []error
	for _, c := range all {
		errs = append(errs, into.Register(c))
	}
	return m, errors.Join(errs...)
}

func shardLabel(shard int) string { return strconv.Itoa(shard) }
