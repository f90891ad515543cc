package journal_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

// TestTrimmedSegmentsAreCountedOnce has deletes that fail half-way and are done again with all of their step.
func TestTrimmedSegmentsAreCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, registry := journaltest.NewStore(), prometheus.NewRegistry()
		a := start(t, store, options{
			name: "a", config: quickUpkeep(),
			faults: journaltest.Faults{Script: func(op, key string, nth int) (journaltest.Fault, bool) {
				broken := op == journaltest.OpDelete && strings.HasPrefix(key, "test/journal/0/1") && nth == 0
				return journaltest.FailAfter, broken
			}},
			deps: func(d *journal.Deps) { d.Metrics = registry },
		})
		fill(t, a, "x", 25)
		waitFor(t, "the trim", func() bool { return headerOf(t, store).DeletedThrough == 25 })
		families, err := registry.Gather()
		require.NoError(t, err)
		for _, f := range families {
			if f.GetName() == "sidecart_journal_trimmed_segments_total" {
				require.EqualValues(t, 25, f.GetMetric()[0].GetCounter().GetValue())
				return
			}
		}
		require.Fail(t, "no such metric")
	})
}
