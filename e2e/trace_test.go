package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
)

// tracedOrder is one order and the ids that its two requests came with.
type tracedOrder struct {
	id, placing, paying string
}

// TestOneIDFromTheRequestToTheMail sends orders at the same moment, so that they share commits, each with trace ids of its own in one of the
// formats that callers use. Whatever is done for an order, however much later, has the id of the request that asked for it: the answer,
// the provider's ledger, the mails, the texts.
func TestOneIDFromTheRequestToTheMail(t *testing.T) {
	harness.Each(t, func(t *testing.T, p harness.Placement) {
		s := harness.Open(t, p)
		sku := stocked(t, s, 100)
		formats := []func(id string) http.Header{
			func(id string) http.Header { return http.Header{"Traceparent": {"00-" + id + "-00f067aa0ba902b7-00"}} },
			func(id string) http.Header { return http.Header{"Traceparent": {"00-" + id + "-00f067aa0ba902b7-01"}} },
			func(id string) http.Header {
				return http.Header{"X-B3-Traceid": {id}, "X-B3-Spanid": {"00f067aa0ba902b7"}}
			},
			func(id string) http.Header { return http.Header{"B3": {id + "-00f067aa0ba902b7-0"}} },
			func(string) http.Header { return http.Header{} }, // the gateway makes one and says which
		}
		ask := func(format func(string) http.Header, path string, header http.Header, body any) (string, client.Answer, error) {
			id := strings.ReplaceAll(uuid.NewString(), "-", "")
			h := format(id)
			for name, values := range header {
				h[name] = values
			}
			a, err := s.Do(t.Context(), http.MethodPost, path, h, body)
			if err == nil && len(format(id)) > 0 && a.Header.Get("X-Trace-Id") != id {
				err = fmt.Errorf("asked with trace %s, answered with %q: %s", id, a.Header.Get("X-Trace-Id"), a.Body)
			}
			return a.Header.Get("X-Trace-Id"), a, err
		}
		orders := make([]tracedOrder, 20)
		var all errgroup.Group
		for i := range orders {
			all.Go(func() error {
				format := formats[i%len(formats)]
				placing, a, err := ask(format, "/v1/orders", http.Header{"Idempotency-Key": {uuid.NewString()}}, basket(sku, 1))
				if err != nil {
					return err
				}
				var o client.Order
				if err := a.Into(&o); err != nil || a.Status != http.StatusCreated {
					return fmt.Errorf("%d %s: %w", a.Status, a.Body, err)
				}
				paying, a, err := ask(format, "/v1/orders/"+o.ID+"/payment", nil, map[string]string{"method": "card"})
				if err == nil && a.Status != http.StatusAccepted {
					err = fmt.Errorf("%d %s", a.Status, a.Body)
				}
				orders[i] = tracedOrder{o.ID, placing, paying}
				return err
			})
		}
		require.NoError(t, all.Wait())
		for _, o := range orders {
			toldOf(t, s, o)
		}
	})
}

// toldOf waits until the customer was told that the order is paid, and compares the trace of every effect.
func toldOf(t *testing.T, s *harness.Shop, o tracedOrder) {
	t.Helper()
	require.NotEqual(t, o.placing, o.paying)
	var told []client.Notification
	harness.Eventually(t, "four messages about "+o.id+" were sent", 0, func() error {
		l, err := s.Notifications(t.Context(), o.id)
		if err != nil {
			return err
		}
		told = nil
		for _, n := range l.Items {
			if n.Status == "sent" {
				told = append(told, n)
			}
		}
		if len(told) != 4 {
			return fmt.Errorf("sent so far: %+v", told)
		}
		return nil
	})
	ledger, err := s.Sandbox.Ledger(t.Context(), o.id)
	require.NoError(t, err)
	require.Len(t, ledger, 1)
	assert.Equal(t, o.paying, ledger[0].TraceID, "the provider was asked on behalf of who paid")

	mails, err := s.Sandbox.Mail(t.Context())
	require.NoError(t, err)
	texts, err := s.Sandbox.SMS(t.Context())
	require.NoError(t, err)
	traces := map[string]string{} // by message
	for _, m := range mails {
		traces[m.MessageID] = m.TraceID
		assert.Equal(t, map[string]string{"Message-ID": "<" + m.MessageID + "@sidecart.invalid>", "X-Trace-Id": m.TraceID}, m.Header, "both as headers")
	}
	for _, m := range texts {
		traces[m.ID] = m.TraceID
	}
	for _, n := range told {
		want := o.placing
		if n.Template == "order_paid" {
			want = o.paying
		}
		assert.Equal(t, want, traces[n.MessageID], "%s by %s", n.Template, n.Channel)
	}
}
