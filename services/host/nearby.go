package host

import (
	"context"

	"github.com/sidecart/sidecart/services/kit/failpoint"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// nearby hands an event to the services of this host that follow its topic, and then publishes it on the broker if somebody elsewhere does. On
// its way through the broker an event passes two sidecars' work and the disk of the broker, which made a sale of four services in one process wait
// longer for hints than for its commits. Such a topic is not subscribed (hearsNearby): every delivery would be of a segment that is known.
// And publishing what nobody hears was an eighth of what an order cost.
type nearby struct {
	host    *Host
	service string // whose events these are
	broker  sidecar.Publisher
}

// hearsNearby says whether the followers of this host hear of a topic in the process: while there is one broker, and the service that the topic
// is named after is here. What another process commits for that service is handed to the followers there, who do the same work on the same
// journals; those here find it when they look at its heads.
func (h *Host) hearsNearby(topic string) bool {
	return h.cfg.Brokers.Next == "" && h.calls.local[topic] != nil
}

// Publish gives the broker's error, or sidecar.ErrUnheard if only followers of this host were to hear; the hand-over cannot fail.
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
	if !n.host.cfg.Brokers.Always && !n.host.audience.elsewhere(n.service) {
		return sidecar.ErrUnheard
	}
	return n.broker.Publish(ctx, topic, event)
}
