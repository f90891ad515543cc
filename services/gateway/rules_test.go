package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/host"
)

// ruled is a gateway with a gateway.yaml, whose path it also gives.
func ruled(t testing.TB, u *upstreams, text string) (*Service, string) {
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return gatewayOf(t, u, func(c *Config) { c.RulesPath = path }), path
}

// releases answers as the app that is asked: what the canary answers is its own.
func releases(canary http.HandlerFunc) http.Handler {
	return stub(shop, func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "shop-canary" {
			canary(w, r)
			return
		}
		answerAs("stable")(w, r)
	})
}

// answerAs answers as the contract wants it.
func answerAs(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusCreated)
		}
		_, _ = io.WriteString(w, `{"name":"`+name+`"}`)
	}
}

const halfCanary = `version: 1
routes:
  listThings: {gray: {canary: {app: shop-canary, version: 1.1.0, weight: 100}}}
  addThing: {gray: {canary: {app: shop-canary, version: 1.1.0, weight: 100}}}
`

func TestARequestGoesToTheReleaseOfTheRules(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": releases(answerAs("canary"))}}
	s, _ := ruled(t, u, halfCanary)
	for header, by := range map[string]string{"canary": "canary", "stable": "stable"} {
		assert.JSONEq(t, `{"name":"`+by+`"}`, ask(s, "GET", "/v1/things", "", "X-Release-Stage", header).Body.String())
	}
	got := map[string]int{}
	for range 200 {
		got[ask(s, "POST", "/v1/things", `{"name":"x"}`, "Content-Type", "application/json").Body.String()]++
	}
	assert.InDelta(t, 100, got[`{"name":"canary"}`], 40, "%v", got)
	assert.JSONEq(t, `{"name":"stable"}`, ask(s, "GET", "/v1/things/1", "", "X-Release-Stage", "canary").Body.String(), "a route without a rule")
}

// TestABrokenReleaseCostsASample: what changes something fails for as many customers as the sample has, reading fails for nobody.
func TestABrokenReleaseCostsASample(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": releases(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
	})}}
	s, _ := ruled(t, u, halfCanary)
	failed := map[string]int{}
	for range 500 {
		for _, method := range []string{"GET", "POST"} {
			body, header := "", ""
			if method == "POST" {
				body, header = `{"name":"x"}`, "application/json"
			}
			if ask(s, method, "/v1/things", body, "Content-Type", header).Code >= 500 {
				failed[method]++
			}
		}
	}
	assert.Equal(t, map[string]int{"POST": 20}, failed)
	w := ask(s, "GET", "/v1/ops/gray", "")
	require.Equal(t, http.StatusOK, w.Code)
	conforms(t, "/v1/ops/gray", "GET", 200, w.Body.Bytes())
	assert.Contains(t, w.Body.String(), `"state":"resting"`)
	assert.Contains(t, w.Body.String(), "fell behind")
}

func TestOperatorsSeeWhyRulesAreRefused(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, nil)}}
	s, path := ruled(t, u, "version: 1\nroutes: {listThings: {}, listThing: {}}\n")
	show := func() string {
		w := ask(s, "GET", "/v1/ops/rules", "")
		require.Equal(t, http.StatusOK, w.Code)
		conforms(t, "/v1/ops/rules", "GET", 200, w.Body.Bytes())
		return w.Body.String()
	}
	assert.Contains(t, show(), `"unknown_routes":["listThing"]`)
	running := runIt(t, s)
	defer running()
	require.NoError(t, os.WriteFile(path, []byte("version: 1\nroutes: {listThings: {budget: 5}}\n"), 0o600))
	s.Reload()
	require.Eventually(t, func() bool { return s.rules.Status().Refused != nil }, 10*time.Second, time.Millisecond)
	assert.Contains(t, show(), `"faults":[{"line":2,"column":31,"path":"/routes/listThings/budget","message":"want a duration such as 500ms, 30s or 5m"}]`)
}

func TestAGatewayWithBadRulesDoesNotStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	require.NoError(t, os.WriteFile(path, []byte("version: 1\nlimit: {}\n"), 0o600))
	_, err := New(Config{RulesPath: path}, host.Deps{Client: &http.Client{}})
	require.ErrorContains(t, err, path+":2:1: /limit: is no key that is read here; did you mean limits?")
}

// TestAThousandReloadsUnderLoad drop no request and leave nothing behind: no goroutine, no connection, no memory.
func TestAThousandReloadsUnderLoad(t *testing.T) {
	const reloads, clients = 1000, 2
	u := &upstreams{handlers: map[string]http.Handler{"shop": releases(answerAs("canary"))}}
	s, path := ruled(t, u, halfCanary)
	defer runIt(t, s)()
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(s.public)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	var asked, wrong atomic.Int64
	load := func(until func() bool) {
		var crowd sync.WaitGroup
		for range clients {
			crowd.Go(func() {
				for !until() {
					resp, err := server.Client().Get(server.URL + "/v1/things")
					asked.Add(1)
					if err != nil {
						wrong.Add(1)
						continue
					}
					_, err = io.Copy(io.Discard, resp.Body)
					if _ = resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
						wrong.Add(1)
					}
				}
			})
		}
		crowd.Wait()
	}
	reload := func(i int) {
		text := fmt.Sprintf("%s# %d\nlimits: {client: {per_second: %d, burst: 1000000}}\n", halfCanary, i, 900_000+i)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		before := s.rules.Status().Digest
		s.Reload()
		require.Eventually(t, func() bool { return s.rules.Status().Digest != before }, 10*time.Second, 100*time.Microsecond)
	}
	server.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = clients

	// Some reloads and some load first: what is made once is no leak.
	for i := range 20 {
		reload(-i)
	}
	n := asked.Load()
	load(func() bool { return asked.Load() >= n+200 })
	goroutines, heap := runtime.NumGoroutine(), heapInUse(u)
	var done atomic.Bool
	var reloading sync.WaitGroup
	reloading.Go(func() {
		defer done.Store(true)
		for i := range reloads {
			reload(i + 1)
		}
	})
	load(done.Load)
	reloading.Wait()
	assert.Zero(t, wrong.Load(), "of %d requests", asked.Load())
	assert.Less(t, opened.Load(), int64(reloads/20), "connections outlive reloads; a few more are the client's own doing")
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines+2 }, 10*time.Second, 10*time.Millisecond)
	grown := int64(heapInUse(u)) - int64(heap)
	assert.Less(t, grown, int64(1<<20), "bytes of heap after %d reloads", reloads)
	t.Logf("%d reloads beside %d requests, %d wrong; %d connections, %d goroutines were %d, heap %+d bytes",
		reloads, asked.Load(), wrong.Load(), opened.Load(), runtime.NumGoroutine(), goroutines, grown)
}

// heapInUse is what lives after collection, the requests that the test's own upstreams remember aside.
func heapInUse(u *upstreams) uint64 {
	u.mu.Lock()
	u.seen, u.bodies = nil, nil
	u.mu.Unlock()
	runtime.GC()
	runtime.GC() // what the first one finalized
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// runIt runs s until the function that it gives is called.
func runIt(t *testing.T, s *Service) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			assert.NoError(t, err)
		}
	}
}
