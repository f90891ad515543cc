package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
)

// TestReplicasShareTheWork doubles every service but the gateway. Both processes of each do some of the work, and never
// both the same: each order's charge and each message is carried through by one execution, of one process.
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
				key := uuid.NewString()
				o, err := insist(t.Context(), func() (client.Order, error) { return s.Place(t.Context(), key, basket(sku, 1)) })
				if err != nil {
					return err
				}
				bought[c] = append(bought[c], o.ID)
				if _, err = insist(t.Context(), func() (struct{}, error) { return struct{}{}, s.Pay(t.Context(), o.ID, "card") }); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	var orders []string
	attempts := map[string]int{} // by message id
	for _, ids := range bought {
		orders = append(orders, ids...)
	}
	for _, id := range orders {
		becomes(t, s, id, client.Paid)
		sent(t, s, id, attempts)
	}
	audit(t, s, []string{sku}, orders)
	arrivals, err := arrived(t, s)
	require.NoError(t, err)
	for id, most := range attempts { // more than one only when one took too long, on a machine with much else to do
		assert.GreaterOrEqual(t, arrivals[id], 1, "arrivals of %s", id)
		assert.LessOrEqual(t, arrivals[id], most, "arrivals of %s", id)
	}

	executions, commits := counters(t, s)
	assert.EqualValues(t, len(orders), executions["payment"]+executions["payment-2"], "charges carried through")
	assert.EqualValues(t, len(attempts), executions["notify"]+executions["notify-2"], "messages carried through")
	for _, app := range []string{"inventory", "order", "payment", "notify"} {
		for _, name := range []string{app, app + "-2"} {
			assert.Positive(t, commits[name], "%s committed nothing", name)
		}
	}
	t.Logf("%d orders, %d messages; executions %v; commits %v", len(orders), len(attempts), executions, commits)
}

// sent waits until every message about a paid order is sent, and notes how many attempts each took.
func sent(t *testing.T, s *harness.Shop, order string, attempts map[string]int) {
	t.Helper()
	harness.Eventually(t, "the customer is told", 0, func() error {
		l, err := s.Notifications(t.Context(), order)
		if err != nil {
			return err
		}
		paid := 0
		for _, n := range l.Items {
			if n.Status != "sent" {
				return fmt.Errorf("not sent yet: %+v", n)
			}
			if n.Template == "order_paid" {
				paid++
			}
			attempts[n.MessageID] = n.Attempts
		}
		if paid != 2 {
			return fmt.Errorf("told so far: %+v", l.Items)
		}
		return nil
	})
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

// counters reads how many effects each process of a service says it has carried through, and how many segments it committed.
func counters(t *testing.T, s *harness.Shop) (executions, commits map[string]float64) {
	t.Helper()
	executions, commits = map[string]float64{}, map[string]float64{}
	for name, base := range s.Stack.URLs().Internal {
		if name == "broker" || name == "sandbox" || name == "gateway" {
			continue
		}
		metrics := client.New(base, time.Minute)
		a, err := metrics.Do(t.Context(), http.MethodGet, "/metrics", nil, nil)
		metrics.Close()
		require.NoError(t, err)
		for line := range strings.Lines(string(a.Body)) {
			series, text, _ := strings.Cut(strings.TrimSpace(line), " ")
			value, _ := strconv.ParseFloat(text, 64)
			switch metric, labels, _ := strings.Cut(series, "{"); {
			case metric == "sidecart_task_execution_seconds_count" && strings.Contains(labels, `result="recorded"`):
				executions[name] += value
			case metric == "sidecart_journal_commits_total":
				commits[name] += value
			}
		}
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
