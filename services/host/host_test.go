package host

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

func request(t *testing.T, h http.Handler, method, path, token, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Dapr-Api-Token", token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestOnlyTheSidecarGetsIn(t *testing.T) {
	s := &fakeService{name: "shop", routes: shopRoutes, contract: []byte("openapi: 3.0.3\ninfo: {title: Shop}\n")}
	h, err := New(Config{AppToken: "right"}, Outside{Sidecar: upSidecar()}, s.named())
	require.NoError(t, err)
	paths := map[string]string{
		"/shop/v1/trace": http.MethodGet, "/shop/openapi.yaml": http.MethodGet, "/dapr/subscribe": http.MethodGet,
		"/events/pubsub/order": http.MethodPost, "/readyz": http.MethodGet, "/nothing": http.MethodGet, "/healthz/": http.MethodGet,
	}
	for path, method := range paths {
		for _, token := range []string{"", "wrong", "righ", "right "} {
			w := request(t, h.app, method, path, token, "")
			assert.Equal(t, http.StatusUnauthorized, w.Code, path)
			assert.Contains(t, w.Body.String(), `"code":"unauthenticated"`)
			assert.NotContains(t, w.Body.String(), "right")
		}
		assert.NotEqual(t, http.StatusUnauthorized, request(t, h.app, method, path, "right", "").Code, path)
	}
	assert.Equal(t, http.StatusOK, request(t, h.app, http.MethodGet, "/healthz", "", "").Code)
}

func TestContractsAreServed(t *testing.T) {
	s := &fakeService{name: "shop", contract: []byte("openapi: 3.0.3\npaths: {/v1/x: {get: {responses: {200: {description: ok}}}}}\n")}
	h, err := New(Config{}, Outside{Sidecar: upSidecar()}, s.named())
	require.NoError(t, err)
	assert.Equal(t, string(s.contract), request(t, h.app, http.MethodGet, "/shop/openapi.yaml", "", "").Body.String())
	assert.JSONEq(t, `{"openapi":"3.0.3","paths":{"/v1/x":{"get":{"responses":{"200":{"description":"ok"}}}}}}`,
		request(t, h.app, http.MethodGet, "/shop/openapi.json", "", "").Body.String())
	s.contract = []byte("a: b: c")
	_, err = New(Config{}, Outside{Sidecar: upSidecar()}, s.named())
	require.ErrorContains(t, err, "service shop: contract")
}

func TestEventsReachEveryFollowerAndAreAlwaysAcknowledged(t *testing.T) {
	got := map[string][]string{}
	take := func(name string) func(context.Context, []byte) bool {
		return func(_ context.Context, data []byte) bool { got[name] = append(got[name], string(data)); return true }
	}
	a := &fakeService{name: "a", follows: map[string]func(context.Context, []byte) bool{"order": take("a"), "payment": take("a")}}
	b := &fakeService{name: "b", follows: map[string]func(context.Context, []byte) bool{"order": func(context.Context, []byte) bool { panic("b is broken") }}}
	c := &fakeService{name: "c", follows: map[string]func(context.Context, []byte) bool{"order": take("c")}}
	reg := prometheus.NewRegistry()
	h, err := New(Config{}, Outside{Sidecar: upSidecar(), Metrics: reg}, a.named(), b.named(), c.named())
	require.NoError(t, err)
	assert.JSONEq(t, `[{"pubsubname":"pubsub","topic":"order","route":"/events/pubsub/order","metadata":{"rawPayload":"true"}},{"pubsubname":"pubsub","topic":"payment","route":"/events/pubsub/payment","metadata":{"rawPayload":"true"}}]`,
		request(t, h.app, http.MethodGet, "/dapr/subscribe", "", "").Body.String())

	event := `{"specversion":"1.0","id":"order/0/1","type":"t","source":"order","data":{"seq":1}}`
	segment := `{"id":"x","data":"` + strings.Repeat("x", 250<<10) + `"}` // larger than the bound of other bodies
	for path, body := range map[string]string{
		"/events/pubsub/order": event, "/events/pubsub/payment": segment, "/events/pubsub/unknown": event,
		"/events/another/order": event, "/events/pubsub/order?bad": "not an event", "/events/pubsub/payment?large": strings.Repeat("x", maxEventBytes+1),
	} {
		w := request(t, h.app, http.MethodPost, path, "", body)
		assert.Equal(t, http.StatusOK, w.Code, path)
		assert.JSONEq(t, `{"status":"SUCCESS"}`, w.Body.String())
	}
	assert.Len(t, got["a"], 2)
	assert.Equal(t, []string{`{"seq":1}`}, got["c"], "b's panic is b's alone")
}

// A gateway brings an Echo of its own, on the registerer that it is given: one process, one registry.
func TestAServiceMayHaveAnEchoOfItsOwn(t *testing.T) {
	shop := &fakeService{name: "shop", routes: shopRoutes}
	_, err := New(Config{}, Outside{Sidecar: upSidecar()}, shop.named(), Named{Name: "gateway", New: func(d Deps) (Service, error) {
		httpx.NewEcho(httpx.Config{Listener: "public"}, httpx.Deps{Metrics: d.Metrics})
		return &fakeService{name: "gateway"}, nil
	}})
	require.NoError(t, err)
}

func TestHostNeedsItsParts(t *testing.T) {
	ok := &fakeService{name: "shop"}
	_, err := New(Config{}, Outside{Sidecar: upSidecar()})
	require.ErrorContains(t, err, "no services")
	_, err = New(Config{}, Outside{}, ok.named())
	require.ErrorContains(t, err, "no sidecar")
	_, err = New(Config{AppPort: -1, InternalPort: 1 << 20}, Outside{Sidecar: upSidecar()}, ok.named())
	require.ErrorContains(t, err, "APP_PORT")
	require.ErrorContains(t, err, "SIDECART_INTERNAL_PORT")
	for _, name := range []string{"", "Shop", "a/b", "events", "dapr", "1a"} {
		_, err = New(Config{}, Outside{Sidecar: upSidecar()}, Named{Name: name})
		require.ErrorContains(t, err, "cannot be the name", name)
	}
	_, err = New(Config{}, Outside{Sidecar: upSidecar()}, ok.named(), ok.named())
	require.ErrorContains(t, err, "given twice")
	broken := func(text string) Named {
		return Named{Name: text, New: func(Deps) (Service, error) { return nil, errors.New(text + " is broken") }}
	}
	_, err = New(Config{}, Outside{Sidecar: upSidecar()}, broken("a"), broken("b"))
	require.ErrorContains(t, err, "a is broken")
	require.ErrorContains(t, err, "b is broken")
	_, err = New(Config{}, Outside{Sidecar: upSidecar()}, Named{Name: "x", New: func(Deps) (Service, error) { return ok, nil }})
	require.ErrorContains(t, err, `calls itself "shop"`)
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { require.NoError(t, resp.Body.Close()) }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

func TestThePublicGetsInOnlyWhenEverythingIsReady(t *testing.T) {
	shop := &fakeService{name: "shop"}
	shop.notReady.Store(true)
	gate := &publicService{fakeService: fakeService{name: "gateway"}, address: "127.0.0.1:0", handler: http.NotFoundHandler()}
	beside := &fakeSidecar{up: make(chan struct{})}
	h := start(t, Config{}, Outside{Sidecar: beside}, shop.named(), gate.named())
	app, internal, public := h.Addresses()
	assert.Empty(t, public)
	status, body := fetch(t, "http://"+app+"/healthz")
	assert.Equal(t, http.StatusOK, status, "health does not wait for anything")
	assert.JSONEq(t, `{"status":"ok"}`, body)
	status, body = fetch(t, "http://"+internal+"/readyz")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.JSONEq(t, `{"ready":false,"waiting_for":"waiting for the sidecar","sidecar":false,"services":{"shop":"still loading","gateway":"ready"}}`, body)

	status, _ = fetch(t, "http://"+internal+"/livez")
	assert.Equal(t, http.StatusOK, status, "nor does a restart help a process that waits for others")

	close(beside.up)
	eventually(t, "the sidecar is seen", func() bool {
		_, b := fetch(t, "http://"+internal+"/readyz")
		return strings.Contains(b, "shop: still loading")
	})
	shop.notReady.Store(false)
	eventually(t, "it says that it is ready", func() bool { status, _ = fetch(t, "http://"+internal+"/readyz"); return status == http.StatusOK })
	_, _, public = h.Addresses()
	require.Len(t, public, 1, "ready, and the public cannot get in")
	status, _ = fetch(t, "http://"+public[0]+"/")
	assert.Equal(t, http.StatusNotFound, status)
	require.NoError(t, shop.deps.HostReady())
	assert.Equal(t, []string{"shop", "gateway"}, shop.deps.Services)
	status, body = fetch(t, "http://"+internal+"/metrics")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, "http_request_duration_seconds")
	assert.Contains(t, body, `sidecart_process_unhealthy{service="host"} 0`)
	assert.Contains(t, body, `sidecart_ready{service="host"} 1`)
	assert.Contains(t, body, `http_requests_in_flight{listener="public",service="host"} 0`)
	status, _ = fetch(t, "http://"+internal+"/debug/pprof/")
	assert.Equal(t, http.StatusNotFound, status, "profiles are off unless asked for")
	require.NoError(t, h.end(t))
	assert.True(t, beside.closed.Load())
}

// TestTheInternalListenerMayBeElsewhere is how it is in Kubernetes: the kubelet asks the pod's address, and on that address
// nobody reaches the app's routes.
func TestTheInternalListenerMayBeElsewhere(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs a second loopback address, which only Linux has without being asked")
	}
	h := start(t, Config{InternalHost: "127.0.0.2"}, Outside{}, (&fakeService{name: "shop"}).named())
	app, internal, _ := h.Addresses()
	assert.Regexp(t, `^127\.0\.0\.1:`, app)
	assert.Regexp(t, `^127\.0\.0\.2:`, internal)
	require.NoError(t, h.end(t))
}

func TestAFailingServiceEndsTheProcess(t *testing.T) {
	fail := make(chan error)
	bad := &fakeService{name: "bad", run: func(context.Context) error { return <-fail }}
	good := &fakeService{name: "good"}
	h := start(t, Config{}, Outside{}, good.named(), bad.named())
	fail <- errors.New("disk on fire")
	err := h.wait(t)
	require.ErrorContains(t, err, "service bad: disk on fire")

	h = start(t, Config{}, Outside{}, good.named(), bad.named())
	fail <- nil
	require.ErrorContains(t, h.wait(t), "service bad: ended by itself")
}

func TestStoppingLetsWorkUnderWayEnd(t *testing.T) {
	arrived, release, stopped := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var app string
	atTheEnd := 0
	s := &fakeService{name: "shop"}
	s.run = func(ctx context.Context) error {
		<-ctx.Done()
		atTheEnd, _ = fetch(t, "http://"+app+"/healthz")
		close(stopped)
		return ctx.Err()
	}
	s.routes = func(g *echo.Group) {
		g.GET("/slow", func(c echo.Context) error {
			close(arrived)
			<-release
			select {
			case <-stopped:
				return errs.New(errs.Internal, errs.CodeInternal, "the service was stopped under its request")
			default:
				return c.String(http.StatusOK, "done")
			}
		})
	}
	h := start(t, Config{}, Outside{}, s.named())
	app, internal, _ := h.Addresses()
	answer := make(chan string, 1)
	go func() { _, body := fetch(t, "http://"+app+"/shop/slow"); answer <- body }()
	<-arrived
	h.stop()
	var body string
	eventually(t, "the intake closes", func() bool {
		var status int
		status, body = fetch(t, "http://"+app+"/shop/another")
		return status == http.StatusServiceUnavailable
	})
	assert.Contains(t, body, "nothing was changed")
	status, body := fetch(t, "http://"+internal+"/readyz")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Contains(t, body, "stopping")
	status, _ = fetch(t, "http://"+app+"/healthz")
	assert.Equal(t, http.StatusOK, status, "unhealthy, and its sidecar would end under it")
	close(release)
	assert.Equal(t, "done", <-answer)
	require.NoError(t, h.wait(t))
	assert.Equal(t, http.StatusOK, atTheEnd, "the sidecar is needed while services end")
	status, _ = fetch(t, "http://"+app+"/healthz")
	assert.Zero(t, status, "nobody listens any more")
}

func TestStoppingHasADeadline(t *testing.T) {
	release := make(chan struct{})
	s := &fakeService{name: "stuck", run: func(context.Context) error { <-release; return nil }}
	h := start(t, Config{ShutdownWithin: 30 * time.Millisecond}, Outside{}, s.named())
	require.ErrorContains(t, h.end(t), "did not stop within 30ms")
	close(release)

	broken := &fakeService{name: "shop", run: func(ctx context.Context) error { <-ctx.Done(); return errors.New("could not flush") }}
	h = start(t, Config{}, Outside{}, broken.named())
	require.ErrorContains(t, h.end(t), "service shop: stopping: could not flush")
}

func TestATakenPortIsSaidAtOnce(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	port := taken.Addr().(*net.TCPAddr).Port
	for _, cfg := range []Config{{AppPort: port}, {InternalPort: port}} {
		h, err := New(cfg, Outside{Sidecar: upSidecar()}, (&fakeService{name: "shop"}).named())
		require.NoError(t, err)
		require.ErrorContains(t, h.Run(context.Background()), "cannot listen on "+taken.Addr().String())
	}
	gate := &publicService{fakeService: fakeService{name: "gateway"}, address: taken.Addr().String(), handler: http.NotFoundHandler()}
	h, err := New(Config{}, Outside{Sidecar: &fakeSidecar{up: make(chan struct{})}}, gate.named())
	require.NoError(t, err)
	require.ErrorContains(t, h.Run(context.Background()), "cannot listen on", "although nothing is ready yet")
}
