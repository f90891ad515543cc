package httpx

import (
	"context"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// RequestID is the id of the request that ctx belongs to; "" outside of one.
func RequestID(ctx context.Context) string {
	if r := requestOf(ctx); r != nil {
		return r.id[0]
	}
	return ""
}

// TraceID is the W3C trace id of ctx in hex; "" if it has none.
func TraceID(ctx context.Context) string {
	if sc := trace.SpanContextFromContext(ctx); sc.HasTraceID() {
		return sc.TraceID().String()
	}
	return ""
}

// TraceParent is ctx's trace context as a traceparent header's value; "" if it has none.
func TraceParent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagator.Inject(ctx, carrier)
	return carrier["traceparent"]
}

// ContextWithTraceParent puts what TraceParent or TraceMark gave into ctx; a malformed one changes nothing.
func ContextWithTraceParent(ctx context.Context, traceparent string) context.Context {
	if len(traceparent) != traceIDDigits {
		return propagator.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent})
	}
	id, err := trace.TraceIDFromHex(traceparent)
	if err != nil {
		return ctx
	}
	// Nobody keeps spans of an unsampled trace, so any number will do for the span.
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: id, SpanID: trace.SpanID{7: 1}, Remote: true,
	}))
}

// TraceMark is what is worth keeping of ctx's trace for whoever acts on its behalf later: the trace id, and the whole
// traceparent only when the trace is sampled, because otherwise its spans are not kept anywhere. "" if there is no trace.
func TraceMark(ctx context.Context) string {
	sc := trace.SpanContextFromContext(ctx)
	switch {
	case !sc.IsValid():
		return ""
	case sc.IsSampled():
		return TraceParent(ctx)
	}
	return sc.TraceID().String()
}

// TraceIDOf is the trace id in what TraceParent or TraceMark gave; "" if there is none.
func TraceIDOf(traceparent string) string {
	return TraceID(ContextWithTraceParent(context.Background(), traceparent))
}

// traceIDDigits is the length of a trace id in hex.
const traceIDDigits = 32

// Propagate writes ctx's trace context and request id into the headers of a request to somebody else.
func Propagate(ctx context.Context, h http.Header) {
	propagator.Inject(ctx, header(h))
	if id := RequestID(ctx); id != "" {
		h.Set(HeaderRequestID, id)
	}
}

// propagator is W3C trace context. It is stateless.
var propagator = propagation.TraceContext{}

// header carries a trace context in headers whose names are in their canonical form, as a server's are: the lower-case
// names of W3C would be put into that form again for every request.
type header http.Header

// canonical are the names that W3C knows.
func canonical(name string) string {
	switch name {
	case "traceparent":
		return "Traceparent"
	case "tracestate":
		return "Tracestate"
	}
	return http.CanonicalHeaderKey(name)
}

// Get gives the first value.
func (h header) Get(name string) string {
	if values := h[canonical(name)]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// Set puts one value in the place of any others.
func (h header) Set(name, value string) { h[canonical(name)] = []string{value} }

// Keys gives the names that are there.
func (h header) Keys() []string { return slices.Collect(maps.Keys(h)) }

// callersTrace is r's context with the trace that its headers name, W3C before B3, unless it has one already. It may be asked at any
// place before and after the edge: who answers before it must not lose the caller's trace id.
func callersTrace(r *http.Request) context.Context {
	ctx := r.Context()
	if trace.SpanContextFromContext(ctx).IsValid() { // of a call within the process: the headers name the same
		return ctx
	}
	ctx = propagator.Extract(ctx, header(r.Header))
	if trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	if sc := b3(r.Header); sc.IsValid() {
		return trace.ContextWithRemoteSpanContext(ctx, sc)
	}
	return ctx
}

// ensureTrace gives ctx a trace id when neither the caller nor a tracer did, so that every problem document and log line has one. The
// ids need not be hard to guess: they are no secret and open nothing.
func ensureTrace(ctx context.Context) context.Context {
	if trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	var ids trace.SpanContextConfig
	binary.BigEndian.PutUint64(ids.TraceID[:8], rand.Uint64())
	binary.BigEndian.PutUint64(ids.TraceID[8:], rand.Uint64()|1) // an id of zeros is not valid
	binary.BigEndian.PutUint64(ids.SpanID[:], rand.Uint64()|1)
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(ids))
}
