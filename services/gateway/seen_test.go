package gateway

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/kit/httpx"
)

const callersTrace = "4bf92f3577b34da6a3ce929d0e0e4736"

// Whatever the door says, and in whatever order its stages stand, it is about the caller's trace; and what it asks a service is, too.
func TestTheCallersTraceGoesThroughEveryOrderOfStages(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, answerAs("stable"))}}
	s := gatewayOf(t, u, nil)
	stages := s.stages()
	format := map[string][]string{
		"W3C": {"Traceparent", "00-" + callersTrace + "-00f067aa0ba902b7-00"},
		"B3":  {"X-B3-TraceId", callersTrace, "X-B3-SpanId", "00f067aa0ba902b7"},
		"b3":  {"b3", callersTrace + "-00f067aa0ba902b7-0"},
	}
	type request struct {
		method, target, body string
		headers              []string
	}
	requests := map[string]request{
		"good":           {"GET", "/v1/things/a", "", nil},
		"posted":         {"POST", "/v1/things", `{"name":"x"}`, nil},
		"no such path":   {"GET", "/v1/nothing", "", nil},
		"no such method": {"PATCH", "/v1/things", "", nil},
		"another site":   {"POST", "/v1/things", `{"name":"x"}`, []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}},
		"a wrong body":   {"POST", "/v1/things", `{"nam":"x"}`, nil},
		"a large body":   {"POST", "/v1/things", `{"name":"` + strings.Repeat("x", 80<<10) + `"}`, nil},
		"a bad token":    {"GET", "/v1/things/a", "", []string{"Authorization", "Bearer nothing"}},
		"a dot segment":  {"GET", "/v1/things/..", "", nil},
	}
	rapid.Check(t, func(t *rapid.T) {
		// Which operation is asked for is what the others ask about, so that comes first.
		s.before = slices.Concat(stages[:1], rapid.Permutation(stages[1:]).Draw(t, "stages"))
		r := requests[rapid.SampledFrom([]string{"good", "posted", "no such path", "no such method", "another site", "a wrong body", "a large body", "a bad token", "a dot segment"}).Draw(t, "request")]
		u.seen, u.bodies = nil, nil
		w := ask(s, r.method, r.target, r.body, slices.Concat(r.headers, format[rapid.SampledFrom([]string{"W3C", "B3", "b3"}).Draw(t, "format")])...)
		require.Equal(t, callersTrace, w.Header().Get(httpx.HeaderTraceID))
		if w.Code >= http.StatusBadRequest {
			var p httpx.Problem
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
			require.Equal(t, callersTrace, p.TraceID)
		}
		for _, asked := range u.seen {
			require.Equal(t, callersTrace, httpx.TraceIDOf(asked.Header.Get("Traceparent")))
			for name := range asked.Header {
				require.NotContains(t, strings.ToLower(name), "b3", "one trace context is passed on, not two")
			}
		}
	})
}

// A release beside stable is measured apart from it, or nobody sees that it is the slow one.
func TestReleasesAreMeasuredApart(t *testing.T) {
	reg := prometheus.NewRegistry()
	u := &upstreams{handlers: map[string]http.Handler{"shop": releases(answerAs("canary"))}}
	s, _ := ruled(t, u, halfCanary)
	s.deps.Metrics = reg
	s.public = s.edge()
	for range 3 {
		ask(s, "GET", "/v1/things", "", "X-Release-Stage", "canary")
	}
	ask(s, "GET", "/v1/things", "", "X-Release-Stage", "stable")
	ask(s, "GET", "/v1/nothing", "")
	require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP gateway_http_requests_total Public requests, by the app that answered them (version).
# TYPE gateway_http_requests_total counter
gateway_http_requests_total{method="GET",route="/v1/things",status="200",version="shop"} 1
gateway_http_requests_total{method="GET",route="/v1/things",status="200",version="shop-canary"} 3
gateway_http_requests_total{method="GET",route="unmatched",status="404",version="gateway"} 1
`), "gateway_http_requests_total"))
}
