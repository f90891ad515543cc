package httpx

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// b3 reads the trace context of the Zipkin family: the single header "b3" ({trace}-{span}[-{sampled}[-{parent}]]) or, without it,
// X-B3-TraceId and its companions (https://github.com/openzipkin/b3-propagation). Trace ids have 64 or 128 bits; the shorter ones get
// leading zeros. What is malformed is no trace context: a caller's mistake in it must not cost the request.
func b3(h http.Header) trace.SpanContext {
	var traceID, spanID, sampled string
	if single := h["B3"]; len(single) > 0 {
		parts := strings.SplitN(single[0], "-", 4)
		if len(parts) < 2 {
			return trace.SpanContext{} // a decision to sample without a trace
		}
		traceID, spanID = parts[0], parts[1]
		if len(parts) > 2 {
			sampled = parts[2]
		}
	} else {
		traceID, spanID, sampled = h.Get("X-B3-Traceid"), h.Get("X-B3-Spanid"), h.Get("X-B3-Sampled")
		if h.Get("X-B3-Flags") == "1" {
			sampled = "d"
		}
	}
	var ids trace.SpanContextConfig
	if n := len(traceID); n != 16 && n != traceIDDigits {
		return trace.SpanContext{}
	}
	if _, err := hex.Decode(ids.TraceID[16-len(traceID)/2:], []byte(traceID)); err != nil || !ids.TraceID.IsValid() {
		return trace.SpanContext{}
	}
	if len(spanID) == 16 {
		if _, err := hex.Decode(ids.SpanID[:], []byte(spanID)); err != nil {
			return trace.SpanContext{}
		}
	}
	if !ids.SpanID.IsValid() { // an id of the trace alone is enough to follow it
		binary.BigEndian.PutUint64(ids.SpanID[:], rand.Uint64()|1)
	}
	switch sampled {
	case "1", "true", "d":
		ids.TraceFlags = trace.FlagsSampled
	}
	ids.Remote = true
	return trace.NewSpanContext(ids)
}
