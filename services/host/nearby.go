package host

import (
	"context"

	"github.com/sidecart/sidecart/services/kit/failpoint"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// nearby publishes on the broker, and before that hands the event to the services of this host that follow its topic. A delivery is a hint
// (ADR 0002), so it may come twice: the followers know the second one by its number. On its way through the broker an event passes two
// sidecars' work and the disk of the broker, which made a sale of four services in one process wait longer for hints than for its commits.
type nearby struct {
	host   *Host
	broker sidecar.Publisher
}

// Publish is the broker's; the hand-over cannot fail.
func (n nearby) Publish(ctx context.Context, topic string, event sidecar.CloudEvent) error {
	if ears := n.host.topics[topic]; len(ears) > 0 {
		outcome := "delivered"
		failpoint.Deliver(func() {
			for _, ear := range ears {
				if !n.host.events.deliver(ctx, ear, 0, event) {
					outcome = "panicked"
				}
			}
		})
		n.host.events.nearby.WithLabelValues(topic, outcome).Inc()
	}
	return n.broker.Publish(ctx, topic, event)
}
