package gateway

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/identity"
)

const market = `
openapi: 3.0.3
info: {title: Market, version: 1.0.0}
paths:
  /v1/goods:
    get:
      operationId: listGoods
      x-roles: [anyone]
      parameters: [{name: limit, in: query, schema: {type: integer, minimum: 1, maximum: 200}}]
      responses: {'200': {description: ok, content: {application/json: {schema: {$ref: '#/components/schemas/Goods'}}}}}
  /v1/goods/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string, maxLength: 8}}]
    get:
      operationId: getGood
      x-roles: [anyone]
      responses: {'200': {description: ok, content: {application/json: {schema: {$ref: '#/components/schemas/Good'}}}}}
  /v1/takings:
    get:
      operationId: showTakings
      x-roles: [operator]
      responses: {'200': {description: ok, content: {application/json: {schema: {type: object, properties: {total: {type: integer}}}}}}}
components:
  schemas:
    Goods: {type: object, required: [items], properties: {items: {type: array, items: {$ref: '#/components/schemas/Good'}}}}
    Good: {type: object, required: [id], properties: {id: {type: string}, title: {type: string}, cost: {type: integer}}}
`

const presented = `version: 1
terminals:
  mini:
    listGoods: {keep: [/items/*/id], rename: {/items: i}}
screens:
  start:
    parts:
      goods: {operation: listGoods, query: {limit: '3'}, required: true}
      takings: {operation: showTakings}
  good:
    path: good/{id}
    parts: {good: {operation: getGood, path: {id: '{id}'}, required: true}}
`

// market answers as the contract says; many goods make a long answer.
func marketStub(goods int) http.Handler {
	return stub(market, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/v1/takings":
			_, _ = io.WriteString(w, `{"total":7}`)
		case strings.HasSuffix(r.URL.Path, "/none"):
			httpx.WriteProblem(w, r, errs.New(errs.NotFound, "unknown_good", "there is no such good"))
		case strings.HasPrefix(r.URL.Path, "/v1/goods/"):
			_, _ = fmt.Fprintf(w, `{"id":%q}`, r.URL.Path[len("/v1/goods/"):])
		default:
			var b strings.Builder
			for i := range goods {
				fmt.Fprintf(&b, `,{"id":"g%d","title":"A good thing","cost":%d}`, i, i)
			}
			_, _ = io.WriteString(w, `{"items":[`+b.String()[1:]+`]}`)
		}
	})
}

func TestAnswersAreMappedAndCompressed(t *testing.T) {
	s, _ := ruled(t, &upstreams{handlers: map[string]http.Handler{"shop": marketStub(100)}}, presented)
	whole := ask(s, "GET", "/v1/goods", "")
	require.Equal(t, http.StatusOK, whole.Code)
	assert.ElementsMatch(t, []string{"X-Client", "Accept-Encoding"}, whole.Header().Values("Vary"))
	assert.Empty(t, whole.Header().Get("Content-Encoding"))

	short := ask(s, "GET", "/v1/goods", "", "X-Client", "mini", "Accept-Encoding", "gzip")
	assert.Equal(t, "gzip", short.Header().Get("Content-Encoding"))
	assert.Less(t, short.Body.Len(), whole.Body.Len()/10)
	z, err := gzip.NewReader(short.Body)
	require.NoError(t, err)
	plain, err := io.ReadAll(z)
	require.NoError(t, err)
	assert.True(t, bytes.HasPrefix(plain, []byte(`{"i":[{"id":"g0"},{"id":"g1"}`)), string(plain[:40]))

	problem(t, ask(s, "GET", "/v1/goods?limit=0", "", "X-Client", "mini", "Accept-Encoding", "gzip"), 400, errs.CodeInvalidRequest)
}

func TestPagesAreCompressedToo(t *testing.T) {
	s, _ := ruled(t, &upstreams{handlers: map[string]http.Handler{"shop": marketStub(1)}}, presented)
	plain := ask(s, "GET", "/openapi.json", "")
	short := ask(s, "GET", "/openapi.json", "", "Accept-Encoding", "br, gzip;q=0.5")
	assert.Equal(t, "br", short.Header().Get("Content-Encoding"))
	assert.Less(t, short.Body.Len(), plain.Body.Len()/4)
	assert.Equal(t, "W/"+plain.Header().Get("ETag"), short.Header().Get("ETag"))
	for _, w := range []*httptest.ResponseRecorder{plain, short} {
		assert.Equal(t, "Accept-Encoding", w.Header().Get("Vary"))
		same := ask(s, "GET", "/openapi.json", "", "Accept-Encoding", "br", "If-None-Match", w.Header().Get("ETag"))
		assert.Equal(t, http.StatusNotModified, same.Code)
		assert.Empty(t, same.Header().Get("Content-Encoding"))
		assert.Equal(t, "Accept-Encoding", same.Header().Get("Vary"))
	}
}

func TestScreens(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": marketStub(2)}}
	s, _ := ruled(t, u, presented)
	as(s, identity.Nobody())
	w := ask(s, "GET", "/v1/screens/start", "", "X-Client", "mini", "X-Request-Id", "r-1", "If-None-Match", `"1"`)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	assert.Equal(t, `{"parts":{"goods":{"i":[{"id":"g0"},{"id":"g1"}]}},"missing":[{"part":"takings","code":"unauthenticated"}]}`, w.Body.String(), "nobody sees what he could not ask for himself")
	assert.Equal(t, "X-Client", w.Header().Get("Vary"))
	require.Len(t, u.seen, 1, "what its caller may not read is not asked for")
	assert.Equal(t, "/v1/goods?limit=3", u.seen[0].URL.RequestURI())
	assert.Equal(t, "r-1", u.seen[0].Header.Get("X-Request-Id"))
	assert.Empty(t, u.seen[0].Header.Get("If-None-Match"))

	assert.JSONEq(t, `{"parts":{"good":{"id":"a b"}},"missing":[]}`, ask(s, "GET", "/v1/screens/good/a%20b", "").Body.String())
	p := problem(t, ask(s, "GET", "/v1/screens/good/none", ""), 404, "unknown_good")
	assert.Contains(t, p.Extra, "part")
	problem(t, ask(s, "GET", "/v1/screens/good/overlong-id", ""), 400, errs.CodeInvalidRequest)
	problem(t, ask(s, "GET", "/v1/screens/start?color=red", ""), 400, errs.CodeInvalidRequest)
	problem(t, ask(s, "POST", "/v1/screens/start", ""), 405, httpx.CodeMethodNotAllowed)
	problem(t, ask(s, "GET", "/v1/screens/nothing", ""), 404, errs.CodeNotFound)
}

// Whoever may read everything gets everything, and the parts are asked in his name.
func TestAScreenIsMadeInTheCallersName(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": marketStub(1)}}
	s, _ := ruled(t, u, presented)
	w := ask(s, "GET", "/v1/screens/start", "")
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	assert.Equal(t, `{"parts":{"goods":{"items":[{"id":"g0","title":"A good thing","cost":0}]},"takings":{"total":7}},"missing":[]}`, w.Body.String())
	require.Len(t, u.seen, 2)
	for _, r := range u.seen {
		assert.Equal(t, "olga", r.Header.Get(identity.HeaderSubject))
	}
}

// TestARoutesBudgetHoldsForItsPartOfAScreen: the part may have longer, the route may not.
func TestARoutesBudgetHoldsForItsPartOfAScreen(t *testing.T) {
	left := make(chan time.Duration, 2)
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(market, func(w http.ResponseWriter, r *http.Request) {
		end, _ := r.Context().Deadline()
		left <- time.Until(end)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"total":7}`)
	})}}
	s, _ := ruled(t, u, `version: 1
routes: {showTakings: {budget: 2s}}
screens:
  late: {parts: {takings: {operation: showTakings, budget: 10s, required: true}}}
`)
	for _, path := range []string{"/v1/takings", "/v1/screens/late"} {
		w := ask(s, "GET", path, "")
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
		assert.LessOrEqual(t, <-left, 2*time.Second, path)
	}
}

// TestAPartThatBeginsLateIsOfItsOwnScreen: Echo uses a request's context for another one as soon as it is answered, and a screen that
// is given up does not wait for its parts.
func TestAPartThatBeginsLateIsOfItsOwnScreen(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": marketStub(1)}}
	s, _ := ruled(t, u, presented)
	c := echo.New().NewContext(httptest.NewRequest("GET", "/v1/screens/start", nil), httptest.NewRecorder())
	c.Request().Header.Set("X-Whose", "ada")
	asking := s.askFor(&exchange{c: c, set: s.book.Set(), caller: identity.Nobody()}, nil)
	next := httptest.NewRequest("GET", "/v1/goods/1", nil)
	next.Header.Set("X-Whose", "eve")
	c.SetRequest(next)
	_, _, err := asking(t.Context(), "listGoods", &url.URL{Path: "/v1/goods"})
	require.NoError(t, err)
	require.Len(t, u.seen, 1)
	assert.Equal(t, "ada", u.seen[0].Header.Get("X-Whose"))
}

func TestScreensAreInTheContractAsLongAsTheRulesHaveThem(t *testing.T) {
	s, path := ruled(t, &upstreams{handlers: map[string]http.Handler{"shop": marketStub(1)}}, presented)
	described := func() *openapi3.T {
		doc, err := openapi3.NewLoader().LoadFromData(ask(s, "GET", "/openapi.json", "").Body.Bytes())
		require.NoError(t, err)
		return doc
	}
	item := described().Paths.Value("/v1/screens/start")
	require.NotNil(t, item)
	var value any
	require.NoError(t, json.Unmarshal(ask(s, "GET", "/v1/screens/start", "").Body.Bytes(), &value))
	require.NoError(t, item.Get.Responses.Value("200").Value.Content["application/json"].Schema.Value.VisitJSON(value))
	assert.Contains(t, ask(s, "GET", "/docs", "").Body.String(), "/v1/screens/good/{id}")

	running := runIt(t, s)
	defer running()
	require.NoError(t, os.WriteFile(path, []byte("version: 1\nscreens: {start: {parts: {goods: {operation: listGods}}}}\nterminals:\n  mini: {listGoods: {drop: [/goods]}}\n"), 0o600))
	s.Reload()
	require.Eventually(t, func() bool { return s.rules.Status().Refused != nil }, 10*time.Second, time.Millisecond)
	refused := fmt.Sprint(s.rules.Status().Refused)
	assert.Contains(t, refused, "no contract has the operation")
	assert.Contains(t, refused, "/ has items")
	assert.Equal(t, http.StatusOK, ask(s, "GET", "/v1/screens/start", "").Code, "what was in use stays")

	require.NoError(t, os.WriteFile(path, []byte("version: 1\nscreens: {front: {parts: {goods: {operation: listGoods}}}}\n"), 0o600))
	s.Reload()
	require.Eventually(t, func() bool { return ask(s, "GET", "/v1/screens/front", "").Code == http.StatusOK }, 10*time.Second, time.Millisecond)
	problem(t, ask(s, "GET", "/v1/screens/start", ""), 404, errs.CodeNotFound)
	assert.Nil(t, described().Paths.Value("/v1/screens/start"))
}
