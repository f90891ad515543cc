package harness

import (
	"os"
	"testing"

	"github.com/sidecart/sidecart/runtime/run"
)

// Replicas is split with two processes of inventory and two of order, each beside its own sidecar. It is none of the
// default Placements: most of what a test shows there, it shows in split.
const Replicas Placement = "replicas"

// EachAndReplicas is Each with Replicas as one placement more, unless SIDECART_E2E_PLACEMENTS chooses the placements.
func EachAndReplicas(t *testing.T, test func(t *testing.T, p Placement)) {
	t.Helper()
	Each(t, test)
	if os.Getenv("SIDECART_E2E_PLACEMENTS") == "" {
		t.Run(string(Replicas), func(t *testing.T) { test(t, Replicas) })
	}
}

// WithReplicas adds replicas of an app until there are n.
func WithReplicas(app string, n int) Option {
	return func(o *run.Options) {
		// The only way to fail is an app id that the run file does not have: a mistake in the test itself.
		if err := o.File.Replicate(app, n); err != nil {
			panic(err)
		}
	}
}
