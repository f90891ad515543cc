package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/e2e/chaos"
	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
)

// TestStoreThatDoesNotAnswer freezes the sidecar under a crowd: everybody is told 503 and when to come again, and
// whoever repeats with the same id afterwards gets what was asked for, once.
func TestStoreThatDoesNotAnswer(t *testing.T) {
	harness.SkipIfShort(t)
	t.Parallel()
	const crowd, sidecar = 400, "sidecart.daprd"
	s := harness.Open(t, harness.One, chaos.Options()...)
	sku := stocked(t, s, crowd)
	ask := func(i int) error {
		_, err := s.Reserve(t.Context(), sku, fmt.Sprintf("crowd-%d", i), 1, time.Hour)
		return err
	}
	require.NoError(t, s.Stack.Kill(sidecar, syscall.SIGSTOP))
	var frozen errgroup.Group
	for i := range crowd {
		frozen.Go(func() error {
			p, told := errors.AsType[*client.Problem](ask(i))
			if !told || p.Status != http.StatusServiceUnavailable || p.RetryAfter == "" {
				return fmt.Errorf("customer %d was told %+v", i, p)
			}
			return nil
		})
	}
	err := frozen.Wait()
	require.NoError(t, s.Stack.Kill(sidecar, syscall.SIGCONT))
	require.NoError(t, err)
	var thawed errgroup.Group
	for i := range crowd {
		thawed.Go(func() error {
			_, err := insist(t.Context(), func() (bool, error) { return true, ask(i) })
			return err
		})
	}
	require.NoError(t, thawed.Wait())
	st, err := s.Stock(t.Context(), sku)
	require.NoError(t, err)
	assert.Equal(t, []int64{crowd, 0, crowd, 0}, []int64{st.Received, st.Available, st.Reserved, st.Sold})
}
