package gateway

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/gateway/fallback"
	"github.com/sidecart/sidecart/services/gateway/overload"
	"github.com/sidecart/sidecart/services/gateway/rules"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/identity"
)

const stock = `
openapi: 3.0.3
info: {title: Shop, version: 1.0.0}
paths:
  /v1/stock/{sku}:
    parameters: [{name: sku, in: path, required: true, schema: {type: string}}]
    get:
      operationId: getStock
      responses: {'200': {description: ok, content: {application/json: {schema: {type: object, required: [available], properties: {available: {type: integer}}}}}}}
    put: {operationId: putStock, responses: {'204': {description: ok}}}
`

// shopOf is a gateway before one service that answers with status as long as it is not 0.
func shopOf(t *testing.T, routes map[string]rules.Route) (s *Service, status, calls *atomic.Int64) {
	t.Helper()
	status, calls = &atomic.Int64{}, &atomic.Int64{}
	s = gatewayOf(t, &upstreams{handlers: map[string]http.Handler{"shop": stub(stock, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		if code := int(status.Load()); code != 0 {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, `{"code":"internal"}`)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"available":`+strconv.FormatInt(calls.Load(), 10)+`}`)
	})}}, nil)
	f := &rules.File{Routes: routes}
	require.Empty(t, s.checkFallbacks(f, s.book.Set()))
	s.protect.use(f)
	return s, status, calls
}

func TestAnAnswerInTheServicesPlace(t *testing.T) {
	s, status, _ := shopOf(t, map[string]rules.Route{"getStock": {Fallback: fallback.Config{LastGood: time.Minute, Body: `{"available":0}`}}})
	w := ask(s, "GET", "/v1/stock/pot", "")
	require.Equal(t, 200, w.Code)
	require.Empty(t, w.Header().Get(fallback.Header))
	status.Store(500)
	w = ask(s, "GET", "/v1/stock/pot", "")
	assert.Equal(t, 200, w.Code)
	assert.Equal(t, `{"available":1}`, w.Body.String())
	assert.Equal(t, "last-good", w.Header().Get(fallback.Header))
	assert.Equal(t, "0", w.Header().Get("Age"))
	w = ask(s, "GET", "/v1/stock/mug", "")
	assert.Equal(t, 200, w.Code)
	assert.Equal(t, `{"available":0}`, w.Body.String())
	assert.Equal(t, "fixed", w.Header().Get(fallback.Header))
	assert.Equal(t, 500, ask(s, "PUT", "/v1/stock/mug", "").Code, "nobody is told that a change was made which was not")
	status.Store(404)
	assert.Equal(t, 404, ask(s, "GET", "/v1/stock/pot", "").Code, "a refusal is an answer")
}

// TestAnAnswerInThePlaceOfASlowOne: whose time is over has still got somebody who waits for an answer.
func TestAnAnswerInThePlaceOfASlowOne(t *testing.T) {
	s, _, _ := shopOf(t, nil)
	routes := map[string]rules.Route{"getStock": {Budget: 10 * time.Millisecond, Fallback: fallback.Config{Body: `{"available":0}`}}}
	s.apply(&rules.File{Routes: routes})
	s.transport = never{}
	w := ask(s, "GET", "/v1/stock/pot", "")
	assert.Equal(t, 200, w.Code, w.Body.String())
	assert.Equal(t, "fixed", w.Header().Get(fallback.Header))
}

// TestWhoIsInAHurryFailsNoService: a caller in gRPC says how long he waits, and strangers who wait for a moment each would otherwise
// have a route closed to everybody.
func TestWhoIsInAHurryFailsNoService(t *testing.T) {
	s, status, calls := shopOf(t, map[string]rules.Route{"getStock": {Breaker: fallback.Breaker{Of: 4, Open: 10 * time.Minute}}})
	good := s.transport
	s.transport = never{}
	for range 8 {
		end := time.Now().Add(time.Millisecond)
		ctx, cancel := context.WithDeadline(httpx.WithCallersEnd(t.Context(), end), end)
		r := httptest.NewRequest("GET", "http://127.0.0.1:8080/v1/stock/pot", nil).WithContext(ctx)
		s.public.ServeHTTP(httptest.NewRecorder(), r)
		cancel()
	}
	s.transport = good
	assert.Equal(t, 200, ask(s, "GET", "/v1/stock/pot", "").Code)
	assert.EqualValues(t, 1, calls.Load())

	status.Store(500)
	for range 3 { // with the good one above, three of four
		assert.Equal(t, 500, ask(s, "GET", "/v1/stock/pot", "").Code)
	}
	problem(t, ask(s, "GET", "/v1/stock/pot", ""), 503, errs.CodeUnavailable)
	assert.EqualValues(t, 4, calls.Load(), "nor do they hide that it fails")
}

// never is a service that does not answer while anybody waits.
type never struct{}

func (never) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestAnAnswerIsKeptForWhatItsCallerIs: an operator who is none any more is not told again what only operators are told.
func TestAnAnswerIsKeptForWhatItsCallerIs(t *testing.T) {
	s := gatewayOf(t, &upstreams{handlers: map[string]http.Handler{"shop": stub(strings.Replace(stock, "operationId: getStock", "operationId: getStock\n      x-roles: [customer, operator]", 1), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"available":7}`)
	})}}, nil)
	s.apply(&rules.File{Routes: map[string]rules.Route{"getStock": {Fallback: fallback.Config{LastGood: time.Minute}}}})
	require.Equal(t, 200, ask(s, "GET", "/v1/stock/pot", "").Code)
	s.transport = &upstreams{}
	require.Equal(t, 200, ask(s, "GET", "/v1/stock/pot", "").Code)
	as(s, identity.Caller{Subject: "olga", Roles: []string{identity.RoleCustomer}})
	problem(t, ask(s, "GET", "/v1/stock/pot", ""), 503, errs.CodeUnavailable)
}

func TestAFallbackMustBeOfTheServicesShape(t *testing.T) {
	s, _, _ := shopOf(t, nil)
	wrong := s.checkFallbacks(&rules.File{Routes: map[string]rules.Route{
		"getStock": {Fallback: fallback.Config{Body: `{"available":"none"}`}}, "unheardOf": {Fallback: fallback.Config{Body: `{}`}},
	}}, s.book.Set())
	require.Len(t, wrong, 1, "what is in no contract cannot be judged yet")
	assert.Equal(t, "/routes/getStock/fallback/body", wrong[0].Place)
	wrong = s.checkFallbacks(&rules.File{Routes: map[string]rules.Route{"putStock": {Fallback: fallback.Config{LastGood: time.Minute}}}}, s.book.Set())
	require.Len(t, wrong, 1)
	assert.Equal(t, "/routes/putStock/fallback", wrong[0].Place)
	// Rules that came before the contract are judged when they are used.
	s.protect.use(&rules.File{Routes: map[string]rules.Route{"getStock": {Fallback: fallback.Config{Body: `{"available":"none"}`}}}})
	s.transport = &upstreams{}
	problem(t, ask(s, "GET", "/v1/stock/pot", ""), 503, errs.CodeUnavailable)
}

func TestARouteThatFailsIsNotAskedForAWhile(t *testing.T) {
	s, status, calls := shopOf(t, map[string]rules.Route{"getStock": {Breaker: fallback.Breaker{Of: 4, Open: 10 * time.Minute}}})
	status.Store(500)
	for range 4 {
		assert.Equal(t, 500, ask(s, "GET", "/v1/stock/pot", "").Code)
	}
	w := ask(s, "GET", "/v1/stock/pot", "")
	problem(t, w, 503, errs.CodeUnavailable)
	assert.NotEmpty(t, w.Header().Get("Retry-After"))
	assert.EqualValues(t, 4, calls.Load())
	assert.Equal(t, 500, ask(s, "PUT", "/v1/stock/pot", "").Code, "another route is")
}

func TestAClientThatAsksForTooMuch(t *testing.T) {
	s, _, calls := shopOf(t, map[string]rules.Route{"getStock": {Route: overload.Route{Client: overload.Rate{PerSecond: 0.01, Burst: 2}}}})
	for range 2 {
		w := ask(s, "GET", "/v1/stock/pot", "")
		require.Equal(t, 200, w.Code)
		assert.Contains(t, w.Header().Get("RateLimit-Policy"), `"getStock";q=2`)
	}
	w := ask(s, "GET", "/v1/stock/pot", "")
	problem(t, w, 429, overload.CodeTooMany)
	assert.Equal(t, "100", w.Header().Get("Retry-After"))
	assert.EqualValues(t, 2, calls.Load())
	assert.Equal(t, 200, ask(s, "PUT", "/v1/stock/pot", "").Code)
}

// TestNoPlaceLeaks: whatever becomes of requests, nothing is in flight afterwards.
func TestNoPlaceLeaks(t *testing.T) {
	s, status, _ := shopOf(t, map[string]rules.Route{"getStock": {Breaker: fallback.Breaker{Of: 3, Open: time.Minute}}})
	onlyOneAtATime(s)
	for _, code := range []int64{0, 404, 500, 503, 500, 500, 0} {
		status.Store(code)
		ask(s, "GET", "/v1/stock/pot", "")
		ask(s, "PUT", "/v1/stock/pot", "")
		ask(s, "GET", "/v1/ops/services", "")
	}
	status.Store(0)
	ticket, err := s.protect.guard.Admit("shop", overload.Low)
	require.NoError(t, err, "the one place is free")
	ticket.Done(overload.Abandoned)
}
