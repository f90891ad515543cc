package harness

import "github.com/sidecart/sidecart/runtime/run"

// Replicas is split with two processes of inventory and two of order, each beside its own sidecar. It is no default
// of Placements: the journeys that pass in split are repeated on it by a test of their own.
const Replicas Placement = "replicas"

// WithReplicas adds replicas of an app until there are n.
func WithReplicas(app string, n int) Option {
	return func(o *run.Options) {
		// The only way to fail is an app id that the run file does not have: a mistake in the test itself.
		if err := o.File.Replicate(app, n); err != nil {
			panic(err)
		}
	}
}
