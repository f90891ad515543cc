package e2e

import (
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

// TestReplicasShareTheWork doubles every service but the gateway. Both processes of each do some of the work, and as
// long as none fails no effect on the world is made twice: each order is charged by one execution, each message sent by one.
func TestReplicasShareTheWork(t *testing.T) {
	harness.SkipIfShort(t)
	const customers, ordersOfCustomer = 8, 10
	s := harness.Open(t, harness.Replicas, harness.WithReplicas("payment", 2), harness.WithReplicas("notify", 2))
	sku := stocked(t, s, customers*ordersOfCustomer)
	bought := make([][]string, customers)
	var g errgroup.Group
	for c := range customers {
		g.Go(func() error {
			for range ordersOfCustomer {
				o, err := s.Place(t.Context(), uuid.NewString(), basket(sku, 1))
				if err != nil {
					return err
				}
				bought[c] = append(bought[c], o.ID)
				if err := s.Pay(t.Context(), o.ID, "card"); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	var orders, messages []string
	for _, ids := range bought {
		orders = append(orders, ids...)
	}
	for _, id := range orders {
		becomes(t, s, id, client.Paid)
		messages = append(messages, sentOnce(t, s, id)...)
	}
	audit(t, s, []string{sku}, orders)
	arrivals, err := arrived(t, s)
	require.NoError(t, err)
	for _, id := range messages {
		assert.Equal(t, 1, arrivals[id], "arrivals of %s", id)
	}

	executions, commits := counters(t, s)
	assert.EqualValues(t, len(orders), executions["payment"]+executions["payment-2"], "charges executed")
	assert.EqualValues(t, len(messages), executions["notify"]+executions["notify-2"], "messages executed")
	for _, app := range []string{"inventory", "order", "payment", "notify"} {
		for _, name := range []string{app, app + "-2"} {
			assert.Positive(t, commits[name], "%s committed nothing", name)
		}
	}
	t.Logf("%d orders, %d messages; executions %v; commits %v", len(orders), len(messages), executions, commits)
}

// sentOnce waits until every message about an order is sent, wants each to be the first attempt, and gives their ids.
func sentOnce(t *testing.T, s *harness.Shop, order string) (ids []string) {
	t.Helper()
	harness.Eventually(t, "the customer is told", 0, func() error {
		l, err := s.Notifications(t.Context(), order)
		if err != nil {
			return err
		}
		ids = ids[:0]
		paid := 0
		for _, n := range l.Items {
			if n.Status != "sent" {
				return fmt.Errorf("not sent yet: %+v", n)
			}
			if n.Template == "order_paid" {
				paid++
			}
			assert.Equal(t, 1, n.Attempts, "%+v", n)
			ids = append(ids, n.MessageID)
		}
		if paid != 2 {
			return fmt.Errorf("told so far: %+v", l.Items)
		}
		return nil
	})
	return ids
}

// arrived counts what is in the inboxes by message id.
func arrived(t *testing.T, s *harness.Shop) (map[string]int, error) {
	mail, err := s.Sandbox.Mail(t.Context())
	if err != nil {
		return nil, err
	}
	sms, err := s.Sandbox.SMS(t.Context())
	if err != nil {
		return nil, err
	}
	n := map[string]int{}
	for _, m := range mail {
		n[m.MessageID]++
	}
	for _, m := range sms {
		n[m.ID]++
	}
	return n, nil
}

// counters reads what each process of a service says it has executed and committed.
func counters(t *testing.T, s *harness.Shop) (executions, commits map[string]float64) {
	t.Helper()
	executions, commits = map[string]float64{}, map[string]float64{}
	for name, base := range s.Stack.URLs().Internal {
		if name == "broker" || name == "sandbox" || name == "gateway" {
			continue
		}
		sums, err := harness.Scrape(t.Context(), http.DefaultClient, base)
		require.NoError(t, err)
		executions[name] = sums["sidecart_task_execution_seconds_count"]
		commits[name] = sums["sidecart_journal_commits_total"]
	}
	return executions, commits
}

// TestWhileAReplicaIsAway: a call that picks a replica that cannot be reached is answered 503 with Retry-After, repeats reach
// the other, and in time nobody is sent to the one that is gone.
func TestWhileAReplicaIsAway(t *testing.T) {
	s := harness.Open(t, harness.Replicas)
	sku := stocked(t, s, 10)
	// With half of the calls failing, so many in a row are one chance in 65,536.
	const enough, patience = 16, time.Minute
	calm := func(when string) {
		began, failures := time.Now(), 0
		for row := 0; row < enough; row++ {
			_, err := s.Stock(t.Context(), sku)
			if err == nil {
				continue
			}
			p := problem(err)
			require.Equal(t, http.StatusServiceUnavailable, p.Status, "%s: %v", when, err)
			require.NotEmpty(t, p.RetryAfter, when)
			failures++
			row = -1
			require.Less(t, time.Since(began), patience, "%s: still sent to the replica that is away", when)
		}
		t.Logf("%s: %d calls failed; the last of them began within %s", when, failures, time.Since(began).Round(time.Millisecond))
	}
	ctx := t.Context()
	require.NoError(t, s.Stack.KillProcess(ctx, "inventory-2.daprd"))
	calm("with its sidecar killed for good")
	require.NoError(t, s.Stack.StartProcess(ctx, "inventory-2.daprd"))

	require.NoError(t, s.Stack.KillProcess(ctx, "inventory-2"))
	for range enough {
		_, err := insist(ctx, func() (client.Stock, error) { return s.Stock(ctx, sku) })
		require.NoError(t, err)
	}
	require.NoError(t, s.Stack.StartProcess(ctx, "inventory-2"))
	calm("with its app back")
	audit(t, s, []string{sku}, nil)
}
