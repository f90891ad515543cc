package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

const (
	waitAtMost = 10 * time.Second
	waitStep   = 5 * time.Millisecond
)

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

// parking is a service that has n entries parked, listed in pages whose cursors are numbers.
func parking(name string, n int) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /openapi.yaml", func(w http.ResponseWriter, r *http.Request) {
		httpx.WriteProblem(w, r, errs.New(errs.NotFound, errs.CodeNotFound, "none"))
	})
	mux.HandleFunc("GET /internal/status", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"service":%q,"journal":{"shards":2,"heads":[7,9],"followed_by":[{"name":"order","acknowledged":[7,null]}]},"followers":[{"source":"order","own_shard":0,"source_shard":1,"offset":3,"recorded":2,"head":5,"lag":2}],"parked":%d}`, name, n)
	})
	mux.HandleFunc("GET /internal/parked", func(w http.ResponseWriter, r *http.Request) {
		from, limit := 0, 0
		_, _ = fmt.Sscan(r.URL.Query().Get("limit"), &limit)
		if text := r.URL.Query().Get("cursor"); text != "" {
			if _, err := fmt.Sscan(text, &from); err != nil {
				httpx.WriteProblem(w, r, errs.InvalidField("cursor", "bad"))
				return
			}
		}
		items, next := []string{}, ""
		for i := from; i < min(n, from+limit); i++ {
			items = append(items, fmt.Sprintf(`{"id":"e-%d","service":%q,"kind":"event","source":"order","type":"order.paid","reason":"why","attempts":7,"parked_at":"2026-01-01T00:00:00Z","data":{"email":"a@b"}}`, i, name))
		}
		if from+limit < n {
			next = fmt.Sprint(from + limit)
		}
		_, _ = fmt.Fprintf(w, `{"items":[%s],"next_cursor":%q}`, strings.Join(items, ","), next)
	})
	mux.HandleFunc("POST /internal/parked/{id}/{verb}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("id") != "e-1" {
			httpx.WriteProblem(w, r, errs.New(errs.NotFound, "parked_not_found", "none"))
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /journal/followers/{name}", func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.PathValue("name"), " ") {
			httpx.WriteProblem(w, r, errs.InvalidField("name", "is not a service's name"))
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /internal/parked/{verb}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"done":3,"failed":1,"remaining":1}`)
	})
	return mux
}

// conforms checks an answer against the gateway's own contract.
func conforms(t *testing.T, path, method string, status int, body []byte) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(contract)
	require.NoError(t, err)
	schema := doc.Paths.Value(path).GetOperation(method).Responses.Status(status).Value.Content["application/json"].Schema.Value
	var value any
	require.NoError(t, json.Unmarshal(body, &value))
	require.NoError(t, schema.VisitJSON(value))
}

func TestOpsServicesTellsPlacementHealthAndLag(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": parking("shop", 2), "bank": parking("bank", 0)}}
	s := gatewayOf(t, u, func(c *Config) { c.Services = append(c.Services, "away") })
	w := ask(s, "GET", "/v1/ops/services", "")
	require.Equal(t, 200, w.Code)
	conforms(t, "/v1/ops/services", "GET", 200, w.Body.Bytes())
	var list httpx.List[serviceStatus]
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &list))
	got := map[string]string{}
	for _, item := range list.Items {
		got[item.Name] = fmt.Sprint(item.Placement, " ", item.Health, " ", item.Journal.Heads, " ", len(item.Followers), " ", item.Parked)
	}
	assert.Equal(t, map[string]string{
		"shop": "in-process up [7 9] 1 2", "bank": "sidecar up [7 9] 1 0", "away": "sidecar down [] 0 0", "gateway": "in-process up [] 0 0",
	}, got)
	assert.Equal(t, uint64(2), list.Items[0].Followers[0].Lag)
}

func TestOpsParkedGoesThroughAllServicesInPages(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": parking("shop", 5), "bank": parking("bank", 4)}}
	for limit := 1; limit <= 10; limit++ {
		s := gatewayOf(t, u, func(c *Config) { c.Services = []string{"shop", "empty", "bank"} })
		var got []string
		cursor := ""
		for range 20 {
			w := ask(s, "GET", fmt.Sprintf("/v1/ops/parked?limit=%d&cursor=%s", limit, cursor), "")
			require.Equal(t, 200, w.Code, w.Body.String())
			conforms(t, "/v1/ops/parked", "GET", 200, w.Body.Bytes())
			assert.NotContains(t, w.Body.String(), "a@b", "an event's data stays inside")
			var page parkedList
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &page))
			assert.LessOrEqual(t, len(page.Items), limit)
			for _, p := range page.Items {
				got = append(got, p.Service+p.ID)
			}
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}
		assert.Equal(t, []string{"shope-0", "shope-1", "shope-2", "shope-3", "shope-4", "banke-0", "banke-1", "banke-2", "banke-3"}, got, "limit %d", limit)
		w := ask(s, "GET", "/v1/ops/parked", "")
		assert.Contains(t, w.Body.String(), `"unreachable":["empty"]`)
	}
}

func TestOpsCursorsOfOthersAreRefused(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": parking("shop", 5)}}
	s := gatewayOf(t, u, nil)
	for _, cursor := range []string{"x", "e30", opsCursor{Service: "nobody"}.write(), opsCursor{Service: "shop", Inner: "zzz"}.write()} {
		p := problem(t, ask(s, "GET", "/v1/ops/parked?cursor="+cursor, ""), 400, errs.CodeInvalidRequest)
		assert.Equal(t, "cursor", p.Errors[0].Field)
	}
	problem(t, ask(s, "GET", "/v1/ops/parked?limit=201", ""), 400, errs.CodeInvalidRequest)
}

func TestOpsResolvesWhatIsParked(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": parking("shop", 5)}}
	s := gatewayOf(t, u, func(c *Config) { c.Services = append(c.Services, "away") })
	for _, verb := range []string{"retry", "discard"} {
		assert.Equal(t, 204, ask(s, "POST", "/v1/ops/parked/shop/e-1/"+verb, "").Code)
		assert.Equal(t, "/internal/parked/e-1/"+verb, u.seen[len(u.seen)-1].URL.Path)
		problem(t, ask(s, "POST", "/v1/ops/parked/shop/e-2/"+verb, ""), 404, "parked_not_found")
		problem(t, ask(s, "POST", "/v1/ops/parked/nobody/e-1/"+verb, ""), 404, CodeUnknownService)
		problem(t, ask(s, "POST", "/v1/ops/parked/gateway/e-1/"+verb, ""), 404, CodeUnknownService)
		problem(t, ask(s, "POST", "/v1/ops/parked/away/e-1/"+verb, ""), 503, errs.CodeOutcomeUnknown)
		problem(t, ask(s, "POST", "/v1/ops/parked/shop/a%7Cb/"+verb, ""), 400, errs.CodeInvalidRequest)
		problem(t, ask(s, "POST", "/v1/ops/parked/shop/"+verb, ""), 400, errs.CodeInvalidRequest)
		w := ask(s, "POST", "/v1/ops/parked/shop/"+verb+"?all=true", "")
		require.Equal(t, 200, w.Code)
		assert.JSONEq(t, `{"done":3,"failed":1,"remaining":1}`, w.Body.String())
	}
}

func TestOpsForgetsAFollower(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": parking("shop", 0)}}
	s := gatewayOf(t, u, func(c *Config) { c.Services = append(c.Services, "away") })
	w := ask(s, "DELETE", "/v1/ops/followers/shop/crm", "")
	require.Equal(t, 204, w.Code, w.Body.String())
	assert.Equal(t, "/journal/followers/crm", u.seen[len(u.seen)-1].URL.Path)
	problem(t, ask(s, "DELETE", "/v1/ops/followers/shop/no%20name", ""), 400, errs.CodeInvalidRequest)
	problem(t, ask(s, "DELETE", "/v1/ops/followers/nobody/crm", ""), 404, CodeUnknownService)
	problem(t, ask(s, "DELETE", "/v1/ops/followers/away/crm", ""), 503, errs.CodeOutcomeUnknown)
}
