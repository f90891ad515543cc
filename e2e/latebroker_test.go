package e2e

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/chaos"
	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/servers"
)

// TestSidecarStartsWithoutBroker: a shop whose order service loses its sidecar while the broker is away sells on at once, and the events to and
// from that service come again when the broker is back.
func TestSidecarStartsWithoutBroker(t *testing.T) {
	harness.SkipIfShort(t)
	for set, broker := range map[string]string{embedded: "broker", "postgres": "rabbitmq", "kafka": "kafka"} {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			if _, err := servers.Check(setFolder(set), os.Getenv); err != nil {
				cannotRun(t, err)
			}
			s := harness.Open(t, harness.Split, append(chaos.Options(), harness.WithSet(set))...)
			sku := stocked(t, s, 10)
			require.NoError(t, s.Stack.KillProcess(t.Context(), broker))
			s.Kill(t, "order.daprd")
			require.NoError(t, s.Stack.Ready(t.Context(), "order.daprd"))
			o, err := insist(t.Context(), func() (client.Order, error) { return s.Place(t.Context(), "without", basket(sku, 1)) })
			require.NoError(t, err)
			require.NoError(t, s.Pay(t.Context(), o.ID, "card"))
			becomes(t, s, o.ID, client.Paid)

			before := eventsDelivered(t, s)
			require.NoError(t, s.Stack.StartProcess(t.Context(), broker))
			harness.Eventually(t, "the broker delivers again", 0, func() error {
				placed(t, s, stocked(t, s, 1), 1)
				if eventsDelivered(t, s) == before {
					return fmt.Errorf("still %.0f events", before)
				}
				return nil
			})
		})
	}
}
