package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
)

// TestFlashSale: 2,000 buyers at once on 500 units. Exactly 500 get an order and 1,500 are told sold_out.
func TestFlashSale(t *testing.T) {
	harness.Each(t, func(t *testing.T, p harness.Placement) {
		const units, buyers = 500, 2000
		s := harness.Open(t, p)
		sku := stocked(t, s, units)
		var (
			g       errgroup.Group
			start   = make(chan struct{})
			orders  = make([]string, buyers)
			refused = make([]bool, buyers)
			waited  = make([]time.Duration, buyers)
		)
		for i := range buyers {
			g.Go(func() error {
				<-start
				began := time.Now()
				o, err := insist(t.Context(), func() (client.Order, error) {
					return s.Place(t.Context(), "buyer-"+fmt.Sprint(i), basket(sku, 1))
				})
				waited[i] = time.Since(began)
				orders[i] = o.ID
				refused[i] = err != nil && problem(err).Code == "sold_out"
				if err != nil && !refused[i] {
					return fmt.Errorf("buyer %d: %w", i, err)
				}
				return nil
			})
		}
		close(start)
		require.NoError(t, g.Wait())
		got := slices.DeleteFunc(slices.Clone(orders), func(id string) bool { return id == "" })
		assert.Len(t, got, units)
		no := 0
		for _, r := range refused {
			if r {
				no++
			}
		}
		assert.Equal(t, buyers-units, no)
		audit(t, s, []string{sku}, got)
		slices.Sort(waited)
		t.Logf("%s: %d orders and %d refusals; a buyer waited p50 %s, p99 %s, at most %s",
			p, len(got), no, waited[buyers/2], waited[buyers*99/100], waited[buyers-1])
	})
}

// insist repeats call while its outcome is unknown, as the contract says a client may, for at most patience.
func insist[T any](ctx context.Context, call func() (T, error)) (T, error) {
	const patience, pause = time.Minute, 100 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		v, err := call()
		if err == nil {
			return v, nil
		}
		if p, ok := errors.AsType[*client.Problem](err); ok && p.Definite() {
			return v, err
		}
		select {
		case <-ctx.Done():
			return v, fmt.Errorf("still unanswered: %w", err)
		case <-time.After(pause):
		}
	}
}

// TestKillUnderLoad kills each process once with SIGKILL while customers buy and pay. The runner starts it again;
// afterwards the books balance and every order that a customer was told of is there.
func TestKillUnderLoad(t *testing.T) {
	harness.Each(t, func(t *testing.T, p harness.Placement) {
		s := harness.Open(t, p, harness.WithDeaths(100))
		for _, victim := range s.Stack.Processes() {
			t.Run(victim.Name, func(t *testing.T) { killUnderLoad(t, s, victim.Name) })
		}
	})
}

func killUnderLoad(t *testing.T, s *harness.Shop, victim string) {
	const customers, ordersBefore, ordersAfter, units = 8, 20, 40, 200
	sku := stocked(t, s, units)
	var (
		mu     sync.Mutex
		told   []string
		g      errgroup.Group
		before = make(chan struct{}, customers*ordersBefore)
		killed = make(chan struct{})
	)
	for c := range customers {
		g.Go(func() error {
			for i := range ordersBefore + ordersAfter {
				if i == ordersBefore {
					<-killed
				}
				key := uuid.NewString()
				o, err := insist(t.Context(), func() (client.Order, error) { return s.Place(t.Context(), key, basket(sku, 1)) })
				if problem(err).Code == "sold_out" {
					if i < ordersBefore {
						before <- struct{}{}
					}
					continue
				}
				if err != nil {
					return fmt.Errorf("customer %d, order %d: %w", c, i, err)
				}
				mu.Lock()
				told = append(told, o.ID)
				mu.Unlock()
				if i%2 == 0 {
					_, err = insist(t.Context(), func() (struct{}, error) { return struct{}{}, s.Pay(t.Context(), o.ID, "card") })
					if err != nil {
						return fmt.Errorf("customer %d pays %s: %w", c, o.ID, err)
					}
				}
				if i < ordersBefore {
					before <- struct{}{}
				}
			}
			return nil
		})
	}
	// Half of what comes before the kill is done, the other half is under way.
	for range customers * ordersBefore / 2 {
		select {
		case <-before:
		case <-t.Context().Done():
			return
		}
	}
	s.Kill(t, victim)
	close(killed)
	require.NoError(t, g.Wait())
	s.AwaitReady(t)
	settled(t, s, told)
	audit(t, s, []string{sku}, told)
}

// settled waits until no order that was asked to be paid is still being paid.
func settled(t *testing.T, s *harness.Shop, orders []string) {
	t.Helper()
	harness.Eventually(t, "payments settle", 0, func() error {
		for _, id := range orders {
			a, err := s.Do(t.Context(), "GET", "/v1/orders/"+id, nil, nil)
			if err != nil {
				return err
			}
			var o struct {
				Status  string `json:"status"`
				Payment *struct {
					Status string `json:"status"`
				} `json:"payment"`
			}
			if err := a.Into(&o); err != nil {
				return err
			}
			if o.Payment != nil && o.Status == client.AwaitingPayment {
				return fmt.Errorf("order %s: payment %s", id, o.Payment.Status)
			}
		}
		return nil
	})
}
