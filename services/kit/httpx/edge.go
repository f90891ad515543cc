package httpx

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// HeaderRequestID carries the request id, in and out.
const HeaderRequestID = "X-Request-Id"

// maxRequestIDBytes bounds a request id that a caller brings along.
const maxRequestIDBytes = 64

// edge is the first thing that sees a request and the last that sees its answer.
type edge struct {
	cfg     Config
	deps    Deps
	seconds *prometheus.HistogramVec // nil without a registry
}

func (m *edge) handle(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := time.Now()
		ctx, end := m.begin(c)
		defer end()
		err := m.guarded(c, next)
		if err != nil {
			c.Error(err)
		}
		status := c.Response().Status
		if m.seconds != nil {
			m.seconds.WithLabelValues(route(c), knownMethod(c.Request().Method), statusLabel(status)).Observe(time.Since(began).Seconds())
		}
		if span := trace.SpanFromContext(ctx); span.IsRecording() {
			span.SetAttributes(attribute.String("http.route", route(c)), attribute.Int("http.response.status_code", status))
			if status >= http.StatusInternalServerError {
				span.SetStatus(codes.Error, "")
			}
		}
		return nil
	}
}

// begin puts the trace context, the request id and the deadline into the request's context.
func (m *edge) begin(c echo.Context) (context.Context, func()) {
	r := c.Request()
	ctx := propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := m.deps.Tracer.Start(ctx, knownMethod(r.Method)+" "+route(c), trace.WithSpanKind(trace.SpanKindServer))
	ctx = ensureTrace(ctx)
	id := r.Header.Get(HeaderRequestID)
	if !isPlain(id, maxRequestIDBytes) {
		id = m.deps.NewID()
	}
	ctx = context.WithValue(ctx, requestIDKey{}, id)
	ctx, cancel := context.WithTimeout(ctx, m.cfg.HandlerTimeout)
	c.Response().Header().Set(HeaderRequestID, id)
	c.SetRequest(r.WithContext(ctx))
	return ctx, func() { cancel(); span.End() }
}

// guarded checks the request line, bounds the body, runs the handler and turns a panic into an error.
func (m *edge) guarded(c echo.Context, next echo.HandlerFunc) (err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			panic(p) // net/http's own way to drop the connection
		default:
			err = &panicError{value: p, stack: debug.Stack()}
		}
	}()
	r := c.Request()
	if err := checkURL(r, m.cfg.MaxURLBytes); err != nil {
		return err
	}
	if r.ContentLength > m.cfg.MaxBodyBytes {
		return tooLarge(m.cfg.MaxBodyBytes)
	}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = http.MaxBytesReader(c.Response(), r.Body, m.cfg.MaxBodyBytes)
	}
	return next(c)
}

// checkURL refuses what no handler should have to think about: text that is not UTF-8, and control characters.
func checkURL(r *http.Request, maxBytes int) error {
	if len(r.URL.EscapedPath())+len(r.URL.RawQuery) > maxBytes {
		return errs.InvalidField("path", "path and query are over %d bytes", maxBytes)
	}
	if problem := textProblem(r.URL.Path); problem != "" {
		return errs.InvalidField("path", "%s", problem)
	}
	if r.URL.RawQuery == "" {
		return nil
	}
	query, err := parseQuery(r)
	if err != nil {
		return err
	}
	for name, values := range query {
		if problem := textProblem(name); problem != "" {
			return errs.InvalidField("query", "a parameter's name %s", problem)
		}
		for _, v := range values {
			if problem := textProblem(v); problem != "" {
				return errs.InvalidField(name, "%s", problem)
			}
		}
	}
	return nil
}

// textProblem says why s cannot be part of a URL here; "" if it can.
func textProblem(s string) string {
	if !utf8.ValidString(s) {
		return "is not valid UTF-8"
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			return "has a control character"
		}
	}
	return ""
}

// isPlain accepts 1 to maxBytes of visible ASCII.
func isPlain(s string, maxBytes int) bool {
	if s == "" || len(s) > maxBytes {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0
}

// panicError carries a handler's panic to the log; callers see a plain 500.
type panicError struct {
	value any
	stack []byte
}

// Error is for the log.
func (p *panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }

type requestIDKey struct{}

// RequestID is the id of the request that ctx belongs to; "" outside of one.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
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

// ContextWithTraceParent puts a traceparent header's value into ctx; a malformed one changes nothing.
func ContextWithTraceParent(ctx context.Context, traceparent string) context.Context {
	return propagator.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent})
}

// Propagate writes ctx's trace context and request id into the headers of a request to somebody else.
func Propagate(ctx context.Context, h http.Header) {
	propagator.Inject(ctx, propagation.HeaderCarrier(h))
	if id := RequestID(ctx); id != "" {
		h.Set(HeaderRequestID, id)
	}
}

// propagator is W3C trace context. It is stateless.
var propagator = propagation.TraceContext{}

// ensureTrace gives ctx a trace id when neither the caller nor a tracer did, so that every problem document and
// log line has one.
func ensureTrace(ctx context.Context) context.Context {
	if trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	var random [24]byte
	_, _ = rand.Read(random[:]) // never fails
	if binary.BigEndian.Uint64(random[16:]) == 0 {
		random[23] = 1 // an id of zeros is not valid
	}
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID(random[:16]), SpanID: trace.SpanID(random[16:]),
	}))
}
