package httpx

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/telemetry"
)

func requireError(t testing.TB, err error) *errs.Error {
	t.Helper()
	e, ok := errors.AsType[*errs.Error](err)
	require.True(t, ok, "%v", err)
	return e
}

// failing serves errors of every sort and keeps the log.
func failing(t *testing.T, reg prometheus.Registerer) (http.Handler, *bytes.Buffer) {
	var logged bytes.Buffer
	e := NewEcho(Config{HandlerTimeout: 10 * time.Second}, Deps{
		Log: slog.New(telemetry.NewHandler(slog.NewTextHandler(&logged, nil))), Metrics: reg, NewID: func() string { return "made-here" },
	})
	e.GET("/conflict", func(echo.Context) error {
		return errs.New(errs.Conflict, "sold_out", "nothing is left").With("skus", []string{"tea"}).With("code", "shadow")
	})
	e.GET("/secret", func(echo.Context) error { return errors.New("dial tcp 10.0.0.1: password=hunter2") })
	e.GET("/panic", func(echo.Context) error { panic("hunter2") })
	e.GET("/unknown", func(echo.Context) error { return errs.OutcomeUnknown(errors.New("timeout")) })
	e.GET("/things/:id", func(c echo.Context) error {
		deadline, ok := c.Request().Context().Deadline()
		assert.True(t, ok)
		assert.LessOrEqual(t, time.Until(deadline), 10*time.Second)
		return c.JSON(http.StatusOK, List[string]{})
	})
	e.GET("/half", func(c echo.Context) error {
		c.Response().WriteHeader(http.StatusOK)
		return errors.New("too late")
	})
	e.POST("/things", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
	return e, &logged
}

func get(h http.Handler, method, path string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for k, v := range header {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestProblemDocument(t *testing.T) {
	h, _ := failing(t, nil)
	w := get(h, http.MethodGet, "/conflict", http.Header{
		"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, HeaderRequestID: {"mine"},
	})
	require.Equal(t, http.StatusConflict, w.Code)
	assert.JSONEq(t, `{"type":"urn:sidecart:problem:sold_out","title":"Sold out","status":409,"detail":"nothing is left",
		"instance":"urn:sidecart:request:mine","code":"sold_out","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","skus":["tea"]}`, w.Body.String())
	assert.Equal(t, "mine", w.Header().Get(HeaderRequestID))
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))

	w = get(h, http.MethodGet, "/unknown", nil)
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.Equal(t, "1", w.Header().Get("Retry-After"))
}

// Documents are written by hand: they must be what the encoder would make of them.
func TestProblemDocumentsAreWhatTheEncoderWouldWrite(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "sold_out", "\"\\", "\x00\n\u2028<&>", "☕"}))
	field := rapid.Custom(func(t *rapid.T) errs.Field {
		return errs.Field{Field: text.Draw(t, "field"), Message: text.Draw(t, "message")}
	})
	rapid.Check(t, func(t *rapid.T) {
		p := Problem{
			Type: text.Draw(t, "type"), Title: text.Draw(t, "title"), Status: rapid.Int().Draw(t, "status"), Detail: text.Draw(t, "detail"),
			Instance: text.Draw(t, "instance"), Code: text.Draw(t, "code"), TraceID: text.Draw(t, "trace"),
			Errors: rapid.SliceOfN(field, 0, 3).Draw(t, "errors"),
		}
		want, err := json.Marshal(plainProblem(p))
		require.NoError(t, err)
		got, err := p.appendTo(nil)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))

		p.Extra = rapid.MapOfN(text, rapid.OneOf(text.AsAny(), rapid.Int64().AsAny(), rapid.SliceOf(text).AsAny()), 0, 10).Draw(t, "extra")
		got, err = p.appendTo(nil)
		require.NoError(t, err)
		var back Problem
		require.NoError(t, json.Unmarshal(got, &back))
		for name, v := range p.Extra {
			if slices.Contains(standard, name) {
				continue
			}
			want, err := json.Marshal(v)
			require.NoError(t, err)
			require.Equal(t, string(want), string(back.Extra[name].(jsontext.Value)))
		}
	})
	broken := Problem{Detail: "\xff", Extra: map[string]any{"f": func() {}}}
	_, err := broken.appendTo(nil)
	require.Error(t, err)
	w := httptest.NewRecorder()
	WriteProblem(w, httptest.NewRequest(http.MethodGet, "/", nil), errs.New(errs.Conflict, "c", "\xff").With("f", func() {}))
	assert.Contains(t, w.Body.String(), "\"detail\":\"\ufffd\"", "there is always a document")
}

func TestDefectsAreHiddenFromCallersAndLoggedOnce(t *testing.T) {
	for _, path := range []string{"/secret", "/panic"} {
		h, logged := failing(t, nil)
		w := get(h, http.MethodGet, path, nil)
		assert.Equal(t, http.StatusInternalServerError, w.Code)
		assert.NotContains(t, w.Body.String(), "hunter2")
		assert.NotContains(t, w.Body.String(), "10.0.0.1")
		assert.Equal(t, 1, strings.Count(logged.String(), "request failed"), logged.String())
		assert.Contains(t, logged.String(), "hunter2")
		assert.Contains(t, logged.String(), "level=ERROR")
		var p Problem
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
		assert.Contains(t, logged.String(), "trace_id="+p.TraceID)
	}
	h, logged := failing(t, nil)
	get(h, http.MethodGet, "/conflict", nil)
	assert.Empty(t, logged.String(), "what is the caller's fault is logged at debug level only")
	w := get(h, http.MethodGet, "/half", nil)
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Empty(t, w.Body.String(), "nothing is added to an answer that has begun")
	assert.Contains(t, logged.String(), "too late")
}

func TestStrangePathsMethodsAndHeaders(t *testing.T) {
	h, _ := failing(t, nil)
	w := get(h, http.MethodGet, "/nothing/here", nil)
	assert.Equal(t, http.StatusNotFound, w.Code)
	assert.Contains(t, w.Body.String(), `"code":"not_found"`)
	w = get(h, http.MethodDelete, "/things/a", nil)
	assert.Equal(t, http.StatusMethodNotAllowed, w.Code)
	assert.Contains(t, w.Header().Get("Allow"), http.MethodGet)
	assert.Contains(t, w.Body.String(), `"code":"method_not_allowed"`)
	for _, id := range []string{"has space", strings.Repeat("x", 65), "new\nline"} {
		w = get(h, http.MethodGet, "/things/a", http.Header{HeaderRequestID: {id}})
		assert.Equal(t, "made-here", w.Header().Get(HeaderRequestID))
	}
	assert.JSONEq(t, `{"items":[],"next_cursor":""}`, w.Body.String())
}

func TestMetricsHaveBoundedLabels(t *testing.T) {
	reg := prometheus.NewRegistry()
	h, _ := failing(t, reg)
	again, _ := failing(t, reg) // a second Echo on the same registry
	for _, path := range []string{"/things/a", "/things/b", "/x/1", "/x/2", "/conflict"} {
		get(h, http.MethodGet, path, nil)
	}
	get(again, "BREW", "/things/a", nil)
	families, err := reg.Gather()
	require.NoError(t, err)
	series := map[string]uint64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			label := map[string]string{}
			for _, l := range m.GetLabel() {
				label[l.GetName()] = l.GetValue()
			}
			series[label["route"]+" "+label["method"]+" "+label["status"]] += m.GetHistogram().GetSampleCount()
		}
	}
	assert.Equal(t, map[string]uint64{
		"/things/:id GET 200": 2, "unmatched GET 404": 2, "/conflict GET 409": 1, "/things/:id OTHER 405": 1,
	}, series)
}

func TestCallCarriesContextAndErrors(t *testing.T) {
	h, _ := failing(t, nil)
	server := httptest.NewServer(h)
	defer server.Close()
	ctx := context.Background()

	err := Call(ctx, server.Client(), http.MethodGet, server.URL+"/conflict", nil, nil)
	e := requireError(t, err)
	assert.Equal(t, "sold_out", e.Code)
	assert.Equal(t, errs.Conflict, e.Kind)
	assert.Contains(t, e.Extra, "skus")
	w := httptest.NewRecorder()
	WriteProblem(w, httptest.NewRequest(http.MethodGet, "/", nil), err)
	assert.Contains(t, w.Body.String(), `"skus":["tea"]`, "extras survive being passed on")

	assert.Equal(t, time.Second, requireError(t, Call(ctx, server.Client(), http.MethodGet, server.URL+"/unknown", nil, nil)).RetryAfter)
	require.NoError(t, Call(ctx, server.Client(), http.MethodPost, server.URL+"/things", map[string]int{"a": 1}, nil))
	var list List[string]
	require.NoError(t, Call(ctx, server.Client(), http.MethodGet, server.URL+"/things/a", nil, &list))

	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	assert.Equal(t, errs.CodeUnavailable, requireError(t, Call(ctx, gone.Client(), http.MethodGet, gone.URL, nil, nil)).Code)
	assert.Equal(t, errs.CodeOutcomeUnknown, requireError(t, Call(ctx, gone.Client(), http.MethodPost, gone.URL, nil, nil)).Code)

	sidecar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"errorCode":"ERR_DIRECT_INVOKE"}`, http.StatusInternalServerError)
	}))
	defer sidecar.Close()
	assert.Equal(t, errs.CodeUnavailable, requireError(t, Call(ctx, sidecar.Client(), http.MethodGet, sidecar.URL, nil, nil)).Code)
	e = requireError(t, Call(ctx, sidecar.Client(), http.MethodPost, sidecar.URL, nil, nil))
	assert.Equal(t, errs.CodeOutcomeUnknown, e.Code)
	assert.Contains(t, e.Error(), "ERR_DIRECT_INVOKE")
}

func TestTraceContextTravels(t *testing.T) {
	ctx := ContextWithTraceParent(context.Background(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	assert.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", TraceID(ctx))
	assert.True(t, strings.HasPrefix(TraceParent(ctx), "00-4bf92f3577b34da6a3ce929d0e0e4736-"))
	h := http.Header{}
	Propagate(ctx, h)
	assert.NotEmpty(t, h.Get("Traceparent"))
	assert.Empty(t, TraceID(ContextWithTraceParent(context.Background(), "nonsense")))
}

func TestServerHasEveryBound(t *testing.T) {
	s := NewServer(http.NotFoundHandler(), ServerConfig{}, nil)
	assert.Positive(t, s.ReadHeaderTimeout)
	assert.Positive(t, s.ReadTimeout)
	assert.Positive(t, s.WriteTimeout)
	assert.Positive(t, s.IdleTimeout)
	assert.Positive(t, s.MaxHeaderBytes)
}

func TestABodyThatStopsInTheMiddleIsRefused(t *testing.T) {
	r := httptest.NewRequest(http.MethodPut, "/things/a", io.MultiReader(strings.NewReader(`{"title":`), brokenReader{}))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	sampleEcho().ServeHTTP(w, r)
	assert.Equal(t, http.StatusBadRequest, w.Code)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
