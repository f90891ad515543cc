package e2e

import (
	"errors"
	"fmt"
	"testing"

	"github.com/sidecart/sidecart/e2e/chaos"
	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
)

// audit waits until a quiet shop's books balance (chaos.Audit). orders are ids that clients were told.
func audit(t *testing.T, s *harness.Shop, skus []string, orders []string) {
	t.Helper()
	harness.Eventually(t, "the books balance", 0, func() error { return chaos.Audit(t.Context(), s, skus, orders) })
}

// problem gives the problem document in err.
func problem(err error) *client.Problem {
	if p, ok := errors.AsType[*client.Problem](err); ok {
		return p
	}
	return &client.Problem{Code: fmt.Sprintf("no problem document but: %v", err)}
}

// becomes waits until an order has a status.
func becomes(t *testing.T, s *harness.Shop, id, status string) {
	t.Helper()
	harness.Eventually(t, "order "+id+" becomes "+status, 0, func() error {
		o, err := s.Order(t.Context(), id)
		if err == nil && o.Status != status {
			err = fmt.Errorf("it is %s", o.Status)
		}
		return err
	})
}
