package telemetry

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
)

func inTrace(t *testing.T) context.Context {
	traceID, err := trace.TraceIDFromHex("4bf92f3577b34da6a3ce929d0e0e4736")
	require.NoError(t, err)
	spanID, err := trace.SpanIDFromHex("00f067aa0ba902b7")
	require.NoError(t, err)
	return trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: spanID}))
}

func TestLogLinesCarryTheTraceAndNoSecrets(t *testing.T) {
	var out bytes.Buffer
	log := NewLogger(&out, slog.LevelInfo).With(slog.String("service", "order"))
	log.InfoContext(inTrace(t), "hello", slog.String("dapr_api_token", "hunter2"), slog.Any("Authorization", []string{"hunter2"}),
		slog.Group("smtp", slog.String("password", "hunter2")), slog.Time("at", time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("x", 3600))))
	log.Debug("not at this level")
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line), out.String())
	assert.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", line["trace_id"])
	assert.Equal(t, "00f067aa0ba902b7", line["span_id"])
	assert.Equal(t, "order", line["service"])
	assert.Equal(t, "2026-01-02T02:04:05Z", line["at"])
	assert.NotContains(t, out.String(), "hunter2")

	out.Reset()
	log.Info("no trace")
	assert.NotContains(t, out.String(), "trace_id")
}

func TestRegistryTellsTheVersion(t *testing.T) {
	families, err := NewRegistry("1.2.3").Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == "sidecart_build_info" {
			assert.Equal(t, "1.2.3", f.GetMetric()[0].GetLabel()[0].GetValue())
			return
		}
	}
	require.Fail(t, "no build info")
}

func TestSpansAreExportedOnlyWhenConfigured(t *testing.T) {
	tracer, stop, err := NewTracer(context.Background(), TracingConfig{})
	require.NoError(t, err)
	_, span := tracer.Start(context.Background(), "x")
	assert.False(t, span.IsRecording())
	require.NoError(t, stop(context.Background()))

	got := make(chan []byte, 1)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/v1/traces", r.URL.Path)
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/x-protobuf")
		got <- body
	}))
	defer collector.Close()
	tracer, stop, err = NewTracer(context.Background(), TracingConfig{Endpoint: collector.URL, Service: "order", Version: "1"})
	require.NoError(t, err)
	_, span = tracer.Start(inTrace(t), "place order")
	span.End()
	_, span = tracer.Start(context.Background(), "sampled by us")
	span.End()
	require.NoError(t, stop(context.Background()))
	body := <-got
	assert.Contains(t, string(body), "sampled by us")
	assert.NotContains(t, string(body), "place order", "the caller decided not to sample that one")
	assert.Contains(t, string(body), "order")

	for _, bad := range []string{"collector:4318", "ftp://x", "http://"} {
		_, _, err = NewTracer(context.Background(), TracingConfig{Endpoint: bad})
		require.ErrorContains(t, err, "OTEL_EXPORTER_OTLP_ENDPOINT", bad)
	}
}
