package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCircuitBreakersOpenAndClose is about dapr-config/resiliency.yaml and the embedded set, as they are shipped: for each binding, three
// requests that come to nothing open its breaker, and one that is answered, after its time, closes it.
func TestCircuitBreakersOpenAndClose(t *testing.T) {
	skipIfShort(t)
	const (
		charge  = `{"operation": "post", "data": {}, "metadata": {"path": "/charges"}}`
		message = `{"operation": "post", "data": {}}`
		letter  = `{"operation": "create", "data": "hello", "metadata": {"emailFrom": "a@shop.invalid", "emailTo": "b@shop.invalid", "subject": "s"}}`
	)
	provider, gateway, mail := newFlaky(t, serveHTTP), newFlaky(t, serveHTTP), newFlaky(t, serveSMTP)
	d := startEmbedded(t,
		"SIDECART_PAYMENT_URL=http://"+provider.address(), "SIDECART_SMS_URL=http://"+gateway.address(),
		"SIDECART_SMTP_HOST=127.0.0.1", "SIDECART_SMTP_PORT="+mail.port(),
	)
	for binding, c := range map[string]struct {
		body  string
		other *flaky
	}{"payment-provider": {charge, provider}, "sms": {message, gateway}, "mail": {letter, mail}} {
		t.Run(binding, func(t *testing.T) {
			t.Parallel()
			send := func() (int, string) { return d.call(t, http.MethodPost, "/v1.0/bindings/"+binding, c.body) }
			status, answer := send()
			require.Less(t, status, 300, answer)
			c.other.goDown()
			for range 3 {
				status, answer = send()
				require.Equal(t, http.StatusInternalServerError, status)
				require.NotContains(t, answer, "circuit breaker is open")
			}
			arrived := c.other.connections.Load()
			status, answer = send()
			assert.Equal(t, http.StatusInternalServerError, status)
			assert.Contains(t, answer, fmt.Sprintf("error invoking output binding %s: circuit breaker is open", binding),
				"the words by which services/kit/sidecar knows it")
			assert.Equal(t, arrived, c.other.connections.Load(), "nothing was sent")
			c.other.down.Store(false)
			require.Eventually(t, func() bool {
				status, answer = send()
				return status < 300
			}, startWait, 10*checkEvery, "closed again")
			status, answer = send()
			assert.Less(t, status, 300, answer)
			assert.Contains(t, d.log(), "changed state from closed to open")
			assert.Contains(t, d.log(), "changed state from half-open to closed")
		})
	}
}

// TestAnAnswerOpensNoCircuitBreaker: a provider that declines, or has trouble of its own, is there.
func TestAnAnswerOpensNoCircuitBreaker(t *testing.T) {
	skipIfShort(t)
	var status atomic.Int64
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) }))
	t.Cleanup(provider.Close)
	d := startEmbedded(t, "SIDECART_PAYMENT_URL="+provider.URL)
	for _, code := range []int{http.StatusPaymentRequired, http.StatusInternalServerError, http.StatusServiceUnavailable} {
		status.Store(int64(code))
		for range 10 {
			_, answer := d.call(t, http.MethodPost, "/v1.0/bindings/payment-provider", `{"operation": "post", "data": {}}`)
			require.NotContains(t, answer, "circuit breaker")
		}
	}
}

// flaky is a server that drops connections while it is down, those of mails that the sidecar keeps, too.
type flaky struct {
	net.Listener
	down        atomic.Bool
	connections atomic.Int64
	mu          sync.Mutex
	accepted    []net.Conn
}

func (f *flaky) goDown() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down.Store(true)
	for _, c := range f.accepted {
		_ = c.Close()
	}
}

func newFlaky(t *testing.T, serve func(net.Listener)) *flaky {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	f := &flaky{Listener: l}
	t.Cleanup(func() { _ = l.Close() })
	go serve(f)
	return f
}

func (f *flaky) Accept() (net.Conn, error) {
	for {
		c, err := f.Listener.Accept()
		if err != nil {
			return nil, err
		}
		f.connections.Add(1)
		f.mu.Lock()
		f.accepted = append(f.accepted, c)
		down := f.down.Load()
		f.mu.Unlock()
		if !down {
			return c, nil
		}
		_ = c.Close()
	}
}

func (f *flaky) address() string { return f.Addr().String() }

func (f *flaky) port() string {
	_, port, _ := net.SplitHostPort(f.address())
	return port
}

// serveHTTP answers one request a connection, so that none outlives a change of mind.
func serveHTTP(l net.Listener) {
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{}`))
	})}
	server.SetKeepAlivesEnabled(false)
	_ = server.Serve(l)
}

// serveSMTP takes every mail.
func serveSMTP(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			p := textproto.NewConn(c)
			defer p.Close()
			_ = p.PrintfLine("220 ready")
			for {
				line, err := p.ReadLine()
				if err != nil {
					return
				}
				switch verb := strings.ToUpper(line); {
				case strings.HasPrefix(verb, "DATA"):
					_ = p.PrintfLine("354 go on")
					_, _ = p.ReadDotBytes()
					_ = p.PrintfLine("250 taken")
				case strings.HasPrefix(verb, "QUIT"):
					_ = p.PrintfLine("221 bye")
					return
				default:
					_ = p.PrintfLine("250 fine")
				}
			}
		}()
	}
}
