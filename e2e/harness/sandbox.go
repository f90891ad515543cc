package harness

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/client"
)

// Sandbox reads and steers the stand-ins of the outside world: the payment provider's ledger, the inboxes and the
// fault switches.
type Sandbox struct{ http *client.Client }

// Charge is an entry of the provider's ledger.
type Charge struct {
	Kind    string `json:"kind"` // "charge" or "refund"
	OrderID string `json:"order_id"`
	ID      string `json:"id"`
	Key     string `json:"key"` // the idempotency key it came with
	Amount  int64  `json:"amount"`
	Status  string `json:"status"`
}

// Message is an e-mail or a text message that arrived.
type Message struct {
	MessageID string `json:"message_id"`
	To        string `json:"to"`
	Subject   string `json:"subject"`
	Body      string `json:"body"`
}

func newSandbox(base string) *Sandbox { return &Sandbox{http: client.New(base, requestWithin)} }

// Fault turns a fault switch: what is "payment", "mail" or "sms"; how is "ok", "down", "error", "slow" or "lost_reply".
func (s *Sandbox) Fault(t *testing.T, what, how string) {
	t.Helper()
	a, err := s.http.Do(t.Context(), http.MethodPost, "/faults", nil, map[string]string{what: how})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.Status, string(a.Body))
}

func items[T any](ctx context.Context, c *client.Client, path string) ([]T, error) {
	a, err := c.Do(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return nil, err
	}
	var l client.List[T]
	err = a.Into(&l)
	return l.Items, err
}

// Ledger gives the provider's entries for an order, or all of them when orderID is empty.
func (s *Sandbox) Ledger(ctx context.Context, orderID string) ([]Charge, error) {
	all, err := items[Charge](ctx, s.http, "/charges")
	if err != nil || orderID == "" {
		return all, err
	}
	var of []Charge
	for _, c := range all {
		if c.OrderID == orderID {
			of = append(of, c)
		}
	}
	return of, nil
}

// Mail gives the e-mails that arrived.
func (s *Sandbox) Mail(ctx context.Context) ([]Message, error) {
	return items[Message](ctx, s.http, "/mail")
}

// SMS gives the text messages that arrived.
func (s *Sandbox) SMS(ctx context.Context) ([]Message, error) {
	return items[Message](ctx, s.http, "/sms")
}
