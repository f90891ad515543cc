package host

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// shopRoutes answer in every way that a handler can.
func shopRoutes(g *echo.Group) {
	g.POST("/v1/echo/:id", func(c echo.Context) error {
		body, err := io.ReadAll(c.Request().Body)
		if err != nil {
			return err
		}
		id, err := httpx.PathParam(c, "id")
		if err != nil {
			return err
		}
		c.Response().Header().Set("X-Seen", id+" "+c.QueryParam("q")+" "+c.Request().Header.Get("Idempotency-Key")+"["+c.Request().Header.Get("Dapr-Api-Token")+"]")
		return c.Blob(http.StatusCreated, "text/plain", body)
	})
	g.GET("/v1/refused", func(echo.Context) error {
		return errs.New(errs.Conflict, "sold_out", "nothing is left").With("skus", []string{"tea"})
	})
	g.GET("/v1/panic", func(echo.Context) error { panic("ouch") })
	g.GET("/v1/trace", func(c echo.Context) error {
		return c.String(http.StatusOK, httpx.TraceID(c.Request().Context())+" "+httpx.RequestID(c.Request().Context()))
	})
	g.GET("/v1/left", func(c echo.Context) error {
		end, _ := c.Request().Context().Deadline()
		return c.String(http.StatusOK, time.Until(end).String())
	})
	g.GET("/v1/large", func(c echo.Context) error {
		c.Response().WriteHeader(http.StatusOK)
		for range 50 {
			if _, err := c.Response().Write(bytes.Repeat([]byte("x"), 10_000)); err != nil {
				return err
			}
		}
		return nil
	})
	g.GET("/v1/late", func(c echo.Context) error {
		err := c.String(http.StatusOK, "told")
		c.Response().Header().Set("X-Late", "too late")
		return err
	})
	g.HEAD("/v1/head", func(c echo.Context) error { return c.String(http.StatusOK, "not to be seen") })
	g.DELETE("/v1/nothing", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
}

// bothWays gives a client to a service "shop" in this host and one that has to go through a sidecar.
func bothWays(t *testing.T) map[string]*http.Client {
	shop := &fakeService{name: "shop", routes: shopRoutes}
	h, err := New(Config{}, Outside{Sidecar: upSidecar()}, shop.named())
	require.NoError(t, err)
	// The other side of the sidecar: it takes the invocation apart as daprd does.
	sidecarServer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Dapr-Api-Token") != "secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		const prefix = "/v1.0/invoke/shop/method"
		r.Header.Del("Dapr-Api-Token")
		// What it decoded once is the next URL as it stands (seen with daprd 1.18.2).
		next, err := url.Parse(strings.TrimPrefix(r.URL.Path, prefix))
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		r.URL.Path, r.URL.RawPath = next.Path, next.RawPath
		if next.RawQuery != "" {
			r.URL.RawQuery = next.RawQuery
		}
		h.app.ServeHTTP(w, r)
	}))
	t.Cleanup(sidecarServer.Close)
	other := &fakeService{name: "other"}
	away, err := New(Config{DaprHTTPPort: portOf(t, sidecarServer.URL), DaprToken: "secret"}, Outside{Sidecar: upSidecar()}, other.named())
	require.NoError(t, err)
	t.Cleanup(away.calls.dapr.(*http.Transport).CloseIdleConnections)
	return map[string]*http.Client{"in-process": shop.deps.Client, "dapr": other.deps.Client}
}

func portOf(t *testing.T, address string) int {
	u, err := url.Parse(address)
	require.NoError(t, err)
	port, err := strconv.Atoi(u.Port())
	require.NoError(t, err)
	return port
}

func TestACallIsTheSameInBothPlacements(t *testing.T) {
	for way, client := range bothWays(t) {
		t.Run(way, func(t *testing.T) {
			req, err := http.NewRequest(http.MethodPost, "http://shop/v1/echo/a%20b?q=1%262", strings.NewReader("hello"))
			require.NoError(t, err)
			req.Header.Set("Idempotency-Key", "k")
			req.Header.Set("Dapr-Api-Token", "smuggled")
			resp, err := client.Do(req)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, http.StatusCreated, resp.StatusCode)
			assert.Equal(t, "hello", string(body))
			assert.Equal(t, "a b 1&2 k[]", resp.Header.Get("X-Seen"), "everything but the token arrives")
			assert.EqualValues(t, 5, resp.ContentLength)
			assert.Equal(t, "smuggled", req.Header.Get("Dapr-Api-Token"), "the caller's request is not touched")

			resp, err = client.Get("http://shop/v1/late")
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Empty(t, resp.Header.Get("X-Late"), "the status was written before")

			for _, id := range []string{"50%", "50%41", "a?b", "a#b", "a%3Fb", "a+b", "a;b&c", "ü"} {
				req, err := http.NewRequest(http.MethodPost, "http://shop/v1/echo/"+url.PathEscape(id)+"?q=1", nil)
				require.NoError(t, err)
				resp, err := client.Do(req)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				assert.Equal(t, id+" 1 []", resp.Header.Get("X-Seen"))
			}

			err = httpx.Call(context.Background(), client, http.MethodGet, "http://shop/v1/refused", nil, nil)
			assert.True(t, errs.HasCode(err, "sold_out"), "%v", err)
			err = httpx.Call(context.Background(), client, http.MethodGet, "http://shop/v1/panic", nil, nil)
			assert.True(t, errs.HasCode(err, errs.CodeInternal), "%v", err)
			err = httpx.Call(context.Background(), client, http.MethodGet, "http://shop/v1/absent", nil, nil)
			assert.True(t, errs.HasCode(err, errs.CodeNotFound), "%v", err)
			require.NoError(t, httpx.Call(context.Background(), client, http.MethodDelete, "http://shop/v1/nothing", nil, nil))

			ctx := httpx.ContextWithTraceParent(context.Background(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
			assert.Contains(t, text(t, client, ctx, http.MethodGet, "http://shop/v1/trace"), "4bf92f3577b34da6a3ce929d0e0e4736 ")
			hurried, cancel := context.WithTimeout(ctx, 3*time.Second) // of a listener's 15
			defer cancel()
			left, err := time.ParseDuration(text(t, client, hurried, http.MethodGet, "http://shop/v1/left"))
			require.NoError(t, err)
			assert.LessOrEqual(t, left, 3*time.Second, "who is asked has no more time than who asks")
			assert.Len(t, text(t, client, ctx, http.MethodGet, "http://shop/v1/large"), 500_000)
			assert.Empty(t, text(t, client, ctx, http.MethodHead, "http://shop/v1/head"))
		})
	}
}

func text(t *testing.T, client *http.Client, ctx context.Context, method, target string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, target, nil)
	require.NoError(t, err)
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	return string(body)
}

func TestWhatCannotBeSentSaysSo(t *testing.T) {
	s := &fakeService{name: "shop"}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	_, err := New(Config{DaprHTTPPort: portOf(t, closed.URL)}, Outside{Sidecar: upSidecar()}, s.named())
	require.NoError(t, err)
	for _, target := range []string{
		"http://elsewhere/v1/x", "https://shop/v1/x", "http://shop:80/v1/x", "http://SHOP/x", "http://shop/../other", "http://shop/a/%2e%2e/b", "http://shop/./a",
	} {
		err := httpx.Call(context.Background(), s.deps.Client, http.MethodPost, target, map[string]int{}, nil)
		require.ErrorIs(t, err, httpx.ErrNotSent, target)
		assert.True(t, errs.HasCode(err, errs.CodeUnavailable), "nothing was changed, so the outcome is known: %v", err)
	}
	_, err = New(Config{}, Outside{Sidecar: upSidecar()}, s.named())
	require.NoError(t, err)
	err = httpx.Call(context.Background(), s.deps.Client, http.MethodGet, "http://order/v1/x", nil, nil)
	require.ErrorContains(t, err, "no sidecar")
}

func TestAnAppThatDoesNotAnswerIsNotWaitedForLong(t *testing.T) {
	gone := make(chan struct{})
	hung := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done(); close(gone) }))
	defer hung.Close()
	s := &fakeService{name: "shop"}
	h, err := New(Config{DaprHTTPPort: portOf(t, hung.URL)}, Outside{Sidecar: upSidecar()}, s.named())
	require.NoError(t, err)
	way := h.calls.dapr.(*http.Transport)
	require.Equal(t, answerWithin, way.ResponseHeaderTimeout)
	way.ResponseHeaderTimeout = 20 * time.Millisecond
	err = httpx.Call(context.Background(), s.deps.Client, http.MethodPost, "http://order/v1/x", nil, nil)
	assert.True(t, errs.HasCode(err, errs.CodeOutcomeUnknown), "%v", err)
	<-gone // the sidecar is told that nobody waits any more
}

// local serves a bare handler in-process.
func local(h http.Handler) *http.Client {
	t := newTransport(Config{}, slog.New(slog.DiscardHandler))
	t.local["shop"] = h
	return &http.Client{Transport: t}
}

// BenchmarkInProcessCall is a call as the gateway makes it for a customer: of a request that can be given up, and has a deadline, a
// trace and an id. What its caller spends on making the request is in it.
func BenchmarkInProcessCall(b *testing.B) {
	s := &fakeService{name: "shop", routes: shopRoutes}
	_, err := New(Config{}, Outside{Sidecar: upSidecar()}, s.named())
	require.NoError(b, err)
	body := []byte(`{"lines":[{"sku":"tea","quantity":1}]}`)
	door := httpx.NewEcho(httpx.Config{Listener: httpx.Public, HandlerTimeout: 10 * time.Second}, httpx.Deps{})
	door.POST("/", func(c echo.Context) error {
		r := (&http.Request{
			Method: http.MethodPost, Host: "shop", URL: &url.URL{Scheme: "http", Host: "shop", Path: "/v1/echo/a"}, Body: io.NopCloser(bytes.NewReader(body)),
			ContentLength: int64(len(body)), Header: http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {"key-1"}, "User-Agent": {"bench"}},
		}).WithContext(c.Request().Context())
		b.ReportAllocs()
		for b.Loop() {
			r.Body = io.NopCloser(bytes.NewReader(body))
			resp, err := s.deps.Client.Transport.RoundTrip(r)
			if err != nil {
				return err
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		return nil
	})
	w := httptest.NewRecorder()
	door.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	require.Equal(b, http.StatusOK, w.Code)
}

// TestAReleaseIsAnotherApp: the request goes to the app that its Host names, with the routes of the service, though that is here, too.
func TestAReleaseIsAnotherApp(t *testing.T) {
	var asked []string
	beside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer beside.Close()
	tr := newTransport(Config{DaprHTTPPort: portOf(t, beside.URL)}, slog.New(slog.DiscardHandler))
	defer tr.dapr.(*http.Transport).CloseIdleConnections()
	tr.local["shop"] = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	for host, status := range map[string]int{"": http.StatusOK, "shop": http.StatusOK, "shop-canary": http.StatusNoContent} {
		r, err := http.NewRequest(http.MethodGet, "http://shop/v1/things", nil)
		require.NoError(t, err)
		r.Host = host
		resp, err := tr.RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, status, resp.StatusCode, host)
	}
	assert.Equal(t, []string{"GET /v1.0/invoke/shop-canary/method/shop/v1/things"}, asked)
	for _, host := range []string{"shop/../other", "Shop", "shop:80", "shop-canary@other"} {
		r, err := http.NewRequest(http.MethodGet, "http://shop/v1/things", nil)
		require.NoError(t, err)
		r.Host = host
		_, err = tr.RoundTrip(r)
		require.ErrorIs(t, err, httpx.ErrNotSent, host)
		require.ErrorContains(t, err, "cannot be the app id")
	}
	assert.Len(t, asked, 1)
}
