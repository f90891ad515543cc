package httpx

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace/noop"
)

// watched serves e's routes behind an edge over real sockets, and gives the address and the watch of its requests.
func watched(t *testing.T, route func(*echo.Echo)) (address string, w *watch) {
	t.Helper()
	m := newEdge(Config{}.Defaults(), Deps{NewID: func() string { return "made" }, Tracer: noop.NewTracerProvider().Tracer("")})
	e := echo.New()
	e.Use(m.handle)
	route(e)
	s := NewServer(e, ServerConfig{}, nil)
	l, err := Listen("127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return l.Addr().String(), &m.watch
}

// Whatever callers have sent, and however many hang up at once: what waits for their requests ends, and then nobody looks any more.
func TestWhoHangsUpEndsWhatWaits(t *testing.T) {
	const callers = 500
	begun, ended := make(chan struct{}, callers), make(chan error, 2*callers)
	address, w := watched(t, func(e *echo.Echo) {
		e.Any("/", func(c echo.Context) error {
			if _, err := io.Copy(io.Discard, c.Request().Body); err != nil {
				return err
			}
			ctx := c.Request().Context()
			longer, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			begun <- struct{}{}
			<-ctx.Done()
			ended <- ctx.Err()
			<-longer.Done()
			ended <- longer.Err()
			return ctx.Err()
		})
	})
	requests := []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
	}
	var open []io.Closer
	for i := range callers {
		c := dialed(t, address)
		_, err := io.WriteString(c, requests[i%len(requests)])
		require.NoError(t, err)
		open = append(open, c)
	}
	within := time.After(testEnds)
	for range callers {
		select {
		case <-begun:
		case <-within:
			require.FailNow(t, "not all have begun")
		}
	}
	assert.Empty(t, ended)
	assert.Len(t, w.underWay(), callers)
	for _, c := range open {
		require.NoError(t, c.Close())
	}
	for range 2 * callers {
		select {
		case err := <-ended:
			require.Equal(t, context.Canceled, err)
		case <-within:
			require.FailNow(t, "somebody waits for a caller who has gone")
		}
	}
	require.Eventually(t, func() bool { return len(w.underWay()) == 0 && !w.looks() }, testEnds, time.Millisecond)
}

// Requests that come in one breath have contexts, ids and bodies of their own.
func TestRequestsOfOneConnectionAreNotMixedUp(t *testing.T) {
	const requests = 200
	var before context.Context
	address, _ := watched(t, func(e *echo.Echo) {
		e.POST("/", func(c echo.Context) error {
			ctx := c.Request().Context()
			if before != nil {
				assert.Equal(t, context.Canceled, before.Err(), "the one before has been answered")
			}
			assert.NoError(t, ctx.Err())
			before = ctx
			body, err := io.ReadAll(c.Request().Body)
			if err != nil {
				return err
			}
			return c.String(http.StatusOK, RequestID(ctx)+" "+string(body))
		})
	})
	c := dialed(t, address)
	var all strings.Builder
	for i := range requests {
		body := strconv.Itoa(i)
		how := fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
		if i%2 > 0 {
			how = fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body)
		}
		fmt.Fprintf(&all, "POST / HTTP/1.1\r\nHost: a\r\n%s: id-%d\r\n%s", HeaderRequestID, i, how)
	}
	go func() { _, _ = io.WriteString(c, all.String()) }()
	in := bufio.NewReader(c)
	for i := range requests {
		r, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		said, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("id-%d %d", i, i), string(said))
		require.Equal(t, fmt.Sprintf("id-%d", i), r.Header.Get(HeaderRequestID))
	}
}

// What goes on when a request has ended, because others rely on it, still asks in its name within the process, and is not ended by that.
func TestWhatOutlivesItsRequestAsksInItsName(t *testing.T) {
	var inner context.Context
	asked := NewEcho(Config{}, Deps{})
	asked.GET("/", func(c echo.Context) error {
		inner = c.Request().Context()
		return inner.Err()
	})
	var ended context.Context
	door := NewEcho(Config{}, Deps{})
	door.GET("/", func(c echo.Context) error { ended = c.Request().Context(); return nil })
	door.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, context.Canceled, ended.Err())

	forever := context.WithoutCancel(ended)
	aWhile, cancel := context.WithTimeout(forever, time.Second)
	defer cancel()
	for name, ctx := range map[string]context.Context{"for a while": aWhile, "as long as it is allowed": forever} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			asked.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
			require.Equal(t, http.StatusOK, w.Code, w.Body)
			_, bounded := inner.Deadline()
			assert.True(t, bounded)
			assert.Equal(t, RequestID(ended), RequestID(inner))
			assert.Equal(t, RequestID(ended), w.Header().Get(HeaderRequestID))
			assert.Equal(t, TraceID(ended), TraceID(inner))
		})
	}
}
