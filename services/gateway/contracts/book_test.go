package contracts

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// tellers are services that tell their contracts, by name; "" has none, one that is missing is away.
type tellers struct {
	mu    sync.Mutex
	texts map[string]string
	sent  int // times that a whole contract was sent
}

func (s *tellers) tell(service, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts[service] = text
}

func (s *tellers) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, there := s.texts[r.URL.Host]
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}
	switch tag := `"` + etagOf([]byte(text)) + `"`; {
	case !there:
		return nil, io.ErrUnexpectedEOF
	case text == "":
		resp.StatusCode = http.StatusNotFound
		resp.Header.Set("Content-Type", httpx.ContentTypeProblem)
	case httpx.HasTag(r.Header, tag):
		resp.StatusCode = http.StatusNotModified
	default:
		s.sent++
		resp.Header.Set("ETag", tag)
		resp.Body = io.NopCloser(strings.NewReader(text))
	}
	return resp, nil
}

// bookOf is a Book of these services that has looked once.
func bookOf(t *testing.T, s *tellers, services ...string) *Book {
	own, err := Read("gateway", []byte("openapi: 3.0.3\ninfo: {title: Gateway, version: 1.0.0}\npaths:\n  /v1/ops/x: {get: {operationId: x, responses: {'200': {description: ok}}}}\n"))
	require.NoError(t, err)
	b, err := NewBook(
		Config{Services: services, Every: time.Second, AskWithin: time.Second, Base: "http://127.0.0.1:8080", Own: own},
		Deps{Client: &http.Client{Transport: s}, Now: func() time.Time { return time.Unix(1_900_000_000, 0) }, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	require.NoError(t, err)
	b.Learn(t.Context())
	return b
}

func TestABookKeepsWhatCannotBeReplaced(t *testing.T) {
	s := &tellers{texts: map[string]string{"stall": stall, "quiet": ""}}
	b := bookOf(t, s, "stall", "quiet")
	status := func() Status { return b.Report()[0] }
	alarm := func() float64 { return testutil.ToFloat64(b.metrics.refused.WithLabelValues("stall")) }
	require.Equal(t, stateCurrent, status().State)
	assert.Equal(t, stateNone, b.Report()[1].State)
	assert.Equal(t, 3, status().Operations)
	first, set := status().ETag, b.Set()

	b.Learn(t.Context())
	assert.Equal(t, 1, s.sent, "what is known is not sent again")
	assert.Same(t, set, b.Set())

	for name, text := range map[string]string{
		"that is no contract": "openapi: broken", "that breaks callers": strings.Replace(stall, "/v1/teas/{tea}:", "/v1/tea/{tea}:", 1),
		"that opens too much": strings.Replace(stall, "/v1/teas:", "/v2/teas:", 1), "that has none any more": "",
		"that is too large": stall + strings.Repeat("#", maxContractBytes),
	} {
		s.tell("stall", text)
		b.Learn(t.Context())
		b.Learn(t.Context())
		assert.Equal(t, stateRefused, status().State, name)
		assert.NotEmpty(t, status().Refused.Reasons, name)
		assert.Equal(t, first, status().ETag, name)
		assert.Same(t, set, b.Set(), name)
		assert.InDelta(t, 1, alarm(), 0, name)
		s.tell("stall", stall)
		b.Learn(t.Context())
		assert.Equal(t, stateCurrent, status().State, "what was refused is taken back")
		assert.InDelta(t, 0, alarm(), 0, name)
	}

	s.tell("stall", strings.Replace(stall, "paths:\n", "paths:\n  /v1/cups:\n    get: {responses: {'200': {description: ok}}}\n", 1))
	b.Learn(t.Context())
	assert.Equal(t, 4, status().Operations)
	assert.NotSame(t, set, b.Set())
	assert.Nil(t, set.Find([]string{"v1", "cups"}), "who has the former one keeps it")

	delete(s.texts, "stall")
	assert.True(t, b.Learn(t.Context()), "what is away stays known")
	assert.Equal(t, stateCurrent, status().State)
}

func TestWhatBreaksCallersNeedsAWordForIt(t *testing.T) {
	breaking := strings.Replace(stall, "/v1/teas/{tea}:", "/v1/tea/{tea}:", 1)
	s := &tellers{texts: map[string]string{"stall": stall}}
	b := bookOf(t, s, "stall")
	s.tell("stall", breaking)
	b.Learn(t.Context())
	refused := b.Report()[0].Refused
	require.NotNil(t, refused)
	assert.Equal(t, []string{"DELETE /v1/teas/{tea} is gone"}, refused.Reasons)
	assert.True(t, errs.HasCode(b.Accept("stall", "another"), CodeNotRefused))
	assert.True(t, errs.HasCode(b.Accept("nobody", refused.ETag), CodeUnknownService))
	require.NoError(t, b.Accept("stall", refused.ETag), "an operator has looked at it")
	assert.NotNil(t, b.Set().Find([]string{"v1", "tea", "x"}))
	assert.Nil(t, b.Set().Find([]string{"v1", "teas", "x"}))
	assert.True(t, errs.HasCode(b.Accept("stall", refused.ETag), CodeNotRefused), "once")

	s = &tellers{texts: map[string]string{"stall": stall}}
	b = bookOf(t, s, "stall")
	s.tell("stall", strings.Replace(breaking, "version: 1.4.0", "version: 2.0.0", 1))
	b.Learn(t.Context())
	assert.Equal(t, "2.0.0", b.Report()[0].Version, "or its author says so by the first number of the version")

	s.tell("stall", "openapi: broken")
	b.Learn(t.Context())
	assert.True(t, errs.HasCode(b.Accept("stall", b.Report()[0].Refused.ETag), CodeNotRefused), "what cannot be read cannot be accepted")
}

func TestWhatTheGatewayOffersBeside(t *testing.T) {
	s := &tellers{texts: map[string]string{"stall": stall}}
	b := bookOf(t, s, "stall")
	extra := func(set *Set) ([]*Operation, func(map[string]any)) {
		var offered []*Operation
		if set.Operation("listTeas") != nil {
			offered = append(offered, NewOperation("gateway", "GET", "/v1/screens/tea", "teaScreen", []string{"anyone"}))
		}
		return offered, func(doc map[string]any) {
			object(doc["paths"])["/v1/screens/tea"] = map[string]any{"get": map[string]any{"operationId": "teaScreen", "responses": map[string]any{"200": map[string]any{"description": "ok"}}}}
		}
	}
	require.NoError(t, b.Extend(nil, extra))
	require.NotNil(t, b.Set().Operation("teaScreen"))
	assert.Nil(t, b.Set().Operation("teaScreen").Answer(200))
	set := b.Set()
	require.Error(t, b.Extend(nil, func(*Set) ([]*Operation, func(map[string]any)) {
		return nil, func(doc map[string]any) { doc["paths"] = "none" }
	}))
	assert.Same(t, set, b.Set(), "what cannot be joined changes nothing")
	s.tell("stall", strings.Replace(stall, "1.4.0", "1.5.0", 1))
	b.Learn(t.Context())
	assert.NotNil(t, b.Set().Operation("teaScreen"), "it stays when contracts change")
}

// TestWhatTheOperatorGivesCostsTheShopNothing: a gateway that starts judges what it is given before it knows the shop's contracts.
func TestWhatTheOperatorGivesCostsTheShopNothing(t *testing.T) {
	const beside = "openapi: 3.0.3\ninfo: {title: Beside, version: 1.0.0}\npaths:\n  /v1/teas/{tea}/leaves:\n    post:\n      operationId: steep\n      x-roles: [anyone]\n" +
		"      parameters: [{name: tea, in: path, required: true, schema: {type: string}}]\n      responses: {'200': {description: ok}}\n"
	read := func(service string, edits ...string) *Contract {
		c, err := Read(service, []byte(strings.NewReplacer(edits...).Replace(beside)))
		require.NoError(t, err)
		return c
	}
	good := read("good")
	for want, bad := range map[string]*Contract{
		"conflicting paths":                     read("bad", "{tea}/leaves", "{leaf}", "name: tea", "name: leaf", "steep", "pluck"),
		"DELETE /v1/teas/{tea} is another":      read("bad", "{tea}/leaves", "{tea}", "post:", "delete:", "steep", "pluck"),
		`the operationId "listTeas" is another`: read("bad", "leaves", "cups", "steep", "listTeas"),
		"POST /v1/teas/{tea}/leaves is another": read("bad", "steep", "pluck"),
	} {
		s := &tellers{texts: map[string]string{}}
		b := bookOf(t, s, "stall")
		require.NoError(t, b.Extend([]*Contract{good, bad}, nil))

		s.tell("stall", stall)
		require.True(t, b.Learn(t.Context()), want)
		assert.Equal(t, "stall", b.Set().Operation("listTeas").Service, want)
		assert.Equal(t, "good", b.Set().Operation("steep").Service, want)
		assert.Nil(t, b.Set().Operation("pluck"), want)
		assert.Empty(t, b.Set().Twice, "left out whole")
		report := b.Report()
		require.Len(t, report, 3)
		assert.Equal(t, []string{stateCurrent, stateCurrent, stateRefused}, []string{report[0].State, report[1].State, report[2].State}, want)
		assert.Contains(t, report[2].Refused.Reasons[0], want)
		alarm := func() float64 { return testutil.ToFloat64(b.metrics.refused.WithLabelValues("bad")) }
		assert.InDelta(t, 1, alarm(), 0)

		s.tell("stall", "openapi: broken")
		b.Learn(t.Context())
		assert.Equal(t, stateRefused, b.Report()[2].State, "as before")
		require.NoError(t, b.Extend([]*Contract{good}, nil))
		assert.Equal(t, "good", b.Set().Operation("steep").Service)
		assert.Len(t, b.Report(), 2)
		assert.InDelta(t, 0, alarm(), 0)
	}
}
