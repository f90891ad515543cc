package httpx

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/telemetry"
)

// accessed serves a public listener and gives the lines of its access log.
func accessed(cfg AccessConfig, reg prometheus.Registerer) (http.Handler, func() []map[string]any) {
	var logged bytes.Buffer
	e := NewEcho(Config{Listener: Public, Access: &cfg}, Deps{Log: telemetry.NewLogger(&logged, slog.LevelInfo), Metrics: reg})
	e.GET("/orders/:id", func(c echo.Context) error {
		AnsweredBy(c.Request().Context(), "order-canary")
		return c.String(http.StatusOK, "hello")
	})
	e.GET("/slow", func(c echo.Context) error {
		<-time.After(2 * time.Second) // of the bubble
		return c.NoContent(http.StatusNoContent)
	})
	e.GET("/broken", func(echo.Context) error { return errors.New("hunter2") })
	return e, func() []map[string]any {
		var lines []map[string]any
		for line := range strings.Lines(logged.String()) {
			var l map[string]any
			if json.Unmarshal([]byte(line), &l) == nil && l["msg"] == "request" {
				lines = append(lines, l)
			}
		}
		return lines
	}
}

func TestAccessLinesSayWhatHappenedAndNotWho(t *testing.T) {
	h, lines := accessed(AccessConfig{OneIn: 1}, nil)
	get(h, http.MethodGet, "/orders/ada?token=hunter2&email=ada@example.com", http.Header{
		"Authorization": {"Bearer hunter2"}, "Cookie": {"hunter2"}, "X-Client": {"ios"}, HeaderRequestID: {"req-1"},
		"Traceparent": {parent},
	})
	require.Len(t, lines(), 1)
	l := lines()[0]
	for name, want := range map[string]any{
		"method": "GET", "route": "/orders/:id", "status": 200.0, "bytes_out": 5.0, "client": "ios", "answered_by": "order-canary",
		"request_id": "req-1", "trace_id": callers,
	} {
		require.Equal(t, want, l[name], name)
	}
	text := fmt.Sprint(l)
	for _, secret := range []string{"hunter2", "ada"} {
		require.NotContains(t, text, secret)
	}
	get(h, http.MethodGet, "/orders/x", http.Header{"X-Client": {"my-own-browser-9.1"}})
	require.Equal(t, "other", lines()[1]["client"])
	get(h, http.MethodGet, "/broken", nil)
	require.Equal(t, "internal", lines()[2]["code"])
	require.NotContains(t, fmt.Sprint(lines()[2]), "hunter2")
}

func TestAccessLinesAreOfWhatFailedAndWasSlowAndAShareOfTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, lines := accessed(AccessConfig{OneIn: -1}, nil)
		for range 50 {
			get(h, http.MethodGet, "/orders/x", nil)
		}
		require.Empty(t, lines())
		get(h, http.MethodGet, "/broken", nil)
		get(h, http.MethodGet, "/slow", nil)
		require.Len(t, lines(), 2)
		require.GreaterOrEqual(t, lines()[1]["ms"], 2000.0)

		h, lines = accessed(AccessConfig{OneIn: 4}, nil)
		for n := range 400 {
			get(h, http.MethodGet, "/orders/x", http.Header{"Traceparent": {fmt.Sprintf("00-%032x-00f067aa0ba902b7-00", n+1)}})
			<-time.After(10 * time.Millisecond) // of the bubble: the bound is one of its own
		}
		require.Len(t, lines(), 100, "every fourth trace, whoever decides")
	})
}

// A crowd of failures must not become a crowd of lines.
func TestAccessLinesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, lines := accessed(AccessConfig{OneIn: -1, MaxLinesEachSecond: 10}, nil)
		for range 100 {
			get(h, http.MethodGet, "/broken", nil)
		}
		require.Len(t, lines(), 10)
		<-time.After(time.Second) // of the bubble
		get(h, http.MethodGet, "/broken", nil)
		require.Len(t, lines(), 11)
		require.Equal(t, 90.0, lines()[10]["lines_left_out"])
	})
}

// TestASlowRouteIsFoundByItsMetrics is an incident: one average for all routes hid that one of them had become slow, and that it was
// the canary.
func TestASlowRouteIsFoundByItsMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		h, _ := accessed(AccessConfig{}, reg)
		for range 3 {
			get(h, http.MethodGet, "/orders/ada", nil)
		}
		get(h, http.MethodGet, "/slow", nil)
		get(h, "BREW", "/nowhere", nil)
		require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP gateway_http_requests_total Public requests, by the app that answered them (version).
# TYPE gateway_http_requests_total counter
gateway_http_requests_total{method="GET",route="/orders/:id",status="200",version="order-canary"} 3
gateway_http_requests_total{method="GET",route="/slow",status="204",version="gateway"} 1
gateway_http_requests_total{method="OTHER",route="unmatched",status="404",version="gateway"} 1
`), "gateway_http_requests_total"))
		families, err := reg.Gather()
		require.NoError(t, err)
		slow := map[string]float64{}
		for _, f := range families {
			if f.GetName() != "gateway_http_request_duration_seconds" {
				continue
			}
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					if l.GetName() == "route" {
						slow[l.GetValue()] = m.GetHistogram().GetSampleSum()
					}
				}
			}
		}
		require.Equal(t, 2.0, slow["/slow"])
		require.Less(t, slow["/orders/:id"], 1.0)
	})
}
