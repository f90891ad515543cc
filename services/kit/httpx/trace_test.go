package httpx

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace/noop"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/telemetry"
)

const (
	callers = "4bf92f3577b34da6a3ce929d0e0e4736"
	parent  = "00-" + callers + "-00f067aa0ba902b7-01"
)

// Who asks in which way, and what the trace is then; "" says that we make one.
func TestTraceContextsThatAreUnderstood(t *testing.T) {
	for name, c := range map[string]struct {
		header  http.Header
		want    string
		sampled bool
	}{
		"none":               {http.Header{}, "", false},
		"W3C":                {http.Header{"Traceparent": {parent}}, callers, true},
		"W3C before B3":      {http.Header{"Traceparent": {parent}, "X-B3-Traceid": {"a3ce929d0e0e4736"}}, callers, true},
		"B3 of 64 bits":      {http.Header{"X-B3-Traceid": {"a3ce929d0e0e4736"}, "X-B3-Spanid": {"00f067aa0ba902b7"}}, "0000000000000000a3ce929d0e0e4736", false},
		"B3 of 128 bits":     {http.Header{"X-B3-Traceid": {callers}, "X-B3-Spanid": {"00f067aa0ba902b7"}, "X-B3-Sampled": {"1"}}, callers, true},
		"B3 in upper case":   {http.Header{"X-B3-Traceid": {strings.ToUpper(callers)}}, callers, false},
		"B3 debug":           {http.Header{"X-B3-Traceid": {callers}, "X-B3-Flags": {"1"}}, callers, true},
		"B3 in one":          {http.Header{"B3": {callers + "-00f067aa0ba902b7-1-05e3ac9a4f6e3b90"}}, callers, true},
		"B3 in one, short":   {http.Header{"B3": {"a3ce929d0e0e4736-00f067aa0ba902b7"}}, "0000000000000000a3ce929d0e0e4736", false},
		"B3 without a trace": {http.Header{"B3": {"0"}}, "", false},
		"a broken W3C, B3":   {http.Header{"Traceparent": {"00-xyz"}, "X-B3-Traceid": {callers}}, callers, false},
		"B3 of zeros":        {http.Header{"X-B3-Traceid": {strings.Repeat("0", 32)}}, "", false},
		"B3 that is no hex":  {http.Header{"X-B3-Traceid": {strings.Repeat("g", 32)}}, "", false},
		"B3 too long":        {http.Header{"X-B3-Traceid": {callers + "00"}}, "", false},
		"B3 with a bad span": {http.Header{"X-B3-Traceid": {callers}, "X-B3-Spanid": {"zzzzzzzzzzzzzzzz"}}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			var got, passedOn string
			e := NewEcho(Config{Listener: Public}, Deps{})
			e.GET("/", func(c echo.Context) error {
				h := http.Header{}
				Propagate(c.Request().Context(), h)
				got, passedOn = TraceID(c.Request().Context()), h.Get("Traceparent")
				return c.NoContent(http.StatusNoContent)
			})
			w := get(e, http.MethodGet, "/", c.header)
			if c.want == "" {
				require.Len(t, got, 32)
			} else {
				require.Equal(t, c.want, got)
			}
			assert.Equal(t, got, w.Header().Get(HeaderTraceID), "the caller is told")
			assert.Equal(t, got, TraceIDOf(passedOn))
			assert.Equal(t, c.sampled, strings.HasSuffix(passedOn, "-01"))
		})
	}
}

func FuzzB3(f *testing.F) {
	f.Add(callers+"-00f067aa0ba902b7-1", "", "", "")
	f.Add("", callers, "00f067aa0ba902b7", "1")
	f.Fuzz(func(t *testing.T, single, traceID, spanID, sampled string) {
		h := http.Header{"X-B3-Traceid": {traceID}, "X-B3-Spanid": {spanID}, "X-B3-Sampled": {sampled}}
		if single != "" {
			h.Set("B3", single)
		}
		if sc := b3(h); sc.IsValid() {
			given := strings.ToLower(traceID)
			if single != "" {
				given, _, _ = strings.Cut(strings.ToLower(single), "-")
			}
			require.Equal(t, given, sc.TraceID().String()[32-len(given):])
		} else {
			require.Zero(t, sc)
		}
	})
}

// tell is what a request left behind of its trace: each must be the caller's.
type tell struct{ log bytes.Buffer }

// stations are middlewares as they are put before and behind each other; each may be anywhere, the edge among them, and each may be
// the one that refuses. They log, answer and make contexts as ours and other people's do.
func (tl *tell) stations(refusing string) map[string]echo.MiddlewareFunc {
	log := slog.New(telemetry.NewHandler(slog.NewJSONHandler(&tl.log, nil)))
	deps := Deps{Log: log, NewID: func() string { return "made-here" }, Tracer: noop.NewTracerProvider().Tracer("")}
	refuse := func(name string) error {
		if name == refusing {
			return errs.New(errs.Forbidden, "forbidden", name+" says no")
		}
		return nil
	}
	type keyOf struct{ name string }
	return map[string]echo.MiddlewareFunc{
		"edge": newEdge(Config{Listener: Public}.Defaults(), deps).handle,
		"values": func(next echo.HandlerFunc) echo.HandlerFunc { // such as whoever signs in
			return func(c echo.Context) error {
				r := c.Request()
				c.SetRequest(r.WithContext(context.WithValue(r.Context(), keyOf{"subject"}, "ada")))
				if err := refuse("values"); err != nil {
					return err
				}
				return next(c)
			}
		},
		"deadline": func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				ctx, cancel := context.WithTimeout(c.Request().Context(), time.Minute)
				defer cancel()
				c.SetRequest(c.Request().WithContext(ctx))
				if err := refuse("deadline"); err != nil {
					return err
				}
				return next(c)
			}
		},
		"answers": func(next echo.HandlerFunc) echo.HandlerFunc { // refuses without asking anybody behind it
			return func(c echo.Context) error {
				if err := refuse("answers"); err != nil {
					WriteProblem(c.Response(), c.Request(), err)
					return nil
				}
				return next(c)
			}
		},
		"clone": func(next echo.HandlerFunc) echo.HandlerFunc { // a copy of the request, as proxies make
			return func(c echo.Context) error {
				c.SetRequest(c.Request().Clone(c.Request().Context()))
				if err := refuse("clone"); err != nil {
					return err
				}
				return next(c)
			}
		},
	}
}

// TestTraceIDsSurviveEveryOrderOfMiddlewares is an incident: an id was put into the context by one middleware and looked for there by
// another that came to stand before it, so whatever that one refused had an id of its own that nobody else knew.
func TestTraceIDsSurviveEveryOrderOfMiddlewares(t *testing.T) {
	names := []string{"edge", "values", "deadline", "answers", "clone"}
	rapid.Check(t, func(t *rapid.T) {
		order := rapid.Permutation(names).Draw(t, "order")
		refusing := rapid.SampledFrom(append(slices.Clone(names), "handler", "nobody", "panic")).Draw(t, "refusing")
		format := rapid.SampledFrom([]http.Header{{"Traceparent": {parent}}, {"X-B3-Traceid": {callers}}, {"B3": {callers + "-00f067aa0ba902b7"}}}).Draw(t, "format")
		tl := &tell{}
		stations := tl.stations(refusing)
		e := echo.New()
		e.HTTPErrorHandler = func(err error, c echo.Context) { writeError(c, slog.New(slog.DiscardHandler), err) }
		for _, name := range order {
			e.Use(stations[name])
		}
		outgoing := http.Header{}
		e.GET("/", func(c echo.Context) error {
			Propagate(c.Request().Context(), outgoing)
			switch refusing {
			case "handler":
				return errors.New("the handler says no")
			case "panic":
				panic("the handler falls over")
			}
			return c.NoContent(http.StatusNoContent)
		})
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		for name, values := range format {
			r.Header[name] = values
		}
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		if id := TraceIDOf(outgoing.Get("Traceparent")); id != "" {
			require.Equal(t, callers, id, "passed on")
		}
		if w.Code >= http.StatusBadRequest {
			var p Problem
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
			require.Equal(t, callers, p.TraceID, "answered")
		}
		for line := range strings.Lines(tl.log.String()) {
			require.Contains(t, line, callers, "logged")
		}
		if id := w.Header().Get(HeaderTraceID); id != "" {
			require.Equal(t, callers, id)
		}
	})
}

// What is kept for later is an id, or the whole traceparent of a sampled trace; both lead back to the trace.
func TestTraceMarksLeadBack(t *testing.T) {
	sampled := ContextWithTraceParent(context.Background(), parent)
	require.Equal(t, parent, TraceMark(sampled))
	unsampled := ContextWithTraceParent(context.Background(), strings.TrimSuffix(parent, "1")+"0")
	require.Equal(t, callers, TraceMark(unsampled))
	require.Equal(t, callers, TraceID(ContextWithTraceParent(context.Background(), TraceMark(unsampled))))
	require.Empty(t, TraceMark(context.Background()))
	for _, bad := range []string{"", "x", strings.Repeat("g", 32), strings.Repeat("0", 32), parent[:54]} {
		require.Empty(t, TraceIDOf(bad), bad)
		require.Equal(t, callers, TraceID(ContextWithTraceParent(sampled, bad)), "what is malformed changes nothing")
	}
}
