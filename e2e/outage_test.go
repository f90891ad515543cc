package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
)

// TestOutages runs the journeys in which a part of the outside world goes away and comes back.
func TestOutages(t *testing.T) {
	harness.Each(t, func(t *testing.T, p harness.Placement) {
		// Back-off is short here, so that giving up takes a second and not a minute.
		s := harness.Open(t, p, harness.WithEnv("SIDECART_BACKOFF_MAX", "400ms"), harness.WithEnv("SIDECART_BACKOFF_FIRST", "50ms"))
		t.Run("provider down, then up", func(t *testing.T) { providerOutage(t, s) })
		t.Run("provider loses the reply", func(t *testing.T) { lostReply(t, s) })
		t.Run("mail down, parked, then retried", func(t *testing.T) { mailOutage(t, s) })
		t.Run("everything restarts in the middle", func(t *testing.T) { restartEverything(t, s) })
	})
}

func providerOutage(t *testing.T, s *harness.Shop) {
	sku := stocked(t, s, 5)
	s.Sandbox.Fault(t, "payment", "down")
	o := placed(t, s, sku, 1)
	require.NoError(t, s.Pay(t.Context(), o.ID, "card"))
	// The charge fails until it is parked or the provider is back; either way nothing was charged.
	var parked client.Parked
	harness.Eventually(t, "the charge is parked for a person", 0, func() (err error) {
		parked, err = parkedOf(t, s, "payment")
		return err
	})
	assert.NotEmpty(t, parked.Reason)
	audit(t, s, []string{sku}, []string{o.ID})
	s.Sandbox.Fault(t, "payment", "ok")
	require.NoError(t, s.ResolveParked(t.Context(), parked.Service, parked.ID, "retry"))
	becomes(t, s, o.ID, client.Paid)
	audit(t, s, []string{sku}, []string{o.ID})
}

// lostReply: the provider charges and the answer is lost on its way; repeating must not charge twice.
func lostReply(t *testing.T, s *harness.Shop) {
	sku := stocked(t, s, 5)
	s.Sandbox.Fault(t, "payment", "lost_reply")
	o := placed(t, s, sku, 1)
	require.NoError(t, s.Pay(t.Context(), o.ID, "card"))
	harness.Eventually(t, "the provider has the charge", 0, func() error {
		l, err := s.Sandbox.Ledger(t.Context(), o.ID)
		if err == nil && len(l) == 0 {
			err = fmt.Errorf("the ledger has nothing of order %s", o.ID)
		}
		return err
	})
	s.Sandbox.Fault(t, "payment", "ok")
	harness.Eventually(t, "the order is paid", 0, func() error {
		if parked, err := parkedOf(t, s, "payment"); err == nil {
			return s.ResolveParked(t.Context(), parked.Service, parked.ID, "retry")
		}
		o, err := s.Order(t.Context(), o.ID)
		if err == nil && o.Status != client.Paid {
			err = fmt.Errorf("it is %s", o.Status)
		}
		return err
	})
	audit(t, s, []string{sku}, []string{o.ID})
}

func mailOutage(t *testing.T, s *harness.Shop) {
	sku := stocked(t, s, 5)
	s.Sandbox.Fault(t, "mail", "down")
	o := placed(t, s, sku, 1)
	var parked client.Parked
	harness.Eventually(t, "the e-mail is parked for a person", 0, func() (err error) {
		parked, err = parkedOf(t, s, "notify")
		return err
	})
	l, err := s.Notifications(t.Context(), o.ID)
	require.NoError(t, err)
	byChannel := map[string]client.Notification{}
	for _, n := range l.Items {
		byChannel[n.Channel] = n
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
