package harness

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/client"
)

// Sandbox reads and steers the stand-ins of the outside world: the payment provider's ledger, the inboxes and the
// fault switches.
type Sandbox struct{ http *client.Client }

// Entry is a line of the provider's ledger.
type Entry struct {
	Kind    string `json:"kind"` // "charge", "declined" or "refund"
	OrderID string `json:"order_id"`
	ID      string `json:"id"`
	Key     string `json:"idempotency_key"`
	Amount  int64  `json:"amount"`
	TraceID string `json:"trace_id"`
}

// Mail is an e-mail that arrived.
type Mail struct {
	MessageID string   `json:"message_id"`
	To        []string `json:"to"`
	Subject   string   `json:"subject"`
	TraceID   string   `json:"trace_id"` // of the mail's header, or its last line
	// Header has Message-ID and X-Trace-Id, where they are headers.
	Header map[string]string `json:"header"`
}

// SMS is a text message that arrived; its ID is the message id of the notification.
type SMS struct {
	ID      string `json:"id"`
	To      string `json:"to"`
	Text    string `json:"text"`
	TraceID string `json:"trace_id"`
}

// NewSandbox talks to the sandbox at base.
func NewSandbox(base string) *Sandbox { return &Sandbox{http: client.New(base, requestWithin)} }

// Fault turns a fault switch: what is "payment", "mail" or "sms"; how is "ok", "down", "error", "slow" or "lost_reply".
func (s *Sandbox) Fault(t *testing.T, what, how string) {
	t.Helper()
	a, err := s.http.Do(t.Context(), http.MethodPost, "/faults", nil, map[string]string{what: how})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.Status, string(a.Body))
}

// Struck counts the calls of the payment provider that a switch made fail or wait since the sandbox started.
func (s *Sandbox) Struck(ctx context.Context) (int64, error) {
	a, err := s.http.Do(ctx, http.MethodGet, "/faults", nil, nil)
	if err != nil {
		return 0, err
	}
	var now struct {
		Struck int64 `json:"payment_struck"`
	}
	return now.Struck, a.Into(&now)
}

// all reads every page of a list.
func all[T any](ctx context.Context, c *client.Client, path string) ([]T, error) {
	var out []T
	for query := "?limit=200"; ; {
		a, err := c.Do(ctx, http.MethodGet, path+query, nil, nil)
		if err != nil {
			return nil, err
		}
		if a.Status != http.StatusOK {
			return nil, fmt.Errorf("the sandbox answered %s with %d: %s", path, a.Status, a.Body)
		}
		var page client.List[T]
		if err := a.Into(&page); err != nil {
			return nil, err
		}
		out = append(out, page.Items...)
		if page.NextCursor == "" {
			return out, nil
		}
		query = "?limit=200&cursor=" + url.QueryEscape(page.NextCursor)
	}
}

// Ledger gives the provider's entries (charges, declines and refunds) for an order, or all of them when orderID is empty.
func (s *Sandbox) Ledger(ctx context.Context, orderID string) ([]Entry, error) {
	charges, err := all[Entry](ctx, s.http, "/charges")
	if err != nil {
		return nil, err
	}
	refunds, err := all[Entry](ctx, s.http, "/refunds")
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(append(charges, refunds...), func(e Entry) bool {
		return orderID != "" && e.OrderID != orderID
	}), nil
}

// Mail gives the e-mails that arrived.
func (s *Sandbox) Mail(ctx context.Context) ([]Mail, error) { return all[Mail](ctx, s.http, "/mail") }

// SMS gives the text messages that arrived.
func (s *Sandbox) SMS(ctx context.Context) ([]SMS, error) { return all[SMS](ctx, s.http, "/sms") }
