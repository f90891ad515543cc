package gateway

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/gateway/contracts"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

func TestOperatorsSeeAndAcceptContracts(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, nil), "quiet": stub("", nil)}}
	s := gatewayOf(t, u, nil)
	show := func() httpx.List[contracts.Status] {
		w := ask(s, "GET", "/v1/ops/contracts", "")
		require.Equal(t, 200, w.Code, w.Body)
		conforms(t, "/v1/ops/contracts", "GET", 200, w.Body.Bytes())
		var list httpx.List[contracts.Status]
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &list))
		return list
	}
	assert.Equal(t, "current", show().Items[0].State)
	u.set("shop", stub(strings.Replace(shop, "/v1/blobs:", "/v1/bytes:", 1), nil))
	s.book.Learn(t.Context())
	refused := show().Items[0].Refused
	require.NotNil(t, refused)
	assert.Equal(t, []string{"POST /v1/blobs is gone"}, refused.Reasons)
	const accept = "/v1/ops/contracts/shop/accept"
	problem(t, ask(s, "POST", accept, `{"etag":"x"}`), 409, contracts.CodeNotRefused)
	problem(t, ask(s, "POST", accept, `{}`), 400, errs.CodeInvalidRequest)
	problem(t, ask(s, "POST", "/v1/ops/contracts/nobody/accept", `{"etag":"x"}`), 404, contracts.CodeUnknownService)
	require.Equal(t, 204, ask(s, "POST", accept, `{"etag":"`+refused.ETag+`"}`).Code)
	assert.Nil(t, show().Items[0].Refused)
	problem(t, ask(s, "POST", "/v1/blobs", "x", "Content-Type", "application/octet-stream"), 404, errs.CodeNotFound)
}

// Names that others own can be made to lead to this machine; a page of theirs would then be of the gateway's own origin.
func TestALoopbackGatewayIsAskedByItsOwnNames(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, nil)}}
	by := func(s *Service, host string) int {
		r := httptest.NewRequest("GET", "/v1/things", nil)
		r.Host = host
		w := httptest.NewRecorder()
		s.public.ServeHTTP(w, r)
		return w.Code
	}
	local, _ := ruled(t, u, "version: 1\nhosts: [shop.example.com]\n")
	for _, host := range []string{"127.0.0.1:8080", "127.0.0.1", "localhost:9", "LOCALHOST", "localhost.", "a.localhost", "[::1]:8080", "shop.example.com:443", "Shop.Example.com"} {
		assert.Equal(t, 200, by(local, host), host)
	}
	for _, host := range []string{"evil.example", "127.0.0.1.evil.example:8080", "localhost.evil.example", "", "10.0.0.1:8080", "shop.example.com.evil.example"} {
		assert.Equal(t, 403, by(local, host), host)
	}
	public := gatewayOf(t, u, func(c *Config) { c.Address = "0.0.0.0:8080" })
	assert.Equal(t, 200, by(public, "shop.example.com"), "others reach it by names that nobody has listed")
}

func TestARoutesBudgetIsADeadline(t *testing.T) {
	var left time.Duration
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, func(w http.ResponseWriter, r *http.Request) {
		end, _ := r.Context().Deadline()
		left = time.Until(end)
		w.WriteHeader(http.StatusOK)
	})}}
	s, _ := ruled(t, u, "version: 1\nroutes: {listThings: {budget: 2s}}\n")
	require.Equal(t, 200, ask(s, "GET", "/v1/things", "").Code)
	assert.LessOrEqual(t, left, 2*time.Second)
	require.Equal(t, 200, ask(s, "GET", "/v1/things/a", "").Code)
	assert.Greater(t, left, 2*time.Second, "another route")
}

// TestAThousandContractsUnderLoad drop no request and leave nothing behind: no goroutine and no memory.
func TestAThousandContractsUnderLoad(t *testing.T) {
	const swaps, clients = 1000, 2
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, nil)}}
	s := gatewayOf(t, u, nil)
	// The gateway's own contract is ten times as long as the one that changes, and joining it again is most of what a change costs.
	own, err := contracts.Read(Name, []byte("openapi: 3.0.3\ninfo: {title: Gateway, version: 1.0.0}\npaths: {}\n"))
	require.NoError(t, err)
	s.book, err = contracts.NewBook(contracts.Config{Services: []string{"shop"}, AskWithin: time.Minute, Own: own},
		contracts.Deps{Client: &http.Client{Transport: u}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	var opened, asked, wrong atomic.Int64
	server := httptest.NewUnstartedServer(s.public)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	swap := func(n int) {
		text := strings.Replace(shop, "version: 1.0.0", fmt.Sprintf("version: %d.0.0", n+1), 1) // its author says that it breaks the one before
		if n%2 == 1 {
			text = strings.Replace(text, "paths:\n", "paths:\n  /v1/more:\n    get: {responses: {'200': {description: ok}}}\n", 1)
		}
		u.set("shop", stub(text, nil))
		s.book.Learn(t.Context())
	}
	heap := func() uint64 {
		u.mu.Lock()
		u.seen, u.bodies = nil, nil // the notes of this test
		u.mu.Unlock()
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for n := range 20 {
		swap(n)
	}
	goroutines, before := runtime.NumGoroutine(), heap()
	var group sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients, MaxConnsPerHost: clients}}
	defer client.CloseIdleConnections()
	// A few requests for each contract, so that some are under way whenever one takes the place of another; as many as there can be
	// would show no more and take the processors from the contracts.
	due := make(chan struct{}, 8)
	for range clients {
		group.Go(func() {
			for range due {
				resp, err := client.Get(server.URL + "/v1/things/a")
				asked.Add(1)
				if err != nil || resp.StatusCode != http.StatusOK {
					wrong.Add(1)
				}
				if err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			}
		})
	}
	for n := 20; n < swaps; n++ {
		for len(due) < cap(due) {
			due <- struct{}{}
		}
		swap(n)
	}
	close(due)
	group.Wait()
	client.CloseIdleConnections()
	assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines+20 }, waitAtMost, waitStep, "a goroutine for each contract would be a thousand")
	after := heap()
	assert.Equal(t, fmt.Sprintf("%d.0.0", swaps), s.book.Report()[0].Version, "every one came into use")
	assert.Zero(t, wrong.Load())
	assert.GreaterOrEqual(t, asked.Load(), int64(swaps))
	assert.Less(t, opened.Load(), int64(20), "connections outlive contracts")
	t.Logf("%d contracts beside %d requests, %d connections, heap %+d bytes", swaps, asked.Load(), opened.Load(), int64(after)-int64(before))
	assert.Less(t, int64(after)-int64(before), int64(4<<20), "a Set is some 40 KiB: a thousand of them would be seen")
}
