package telemetry

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// scope names our spans' instrumentation.
const scope = "github.com/sidecart/sidecart/services"

// Bounds of the export: spans beyond the queue are dropped, an export that takes longer is given up.
const (
	maxQueuedSpans  = 2048
	maxExportWithin = 5 * time.Second
)

// TracingConfig says where spans go.
type TracingConfig struct {
	Endpoint string // base URL of an OTLP/HTTP collector (OTEL_EXPORTER_OTLP_ENDPOINT); "" exports nothing
	Service  string // service.name
	Version  string // service.version
}

// NewTracer makes the process's tracer and what ends it, which exports what is still queued. Without an endpoint
// there are no spans and no costs; the trace context of requests is passed on all the same (kit/httpx). With one,
// OTEL_TRACES_SAMPLER and OTEL_EXPORTER_OTLP_HEADERS mean what OpenTelemetry says they mean.
func NewTracer(ctx context.Context, cfg TracingConfig) (trace.Tracer, func(context.Context) error, error) {
	if cfg.Endpoint == "" {
		return noop.NewTracerProvider().Tracer(scope), func(context.Context) error { return nil }, nil
	}
	base, err := url.Parse(cfg.Endpoint)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %q is not an http or https URL", cfg.Endpoint)
	}
	exporter, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(base.JoinPath("v1", "traces").String()), otlptracehttp.WithTimeout(maxExportWithin))
	if err != nil {
		return nil, nil, fmt.Errorf("tracing: %w", err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter, sdktrace.WithMaxQueueSize(maxQueuedSpans), sdktrace.WithExportTimeout(maxExportWithin)),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", cfg.Service), attribute.String("service.version", cfg.Version),
		)),
	)
	return provider.Tracer(scope), provider.Shutdown, nil
}
