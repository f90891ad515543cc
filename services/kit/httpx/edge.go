package httpx

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// HeaderRequestID carries the request id, in and out.
const HeaderRequestID = "X-Request-Id"

// HeaderTraceID carries the trace id to whoever does not speak W3C trace context: callers, providers, mail.
const HeaderTraceID = "X-Trace-Id"

// maxRequestIDBytes bounds a request id that a caller brings along.
const maxRequestIDBytes = 64

// edge is the first thing that sees a request and the last that sees its answer.
type edge struct {
	cfg     Config
	deps    Deps
	traced  bool     // the tracer is one that makes spans
	public  bool     // the listener is Public
	seconds *seconds // nil without a registry
	access  *access  // nil without a log of that kind
	watch   watch
}

func newEdge(cfg Config, deps Deps) *edge {
	_, off := deps.Tracer.(noop.Tracer)
	return &edge{
		cfg: cfg, deps: deps, traced: !off, public: cfg.Listener == Public,
		seconds: newSeconds(deps.Metrics, cfg.Listener), access: newAccess(cfg.Access, deps.Log),
	}
}

func (m *edge) handle(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := time.Now()
		b := m.begin(c, began)
		defer m.finish(b)
		err := m.guarded(&answering{Context: c}, next)
		code := ""
		if err != nil {
			c.Error(err)
			code = fromEcho(err, c).Code
		}
		status, took, version := c.Response().Status, time.Since(began), m.version(b.of)
		m.seconds.observe(route(c), knownMethod(c.Request().Method), status, version, took)
		m.access.note(c, b.of, version, code, began, took)
		if m.traced {
			m.describe(c, status)
		}
		return nil
	}
}

// describe tells the request's span what came of it.
func (m *edge) describe(c echo.Context, status int) {
	span := trace.SpanFromContext(c.Request().Context())
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(attribute.String("http.route", route(c)), attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, "")
	}
}

// begun is what begin has made, for finish.
type begun struct {
	of   *request
	own  bool       // the request is not its caller's, within the process
	span trace.Span // nil without a tracer
}

// begin puts the trace context, the request id and the deadline into the request's context. A call within the process is a part of
// its caller's request, unless it has to end before that.
//
// The request is changed in place: a copy would be a twentieth of what a reservation allocates, and net/http, which alone looks at it
// after us, does not look at its context.
func (m *edge) begin(c echo.Context, began time.Time) begun {
	r := c.Request()
	b, ctx := begun{}, callersTrace(r)
	if m.traced {
		ctx, b.span = m.deps.Tracer.Start(ctx, knownMethod(r.Method)+" "+route(c), trace.WithSpanKind(trace.SpanKindServer))
	}
	ctx = ensureTrace(ctx)
	allowed := m.cfg.HandlerTimeout
	if !m.public {
		allowed = within(r.Header, allowed)
	}
	deadline := began.Add(allowed)
	callers, bounded := ctx.Deadline()
	if bounded && callers.Before(deadline) {
		deadline = callers
	}
	caller := requestOf(ctx) // within the process
	if b.of = caller; m.public || caller == nil || !bounded || callers.After(deadline) {
		b.of, b.own = &request{Context: ctx, id: [1]string{m.requestID(r, caller)}, deadline: deadline}, true
		m.watch.begin(b.of)
		ctx = b.of
	}
	h := c.Response().Header()
	h[HeaderRequestID] = b.of.id[:]
	if m.public {
		b.of.trace[0] = TraceID(ctx)
		h[HeaderTraceID] = b.of.trace[:]
	}
	*r = *r.WithContext(ctx)
	return b
}

// requestID is what a request is called: as within the process already, as its caller says, or by a new id.
func (m *edge) requestID(r *http.Request, caller *request) string {
	if caller != nil {
		return caller.id[0]
	}
	if id := r.Header.Get(HeaderRequestID); isPlain(id, maxRequestIDBytes) {
		return id
	}
	return m.deps.NewID()
}

// finish ends what begin has begun.
func (m *edge) finish(b begun) {
	if b.own {
		m.watch.end(b.of)
	}
	if b.span != nil {
		b.span.End()
	}
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
	switch {
	case r.ContentLength > m.cfg.MaxBodyBytes:
		return tooLarge(m.cfg.MaxBodyBytes)
	case r.ContentLength > 0: // nothing comes after that
	case r.Body != nil && r.Body != http.NoBody:
		bounded := r.WithContext(r.Context()) // net/http looks for the body that it has made when it has the answer
		bounded.Body = http.MaxBytesReader(c.Response(), r.Body, m.cfg.MaxBodyBytes)
		c.SetRequest(bounded)
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
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// panicError carries a handler's panic to the log; callers see a plain 500.
type panicError struct {
	value any
	stack []byte
}

// Error is for the log.
func (p *panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }
