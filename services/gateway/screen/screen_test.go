package screen

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// contracts finds the operations of real contracts.
func contracts(t testing.TB, services ...string) Operations {
	all := map[string]Operation{}
	for _, called := range services {
		raw, err := os.ReadFile("../../" + called + "/openapi.yaml")
		require.NoError(t, err)
		doc, err := openapi3.NewLoader().LoadFromData(raw)
		require.NoError(t, err)
		for template, item := range doc.Paths.Map() {
			for method, op := range item.Operations() {
				o := Operation{ID: op.OperationID, Method: method, Template: template, Parameters: append(append(openapi3.Parameters{}, item.Parameters...), op.Parameters...)}
				roles, _ := op.Extensions["x-roles"].([]any)
				for _, r := range roles {
					o.Roles = append(o.Roles, r.(string))
				}
				all[o.ID] = o
			}
		}
	}
	return func(id string) (Operation, bool) { o, ok := all[id]; return o, ok }
}

func configOf(t testing.TB, text string) (c Config) {
	require.NoError(t, yaml.Unmarshal([]byte(text), &c))
	return c
}

// shop has both screens of the contract.
const shop = `
home:
  summary: What is for sale, and what the caller ordered last
  parts:
    items: {operation: listItems, query: {limit: '20', cursor: '{items}'}, required: true}
    orders: {operation: listOrders, query: {limit: '3', customer: '{customer}'}, budget: 300ms}
order:
  path: order/{id}
  parts:
    order: {operation: getOrder, path: {id: '{id}'}, required: true}
    messages: {operation: listNotifications, path: {id: '{id}'}, budget: 300ms}
`

func set(t testing.TB, text string) *Set {
	s, bad := New(configOf(t, text), contracts(t, "inventory", "order", "notify"), true, nil, nil)
	require.Empty(t, bad)
	return s
}

func answer(status int, contentType, body string, more ...string) (*http.Response, []byte, error) {
	h := http.Header{"Content-Type": {contentType}}
	for i := 0; i < len(more); i += 2 {
		h.Add(more[i], more[i+1])
	}
	return &http.Response{StatusCode: status, Header: h}, []byte(body), nil
}

func problem(status int, code string) (*http.Response, []byte, error) {
	return answer(status, "application/problem+json", `{"type":"x","title":"x","status":400,"detail":"no","code":"`+code+`","trace_id":"0","sku":"mug"}`)
}

func TestAScreenIsItsPartsAskedForAtOnce(t *testing.T) {
	s := set(t, shop)
	both := make(chan struct{}, 2)
	var mu sync.Mutex
	asked := map[string]string{}
	ask := func(ctx context.Context, operation string, u *url.URL) (*http.Response, []byte, error) {
		both <- struct{}{}
		for len(both) < 2 { // each waits until the other has begun
			if ctx.Err() != nil {
				return nil, nil, ctx.Err()
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if operation == "getOrder" {
			asked["order"] = u.String()
			return answer(200, "application/json", ` {"id":"a b"} `, "Vary", "X-Client", "Cache-Control", "private, no-store")
		}
		asked["messages"] = u.String()
		return answer(200, "application/json; charset=utf-8", `{"items":[]}`, "Vary", "X-Client")
	}
	h := http.Header{}
	body, err := s.Serve(t.Context(), h, "order", map[string]string{"id": "a b/é"}, nil, ask)
	require.NoError(t, err)
	assert.Equal(t, `{"parts":{"messages":{"items":[]},"order":{"id":"a b"}},"missing":[]}`, string(body))
	assert.Equal(t, map[string]string{"order": "/v1/orders/a%20b%2F%C3%A9", "messages": "/v1/orders/a%20b%2F%C3%A9/notifications"}, asked)
	assert.Equal(t, http.Header{"Content-Type": {"application/json"}, "Vary": {"X-Client"}, "Cache-Control": {"no-store"}}, h)
}

func TestQueryOfAScreen(t *testing.T) {
	s := set(t, shop)
	var asked []string
	ask := func(_ context.Context, operation string, u *url.URL) (*http.Response, []byte, error) {
		if operation == "listItems" {
			asked = append(asked, u.RawQuery)
		}
		return answer(200, "application/json", `{}`)
	}
	for _, query := range []url.Values{nil, {"items": {"c&d"}}} {
		_, err := s.Serve(t.Context(), http.Header{}, "home", nil, query, ask)
		require.NoError(t, err)
	}
	assert.Equal(t, []string{"limit=20", "cursor=c%26d&limit=20"}, asked)
	for field, query := range map[string]url.Values{"limit": {"limit": {"5"}}, "items": {"items": {"a", "b"}}} {
		_, err := s.Serve(t.Context(), http.Header{}, "home", nil, query, ask)
		require.Error(t, err)
		assert.Equal(t, field, errs.From(err).Fields[0].Field)
	}
	_, err := s.Serve(t.Context(), http.Header{}, "nowhere", nil, nil, ask)
	assert.True(t, errs.HasCode(err, errs.CodeNotFound))
}

func TestWhatCannotBeHadIsMissing(t *testing.T) {
	for name, tc := range map[string]struct {
		orders func(ctx context.Context) (*http.Response, []byte, error)
		code   string
		logged bool
	}{
		"refused":     {func(context.Context) (*http.Response, []byte, error) { return problem(403, "forbidden") }, "forbidden", false},
		"an error":    {func(context.Context) (*http.Response, []byte, error) { return nil, nil, errs.Overloaded("it") }, "overloaded", false},
		"a defect":    {func(context.Context) (*http.Response, []byte, error) { return nil, nil, errors.New("secret") }, "internal", true},
		"a panic":     {func(context.Context) (*http.Response, []byte, error) { panic("secret") }, "internal", true},
		"no JSON":     {func(context.Context) (*http.Response, []byte, error) { return answer(200, "text/html", "<p>") }, "internal", true},
		"broken JSON": {func(context.Context) (*http.Response, []byte, error) { return answer(200, "application/json", `{"a":`) }, "internal", true},
		"nothing":     {func(context.Context) (*http.Response, []byte, error) { return answer(204, "", "") }, "internal", true},
		"not ours":    {func(context.Context) (*http.Response, []byte, error) { return answer(502, "text/html", "<p>bad") }, "internal", true},
		"slow":        {func(ctx context.Context) (*http.Response, []byte, error) { <-ctx.Done(); return nil, nil, ctx.Err() }, "out_of_budget", false},
		"over the bounds": {func(context.Context) (*http.Response, []byte, error) {
			return answer(200, "application/json", `"`+strings.Repeat("x", maxBytes)+`"`)
		}, "too_large", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg, log := prometheus.NewRegistry(), &strings.Builder{}
				s, bad := New(configOf(t, shop), contracts(t, "inventory", "order", "notify"), true, NewMetrics(reg), slog.New(slog.NewTextHandler(log, nil)))
				require.Empty(t, bad)
				began := time.Now()
				body, err := s.Serve(t.Context(), http.Header{}, "home", nil, nil, func(ctx context.Context, operation string, _ *url.URL) (*http.Response, []byte, error) {
					if operation == "listItems" {
						return answer(200, "application/json", `{"items":[1]}`)
					}
					return tc.orders(ctx)
				})
				require.NoError(t, err)
				assert.Equal(t, `{"parts":{"items":{"items":[1]}},"missing":[{"part":"orders","code":"`+tc.code+`"}]}`, string(body))
				assert.LessOrEqual(t, time.Since(began), 300*time.Millisecond, "its own budget")
				assert.Equal(t, tc.logged, log.Len() > 0, log)
				assert.InDelta(t, 1, testutil.ToFloat64(s.parts.WithLabelValues("home", "orders", "missing")), 0)
				assert.InDelta(t, 1, testutil.ToFloat64(s.parts.WithLabelValues("home", "items", "there")), 0)
			})
		})
	}
}

func TestWithoutARequiredPartThereIsNoScreen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t, shop)
		gaveUp := make(chan error, 1)
		_, err := s.Serve(t.Context(), http.Header{}, "order", map[string]string{"id": "1"}, nil, func(ctx context.Context, operation string, _ *url.URL) (*http.Response, []byte, error) {
			if operation == "getOrder" {
				return problem(404, "unknown_order")
			}
			<-ctx.Done()
			gaveUp <- context.Cause(ctx)
			return nil, nil, ctx.Err()
		})
		e := errs.From(err)
		assert.Equal(t, "unknown_order", e.Code)
		assert.Equal(t, errs.NotFound, e.Kind)
		assert.Equal(t, "order", e.Extra["part"])
		assert.Contains(t, e.Extra, "sku", "the part's own members stay")
		assert.ErrorIs(t, <-gaveUp, context.Canceled, "the other one is not waited for")
	})
}

// The end of the caller's own time is not a part's fault.
func TestTheCallersDeadlineEndsAScreen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := set(t, shop).Serve(ctx, http.Header{}, "home", nil, nil, func(ctx context.Context, _ string, _ *url.URL) (*http.Response, []byte, error) {
			<-ctx.Done()
			return nil, nil, errs.New(errs.Unavailable, errs.CodeUnavailable, "no answer").Wrap(ctx.Err())
		})
		assert.True(t, errs.HasCode(err, errs.CodeUnavailable))
	})
}

func TestRolesAreThoseOfWhatIsRequired(t *testing.T) {
	s := set(t, shop)
	got := map[string][]string{}
	for _, e := range s.Endpoints() {
		got[e.Template] = e.Roles
	}
	order, _ := contracts(t, "order")("getOrder")
	assert.Equal(t, []string{Anyone}, got["/v1/screens/home"])
	assert.ElementsMatch(t, order.Roles, got["/v1/screens/order/{id}"])
	assert.NotContains(t, got["/v1/screens/order/{id}"], Anyone, "an order is its owner's")

	ops := func(id string) (Operation, bool) {
		return Operation{ID: id, Method: "GET", Template: "/v1/x", Roles: strings.Split(id, "_")}, true
	}
	two := func(a, b string) ([]Endpoint, int) {
		s, bad := New(Config{"x": {Parts: map[string]Part{"a": {Operation: a, Required: true}, "b": {Operation: b, Required: true}}}}, ops, true, nil, nil)
		return s.Endpoints(), len(bad)
	}
	both, bad := two("customer_operator", "operator_service")
	assert.Zero(t, bad)
	assert.Equal(t, []string{"operator"}, both[0].Roles)
	both, bad = two("anyone", "operator")
	assert.Zero(t, bad)
	assert.Equal(t, []string{"operator"}, both[0].Roles)
	_, bad = two("customer", "operator")
	assert.Equal(t, 1, bad)
	assert.Empty(t, (*Set)(nil).Endpoints())
}

func TestFaults(t *testing.T) {
	for text, want := range map[string]string{
		"Home: {parts: {a: {operation: listItems}}}": `/Home: a screen's name is a word of letters and digits, up to 32, that begins with a lower-case letter`,
		"home: {}":               `/home/parts: must be from 1 to 8`,
		"home: {parts: {a: {}}}": `/home/parts/a: needs the operation that answers it: operation: listItems`,
		"home: {parts: {A: {operation: listItems}}}":                                                                `/home/parts/A: a part's name is a word of letters and digits, up to 32, that begins with a lower-case letter`,
		"home: {parts: {a: {operation: listItems, budget: 1ms}}}":                                                   `/home/parts/a/budget: must be from 10ms to 10s`,
		"home: {parts: {a: {operation: listThings}}}":                                                               `/home/parts/a/operation: no contract has the operation "listThings"`,
		"home: {parts: {a: {operation: placeOrder}}}":                                                               `/home/parts/a/operation: placeOrder is a POST; a screen only reads`,
		"home: {parts: {a: {operation: getItem}}}":                                                                  `/home/parts/a/path: getItem needs sku`,
		"home: {parts: {a: {operation: getItem, path: {sku: '{sku}'}}}}":                                            `/home/parts/a/path/sku: the screen's path has no {sku}`,
		"home: {parts: {a: {operation: getItem, path: {sku: 'a b'}}}}":                                              `/home/parts/a/path/sku: "a b" is not what the contract allows there`,
		"home: {parts: {a: {operation: listItems, path: {sku: mug}}}}":                                              `/home/parts/a/path/sku: listItems has no such parameter in its path`,
		"home: {parts: {a: {operation: listItems, query: {color: red}}}}":                                           `/home/parts/a/query/color: listItems has no such parameter in its query`,
		"home: {parts: {a: {operation: listItems, query: {limit: '500'}}}}":                                         `/home/parts/a/query/limit: "500" is not what the contract allows there`,
		"home: {parts: {a: {operation: listItems, query: {limit: many}}}}":                                          `/home/parts/a/query/limit: "many" is not what the contract allows there`,
		"home: {parts: {a: {operation: listItems, query: {limit: 'a{b}'}}}}":                                        `/home/parts/a/query/limit: "a{b}" is neither a constant nor a {parameter}`,
		"home: {parts: {a: {operation: listItems, query: {limit: ''}}}}":                                            `/home/parts/a/query/limit: is empty`,
		"home: {path: 'home/{id}', parts: {a: {operation: listItems}}}":                                             `/home/path: no part uses {id}`,
		"home: {path: 'a/{id}/{id}', parts: {a: {operation: getItem, path: {sku: '{id}'}}}}":                        `/home/path: has {id} twice`,
		"home: {path: 'a//b', parts: {a: {operation: listItems}}}":                                                  `/home/path: the segment "" is neither a word nor a {parameter}; the path is below /v1/screens/`,
		"home: {path: '../orders', parts: {a: {operation: listItems}}}":                                             `/home/path: the segment ".." is neither a word nor a {parameter}; the path is below /v1/screens/`,
		"a: {path: x, parts: {a: {operation: listItems}}}\nx: {parts: {a: {operation: listItems}}}":                 `/x: has the same path as a`,
		"home: {parts: {a: {operation: getItem, path: {sku: '{id}'}}}, path: 'x/{id}', summary: 'A thing'}":         ``,
		"home: {parts: {a: {operation: listItems, query: {limit: '{n}'}, required: true, budget: 10s}}, path: b/c}": ``,
	} {
		s, bad := New(configOf(t, text), contracts(t, "inventory", "order"), true, nil, nil)
		require.NotNil(t, s)
		if want == "" {
			assert.Empty(t, bad, text)
		} else if assert.Len(t, bad, 1, text) {
			assert.Equal(t, want, bad[0].Error())
		}
	}
	tooMany := Config{}
	for i := range maxScreens + 1 {
		tooMany["a"+strings.Repeat("b", i%32)+strings.Repeat("c", i/32)] = Screen{Parts: map[string]Part{"a": {Operation: "x"}}}
	}
	assert.NotEmpty(t, tooMany.Check())
}

func TestAScreenWaitsForTheContractsOfItsParts(t *testing.T) {
	s, bad := New(configOf(t, shop), contracts(t, "inventory"), false, nil, nil)
	assert.Empty(t, bad)
	assert.Empty(t, s.Endpoints())
}

// merged is a document as the gateway has it, of contracts whose components do not clash.
func merged(t testing.TB, services ...string) map[string]any {
	doc := map[string]any{"openapi": "3.0.3", "info": map[string]any{"title": "x", "version": "1"}, "paths": map[string]any{}, "components": map[string]any{}}
	for _, called := range services {
		raw, err := os.ReadFile("../../" + called + "/openapi.yaml")
		require.NoError(t, err)
		var one map[string]any
		require.NoError(t, yaml.Unmarshal(raw, &one))
		for path, item := range one["paths"].(map[string]any) {
			doc["paths"].(map[string]any)[path] = item
		}
		for section, all := range one["components"].(map[string]any) {
			into, _ := doc["components"].(map[string]any)[section].(map[string]any)
			if into == nil {
				into = map[string]any{}
				doc["components"].(map[string]any)[section] = into
			}
			maps.Copy(into, all.(map[string]any))
		}
	}
	return doc
}

func TestScreensAreInTheContract(t *testing.T) {
	s := set(t, shop)
	doc := merged(t, "inventory", "order", "notify")
	s.Describe(doc)
	raw, err := json.Marshal(doc)
	require.NoError(t, err)
	parsed, err := openapi3.NewLoader().LoadFromData(raw)
	require.NoError(t, err)
	require.NoError(t, parsed.Validate(t.Context()))
	op := parsed.Paths.Value("/v1/screens/order/{id}").Get
	assert.Equal(t, "screenOrder", op.OperationID)
	assert.Equal(t, openapi3.SecurityRequirements{{"bearer": {}}}, *op.Security)
	assert.Empty(t, *parsed.Paths.Value("/v1/screens/home").Get.Security, "anyone may")
	assert.Equal(t, []string{"id"}, []string{op.Parameters[0].Value.Name})
	schema := op.Responses.Value("200").Value.Content["application/json"].Schema.Value
	parts := schema.Properties["parts"].Value
	assert.Equal(t, "#/components/schemas/Order", parts.Properties["order"].Ref)
	assert.Equal(t, []string{"order"}, parts.Required)
	// What Serve gives is what the contract says.
	body, err := s.Serve(t.Context(), http.Header{}, "home", nil, nil, func(_ context.Context, operation string, _ *url.URL) (*http.Response, []byte, error) {
		if operation == "listItems" {
			return answer(200, "application/json", `{"items":[],"next_cursor":""}`)
		}
		return problem(403, "forbidden")
	})
	require.NoError(t, err)
	var value any
	require.NoError(t, json.Unmarshal(body, &value))
	assert.NoError(t, parsed.Paths.Value("/v1/screens/home").Get.Responses.Value("200").Value.Content["application/json"].Schema.Value.VisitJSON(value))

	empty := map[string]any{"paths": map[string]any{}}
	s.Describe(empty)
	assert.Equal(t, map[string]any{"paths": map[string]any{}}, empty)
	(*Set)(nil).Describe(empty)
}

// BenchmarkServe is what a screen of two parts costs apart from its parts.
func BenchmarkServe(b *testing.B) {
	s := set(b, shop)
	ask := func(context.Context, string, *url.URL) (*http.Response, []byte, error) {
		return answer(200, "application/json", `{"items":[{"sku":"mug-blue","title":"Blue mug","available":3}],"next_cursor":""}`)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Serve(b.Context(), http.Header{}, "home", nil, nil, ask); err != nil {
			b.Fatal(err)
		}
	}
}
