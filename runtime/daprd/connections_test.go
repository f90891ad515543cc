package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBindingsKeepTheirConnections is about the payment provider of the embedded set: requests that come together, again and again, go
// over the connections that the first of them opened.
func TestBindingsKeepTheirConnections(t *testing.T) {
	skipIfShort(t)
	const together, rounds = 16, 10
	var opened atomic.Int64
	var arrived sync.WaitGroup // all of a round are with the provider before any is answered
	provider := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived.Done()
		arrived.Wait()
		_, _ = w.Write([]byte(`{}`))
	}))
	provider.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	provider.Start()
	t.Cleanup(provider.Close)
	d := startEmbedded(t, "SIDECART_PAYMENT_URL="+provider.URL)
	for range rounds {
		arrived.Add(together)
		var asking sync.WaitGroup
		for range together {
			asking.Go(func() {
				status, answer := d.call(t, http.MethodPost, "/v1.0/bindings/payment-provider", `{"operation": "post", "data": {}}`)
				assert.Equal(t, http.StatusOK, status, answer)
			})
		}
		asking.Wait()
	}
	require.GreaterOrEqual(t, opened.Load(), int64(together))
	// A connection may be counted as free a moment after its answer, hence some more; two a host would be 142.
	assert.Less(t, opened.Load(), int64(2*together))
}
