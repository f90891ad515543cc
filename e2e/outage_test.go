package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
)

// TestOutages runs the journeys in which a part of the outside world goes away and comes back. Both placements run at
// once: giving up takes a minute of back-off (1, 2, 4 … 32 s), in which there is nothing to do. The provider comes first, so that the
// mail of one order only waits while mail is down: the breaker lets one try through in five seconds, whosever it is.
func TestOutages(t *testing.T) {
	harness.Each(t, func(t *testing.T, p harness.Placement) {
		t.Parallel()
		s := harness.Open(t, p, harness.WithDeaths(100))
		t.Run("provider down, then up", func(t *testing.T) { providerOutage(t, s) })
		t.Run("mail down, parked, then retried", func(t *testing.T) { mailOutage(t, s) })
		t.Run("everything restarts in the middle", func(t *testing.T) { restartEverything(t, s) })
	})
}

// providerOutage: while the provider is down an order waits; when it is back the payment goes through by itself.
func providerOutage(t *testing.T, s *harness.Shop) {
	sku := stocked(t, s, 5)
	s.Sandbox.Fault(t, "payment", "down")
	o := placed(t, s, sku, 1)
	require.NoError(t, s.Pay(t.Context(), o.ID, "card"))
	harness.Eventually(t, "payment has tried and failed", 0, func() error {
		failed, err := s.Sandbox.Struck(t.Context())
		if err == nil && failed == 0 {
			err = errors.New("the provider was not called yet")
		}
		return err
	})
	audit(t, s, []string{sku}, []string{o.ID})
	s.Sandbox.Fault(t, "payment", "ok")
	becomes(t, s, o.ID, client.Paid)
	audit(t, s, []string{sku}, []string{o.ID})
}

func mailOutage(t *testing.T, s *harness.Shop) {
	sku := stocked(t, s, 5)
	s.Sandbox.Fault(t, "mail", "down")
	o := placed(t, s, sku, 1)
	var parked client.Parked
	harness.Eventually(t, "the e-mail is parked for a person", 3*time.Minute, func() (err error) {
		parked, err = parkedOf(t, s, "notify")
		return err
	})
	l, err := s.Notifications(t.Context(), o.ID)
	require.NoError(t, err)
	byChannel := map[string]client.Notification{}
	for _, n := range l.Items {
		if n.Template == "order_placed" {
			byChannel[n.Channel] = n
		}
	}
	assert.Equal(t, "parked", byChannel["email"].Status)
	assert.Greater(t, byChannel["email"].Attempts, 1)
	assert.Equal(t, "sent", byChannel["sms"].Status, "a text message does not wait for the mail server")

	s.Sandbox.Fault(t, "mail", "ok")
	require.NoError(t, s.ResolveParked(t.Context(), parked.Service, parked.ID, "retry"))
	harness.Eventually(t, "the e-mail arrives", 0, func() error {
		mail, err := s.Sandbox.Mail(t.Context())
		if err != nil {
			return err
		}
		for _, m := range mail {
			if m.MessageID == byChannel["email"].MessageID {
				return nil
			}
		}
		return fmt.Errorf("%s is not among %d e-mails", byChannel["email"].MessageID, len(mail))
	})
	err = s.ResolveParked(t.Context(), parked.Service, parked.ID, "retry")
	assert.Equal(t, http.StatusNotFound, problem(err).Status, "what was retried is no longer parked")
}

// parkedOf gives the first parked entry of a service.
func parkedOf(t *testing.T, s *harness.Shop, service string) (client.Parked, error) {
	l, err := s.Parked(t.Context())
	if err != nil {
		return client.Parked{}, err
	}
	for _, p := range l.Items {
		if p.Service == service {
			return p, nil
		}
	}
	return client.Parked{}, fmt.Errorf("nothing of %s among %d parked entries", service, len(l.Items))
}

func restartEverything(t *testing.T, s *harness.Shop) {
	sku := stocked(t, s, 100)
	waiting := placed(t, s, sku, 1)
	paying := placed(t, s, sku, 2)
	key := uuid.NewString()
	first, err := s.Place(t.Context(), key, basket(sku, 3))
	require.NoError(t, err)
	require.NoError(t, s.Pay(t.Context(), paying.ID, "card"))
	for _, p := range s.Stack.Processes() {
		require.NoError(t, s.Stack.KillProcess(t.Context(), p.Name))
	}
	var g errgroup.Group
	for _, p := range s.Stack.Processes() {
		g.Go(func() error { return s.Stack.StartProcess(t.Context(), p.Name) })
	}
	require.NoError(t, g.Wait())
	s.AwaitReady(t)
	becomes(t, s, paying.ID, client.Paid)
	again, err := s.Place(t.Context(), key, basket(sku, 3))
	require.NoError(t, err)
	assert.Equal(t, first, again)
	require.NoError(t, s.Pay(t.Context(), waiting.ID, "card"))
	becomes(t, s, waiting.ID, client.Paid)
	audit(t, s, []string{sku}, []string{waiting.ID, paying.ID, first.ID})
}
