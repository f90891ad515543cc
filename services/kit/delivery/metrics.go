package delivery

import (
	"github.com/prometheus/client_golang/prometheus"
)

// segmentsDesc is computed when somebody scrapes. Every replica shows what all of them have counted, so take the largest
// and not the sum.
var segmentsDesc = prometheus.NewDesc("sidecart_delivery_segments",
	"Segments by source, broker and what became of them (delivered, first, doubled, late, missed), counted over all replicas.",
	[]string{"source", "broker", "what"}, nil)

// Describe makes a Counter a prometheus.Collector.
func (c *Counter) Describe(out chan<- *prometheus.Desc) { out <- segmentsDesc }

// Collect is called by the registry, from any goroutine.
func (c *Counter) Collect(out chan<- prometheus.Metric) {
	for _, source := range c.sources() {
		l := c.by[source]
		l.mu.Lock()
		latest := l.latest
		l.mu.Unlock()
		if latest == nil {
			continue
		}
		for _, line := range latest.Lines() {
			for what, n := range map[string]uint64{
				"delivered": line.Delivered, "first": line.First, "doubled": line.Doubled, "late": line.Late, "missed": line.Missed,
			} {
				out <- prometheus.MustNewConstMetric(segmentsDesc, prometheus.GaugeValue, float64(n), source, line.Broker, what)
			}
		}
	}
}
