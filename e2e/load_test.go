package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
)

// TestFlashSale: 2,000 buyers at once on 500 units. Exactly 500 get an order and 1,500 are told sold_out.
func TestFlashSale(t *testing.T) {
	harness.EachAndReplicas(t, func(t *testing.T, p harness.Placement) {
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
