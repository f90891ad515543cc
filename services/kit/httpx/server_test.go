package httpx

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// These tests are about clients that mean harm, over real sockets. The limits are shorter than the defaults, which TestServerHasEveryBound
// holds; that a connection ends is waited for, never measured.

const testEnds = 20 * time.Second // a test that waits longer has failed

// serving runs a server with short limits; arrived counts the requests that came to the handler.
func serving(t *testing.T, h http.HandlerFunc) (address string, arrived *atomic.Int64) {
	t.Helper()
	arrived = &atomic.Int64{}
	s := NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived.Add(1)
		r.Body = http.MaxBytesReader(w, r.Body, 1<<10)
		h(w, r)
	}), ServerConfig{ReadHeaderTimeout: 100 * time.Millisecond, ReadTimeout: 200 * time.Millisecond, WriteTimeout: 400 * time.Millisecond}, nil)
	l, err := Listen("127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return l.Addr().String(), arrived
}

func dialed(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(testEnds)))
	return c
}

// dripping sends a byte of text again and again until the other side has hung up.
func dripping(c net.Conn, text string) {
	for {
		if _, err := io.WriteString(c, text); err != nil {
			return
		}
		<-time.After(10 * time.Millisecond) // the client is slow: this is not a wait for something to happen
	}
}

// hungUp waits until the server ends the connection, and gives what it had to say.
func hungUp(t *testing.T, c net.Conn) string {
	t.Helper()
	said, err := io.ReadAll(c)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		require.Fail(t, "the server did not hang up", "it said %q", said)
	}
	return string(said)
}

func readAllOf(w http.ResponseWriter, r *http.Request) {
	if _, err := io.ReadAll(r.Body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
}

func TestHeadersThatNeverEnd(t *testing.T) {
	address, arrived := serving(t, readAllOf)
	c := dialed(t, address)
	_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n")
	require.NoError(t, err)
	go dripping(c, "X-A: b\r\n")
	hungUp(t, c)
	assert.Zero(t, arrived.Load(), "no handler was called for it")
}

func TestABodyThatNeverEnds(t *testing.T) {
	for name, head := range map[string]string{"announced": "Content-Length: 1000", "in chunks": "Transfer-Encoding: chunked"} {
		t.Run(name, func(t *testing.T) {
			address, _ := serving(t, readAllOf)
			c := dialed(t, address)
			_, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\n"+head+"\r\n\r\n")
			require.NoError(t, err)
			go dripping(c, map[string]string{"announced": "x", "in chunks": "1\r\nx\r\n"}[name])
			assert.Contains(t, hungUp(t, c), "400 Bad Request")
		})
	}
}

func TestABodyWithoutMeasure(t *testing.T) {
	address, _ := serving(t, readAllOf)
	c := dialed(t, address)
	_, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	require.NoError(t, err)
	chunk := "1000\r\n" + strings.Repeat("x", 0x1000) + "\r\n"
	go func() {
		for {
			if _, err := io.WriteString(c, chunk); err != nil {
				return
			}
		}
	}()
	assert.NotContains(t, hungUp(t, c), "200 OK")
}

func TestHeadersWithoutMeasure(t *testing.T) {
	for name, header := range map[string]string{"one": "X-A: " + strings.Repeat("a", 64<<10) + "\r\n", "many": strings.Repeat("X-A: b\r\n", 8<<10)} {
		t.Run(name, func(t *testing.T) {
			address, arrived := serving(t, readAllOf)
			c := dialed(t, address)
			go func() { _, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n"+header+"\r\n") }()
			r, err := http.ReadResponse(bufio.NewReader(c), nil)
			require.NoError(t, err)
			assert.Equal(t, http.StatusRequestHeaderFieldsTooLarge, r.StatusCode)
			assert.Zero(t, arrived.Load())
		})
	}
}

// TestARefusalCanBeReadToItsEnd: the rest of what is refused is not read, and the client must learn why all the same.
func TestARefusalCanBeReadToItsEnd(t *testing.T) {
	l, err := Listen("127.0.0.1:0")
	require.NoError(t, err)
	bound, err := Bound(l, Connections{})
	require.NoError(t, err)
	s := NewServer(http.NotFoundHandler(), ServerConfig{}, nil)
	go func() { _ = s.Serve(bound) }()
	t.Cleanup(func() { _ = s.Close() })
	c := dialed(t, l.Addr().String())
	_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nX-A: "+strings.Repeat("a", 24<<10)+"\r\n\r\n")
	require.NoError(t, err)
	said, err := io.ReadAll(c)
	require.NoError(t, err, "after %q", said)
	assert.Contains(t, string(said), "431 ")
}

// TestAReaderWhoDoesNotRead: the answer fills every buffer on the way; the handler must not wait for ever.
func TestAReaderWhoDoesNotRead(t *testing.T) {
	ended := make(chan error, 1)
	address, _ := serving(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk := bytes.Repeat([]byte("x"), 1<<20)
		for {
			if _, err := w.Write(chunk); err != nil {
				ended <- err
				return
			}
		}
	})
	_, err := io.WriteString(dialed(t, address), "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	require.NoError(t, err)
	select {
	case err := <-ended:
		require.Error(t, err)
	case <-time.After(testEnds):
		require.Fail(t, "the handler still waits for its reader")
	}
}

// TestRequestsInOneBreath: a thousand are written before an answer is read; one is handled at a time.
func TestRequestsInOneBreath(t *testing.T) {
	const requests = 1000
	var now, most atomic.Int64
	address, arrived := serving(t, func(w http.ResponseWriter, _ *http.Request) {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		_, _ = io.WriteString(w, "x")
	})
	c := dialed(t, address)
	go func() { _, _ = io.WriteString(c, strings.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", requests)) }()
	in := bufio.NewReader(c)
	for range requests {
		r, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, r.Body)
		require.NoError(t, err)
	}
	assert.EqualValues(t, requests, arrived.Load())
	assert.EqualValues(t, 1, most.Load())
}

// farListener says that its connections come from elsewhere, since those from loopback are not bounded by address.
type farListener struct {
	net.Listener
	from func() string
}

func (l farListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return farConn{c, l.from()}, nil
}

type farConn struct {
	net.Conn
	from string
}

func (c farConn) RemoteAddr() net.Addr {
	a, _ := net.ResolveTCPAddr("tcp", c.from)
	return a
}

func TestConnectionsAreBounded(t *testing.T) {
	var from atomic.Pointer[string]
	comeFrom := func(a string) { from.Store(&a) }
	l, err := Listen("127.0.0.1:0")
	require.NoError(t, err)
	reg := prometheus.NewRegistry()
	bound, err := Bound(farListener{l, func() string { return *from.Load() }}, Connections{Max: 5, PerAddress: 2, Metrics: reg, Listener: "public"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = bound.Close() })
	accepted := make(chan net.Conn, 10)
	go func() {
		for {
			c, err := bound.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	in := func(address string) net.Conn {
		comeFrom(address)
		dialed(t, l.Addr().String())
		select {
		case c := <-accepted:
			return c
		case <-time.After(testEnds):
			require.Fail(t, "not let in", address)
			return nil
		}
	}
	out := func(address string) {
		comeFrom(address)
		hungUp(t, dialed(t, l.Addr().String()))
		require.Empty(t, accepted)
	}
	first := in("[2001:db8::1]:1")
	in("[2001:db8::2]:1") // the same /64
	out("[2001:db8::3]:1")
	in("[2001:db8:0:1::3]:1")
	in("127.0.0.1:1")
	in("127.0.0.1:1")
	out("198.51.100.1:1") // all five are taken
	require.NoError(t, first.Close())
	_ = first.Close() // which gives the place back once
	in("198.51.100.1:1")
	out("198.51.100.2:1")
	b := bound.(*boundListener)
	open, clients := b.count()
	assert.Equal(t, 5, open)
	assert.Equal(t, 4, clients, "who has left is forgotten")
	assert.EqualValues(t, 1, testutil.ToFloat64(b.refused.WithLabelValues("address")))
	assert.EqualValues(t, 2, testutil.ToFloat64(b.refused.WithLabelValues("all")))
}
