package gateway

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/gateway/foreign"
	"github.com/sidecart/sidecart/services/gateway/overload"
	"github.com/sidecart/sidecart/services/gateway/rules"
	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/identity"
)

// upstreams are the services behind the gateway, by name; one that is missing cannot be reached.
type upstreams struct {
	mu       sync.Mutex
	handlers map[string]http.Handler
	seen     []*http.Request
	bodies   []string
	fail     error // instead of any answer
}

func (u *upstreams) RoundTrip(r *http.Request) (*http.Response, error) {
	httpx.Propagate(r.Context(), r.Header) // as the host's transport does
	body := ""
	if r.Body != nil {
		raw, _ := io.ReadAll(r.Body)
		body = string(raw)
	}
	u.mu.Lock()
	h, fail := u.handlers[r.URL.Host], u.fail
	if strings.HasPrefix(r.URL.Path, "/v1/") || strings.HasPrefix(r.URL.Path, "/internal/") || strings.HasPrefix(r.URL.Path, "/journal/") {
		u.seen, u.bodies = append(u.seen, r), append(u.bodies, body)
	}
	u.mu.Unlock()
	if fail != nil && r.URL.Path != "/openapi.yaml" {
		return nil, fail
	}
	if h == nil {
		return nil, &addressError{}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

// set puts a handler in the place of a service's; nil makes it unreachable.
func (u *upstreams) set(service string, h http.Handler) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.handlers[service] = h; h == nil {
		delete(u.handlers, service)
	}
}

// addressError is a failure that tells about the inside.
type addressError struct{}

func (*addressError) Error() string { return "dial tcp 127.0.0.1:3500: connection refused" }

// stub serves a contract and answers everything else with what happened.
func stub(contract string, answer http.HandlerFunc) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /openapi.yaml", func(w http.ResponseWriter, r *http.Request) {
		if contract == "" {
			httpx.WriteProblem(w, r, errs.New(errs.NotFound, errs.CodeNotFound, "none"))
			return
		}
		_, _ = io.WriteString(w, contract)
	})
	if answer == nil {
		answer = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"ok":true}`)
		}
	}
	mux.HandleFunc("/", answer)
	return mux
}

const shop = `
openapi: 3.0.3
info: {title: Shop, version: 1.0.0}
paths:
  /v1/things:
    get: {operationId: listThings, responses: {'200': {description: ok}}}
    post:
      operationId: addThing
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/Thing'}, example: {name: "it's"}}}}
      responses: {'201': {description: ok, content: {application/json: {schema: {$ref: '#/components/schemas/Thing'}}}}, default: {$ref: '#/components/responses/Problem'}}
  /v1/blobs:
    post: {operationId: addBlob, requestBody: {content: {application/octet-stream: {}}}, responses: {'200': {description: ok}}}
  /v1/things/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get: {operationId: getThing, responses: {'200': {description: ok}}}
    delete: {operationId: removeThing, responses: {'204': {description: ok}}}
components:
  schemas:
    Thing: {type: object, required: [name], properties: {name: {type: string}, example: {$ref: '#/components/schemas/Part'}}}
    Part: {type: object, properties: {n: {type: integer}}}
    Same: {type: string}
  responses:
    Problem: {description: bad, content: {application/problem+json: {schema: {$ref: '#/components/schemas/Same'}}}}
`

const bank = `
openapi: 3.0.3
info: {title: Bank, version: 1.0.0}
paths:
  /v1/things/{thing}/bill:
    get:
      operationId: getThing
      parameters: [{name: thing, in: path, required: true, schema: {type: string}}]
      responses: {'200': {description: ok, content: {application/json: {schema: {$ref: '#/components/schemas/Thing'}}}}, default: {$ref: '#/components/responses/Problem'}}
components:
  schemas:
    Thing: {type: object, required: [name], properties: {name: {type: string}, example: {$ref: '#/components/schemas/Part'}}}
    Part: {type: object, properties: {other: {type: integer}}}
    Same: {type: string}
  responses:
    Problem: {description: bad, content: {application/problem+json: {schema: {$ref: '#/components/schemas/Same'}}}}
`

// as makes everybody who asks this caller, without a token.
func as(s *Service, caller identity.Caller) {
	s.before = s.stages()
	for i := range s.before {
		if s.before[i].name == "authenticate" {
			s.before[i].do = func(x *exchange) error { x.caller = caller; return nil }
		}
	}
}

// gatewayOf makes a gateway that has learned the contracts of these services. Everybody who asks it is an operator (see as);
// identify_test.go is about who asks.
func gatewayOf(t testing.TB, u *upstreams, change func(*Config)) *Service {
	t.Helper()
	return gatewayBeside(t, u, nil, change)
}

// gatewayBeside makes one that reaches apps that speak gRPC by conn.
func gatewayBeside(t testing.TB, u *upstreams, conn foreign.Conn, change func(*Config)) *Service {
	t.Helper()
	cfg := Config{}
	for _, name := range []string{"shop", "bank", "quiet"} {
		if _, there := u.handlers[name]; there {
			cfg.Services = append(cfg.Services, name)
		}
	}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg, host.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler), Client: &http.Client{Transport: u}, Apps: conn, Services: []string{Name, "shop"}})
	require.NoError(t, err)
	as(s, identity.Caller{Subject: "olga", Roles: []string{identity.RoleOperator}})
	s.book.Learn(t.Context())
	return s
}

func ask(s *Service, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "127.0.0.1:8080"
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	if body != "" && r.Header.Values("Content-Type") == nil {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	_, h := s.Public()
	h.ServeHTTP(w, r)
	return w
}

func problem(t *testing.T, w *httptest.ResponseRecorder, status int, code string) httpx.Problem {
	t.Helper()
	var p httpx.Problem
	require.Equal(t, status, w.Code, w.Body.String())
	require.Equal(t, httpx.ContentTypeProblem, w.Header().Get("Content-Type"))
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
	require.Equal(t, code, p.Code)
	require.NotEmpty(t, p.TraceID)
	require.NotContains(t, w.Body.String(), "127.0.0.1")
	return p
}

func TestConfigSaysEverythingThatIsWrong(t *testing.T) {
	_, err := New(Config{Address: "nowhere", Services: []string{"gateway"}, RefreshEvery: -1}, host.Deps{})
	for _, part := range []string{"Address", "itself", "RefreshEvery"} {
		assert.ErrorContains(t, err, part)
	}
}

func TestOnlyContractPathsAreReachable(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, nil)}}
	s := gatewayOf(t, u, nil)
	for _, path := range []string{
		"/internal/status", "/journal", "/journal/0", "/shop/journal", "/v1/internal/status", "/v1", "/v1/", "/v1/things/", "/v1/things/a/b",
		"//v1/things", "/v1//things", "/shop/v1/things", "/openapi.yaml", "/metrics", "/healthz", "/v1/Things", "/v1/%74hings/a/b", "/dapr/subscribe", "/events/shop",
	} {
		problem(t, ask(s, "GET", path, ""), 404, errs.CodeNotFound)
	}
	for _, path := range []string{
		"/v1/things/..", "/v1/things/%2e%2e", "/v1/things/a%2fb", "/v1/things/%2e%2e%2finternal", "/v1/things/a%5cb", "/v1/things/%252e%252e", "/v1/things/%25252f",
	} {
		problem(t, ask(s, "GET", path, ""), 400, errs.CodeInvalidRequest)
	}
	assert.Empty(t, u.seen)
	for path, forwarded := range map[string]string{
		"/v1/things": "/v1/things", "/v1/%74hings": "/v1/things", "/v1/things/a": "/v1/things/a", "/v1/things/50%25": "/v1/things/50%25",
		"/v1/things/a%3Fb%23c": "/v1/things/a%3Fb%23c", "/v1/things/caf%C3%A9?x=1&y=%26": "/v1/things/caf%C3%A9?x=1&y=%26",
	} {
		w := ask(s, "GET", path, "")
		require.Equal(t, 200, w.Code, path)
		last := u.seen[len(u.seen)-1]
		assert.Equal(t, "http://shop"+forwarded, last.URL.String())
	}
}

func TestWrongMethodNamesTheRightOnes(t *testing.T) {
	s := gatewayOf(t, &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, nil)}}, nil)
	for path, allow := range map[string]string{
		"/v1/things": "GET, HEAD, POST", "/v1/things/a": "DELETE, GET, HEAD", "/docs": "GET, HEAD", "/": "GET, HEAD", "/v1/ops/services": "GET, HEAD",
		"/v1/ops/parked/shop/x/retry": "POST",
	} {
		for _, method := range []string{"PATCH", "TRACE", "BREW"} {
			w := ask(s, method, path, "")
			problem(t, w, 405, httpx.CodeMethodNotAllowed)
			assert.Equal(t, allow, w.Header().Get("Allow"))
		}
	}
	w := ask(s, "HEAD", "/v1/things", "")
	assert.Equal(t, 200, w.Code)
}

func TestRequestsAndAnswersPassWithoutWhatIsInternal(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Idempotent-Replayed", "true")
		for _, name := range []string{"Dapr-Api-Token", "Server", "X-Request-Id", "Traceparent", "Connection", "Keep-Alive", "X-Secret-Hop", "X-Sidecart-Shard", "Via"} {
			h.Set(name, "inside")
		}
		h.Set("Connection", "x-secret-hop, close")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"name":"x"}`)
	})}}
	s := gatewayOf(t, u, nil)
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	w := ask(s, "POST", "/v1/things", `{"name":"x"}`, "Idempotency-Key", "k", "Dapr-Api-Token", "stolen",
		"Connection", "X-Mine", "X-Mine", "1", "Transfer-Encoding", "chunked", "X-Forwarded-For", "1.2.3.4", "Traceparent", parent, "X-Request-Id", "req-1")
	require.Equal(t, 201, w.Code, w.Body.String())
	assert.Equal(t, `{"name":"x"}`, w.Body.String())
	assert.Equal(t, "true", w.Header().Get("Idempotent-Replayed"))
	assert.Equal(t, "req-1", w.Header().Get("X-Request-Id"))
	for name, values := range w.Header() {
		assert.NotContains(t, values, "inside", name)
	}
	r := u.seen[0]
	assert.Equal(t, `{"name":"x"}`, u.bodies[0])
	assert.Equal(t, "k", r.Header.Get("Idempotency-Key"))
	assert.Equal(t, "req-1", r.Header.Get("X-Request-Id"))
	assert.Contains(t, r.Header.Get("Traceparent"), "4bf92f3577b34da6a3ce929d0e0e4736")
	for _, name := range []string{"Dapr-Api-Token", "Connection", "X-Mine", "Transfer-Encoding", "X-Forwarded-For"} {
		assert.Empty(t, r.Header.Values(name), name)
	}
}

func TestProblemsPassAndOtherFailuresDoNot(t *testing.T) {
	var answer http.HandlerFunc
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, func(w http.ResponseWriter, r *http.Request) { answer(w, r) })}}
	s := gatewayOf(t, u, nil)
	answer = func(w http.ResponseWriter, r *http.Request) {
		e := errs.New(errs.Conflict, "sold_out", "no more").With("skus", []string{"a"})
		httpx.WriteProblem(w, r, e)
	}
	w := ask(s, "GET", "/v1/things", "")
	problem(t, w, 409, "sold_out")
	assert.Contains(t, w.Body.String(), `"skus":["a"]`)

	answer = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `{"errorCode":"ERR_DIRECT_INVOKE","message":"failed to dial 127.0.0.1:40001"}`)
	}
	w = ask(s, "GET", "/v1/things", "")
	problem(t, w, 503, errs.CodeUnavailable)
	assert.Equal(t, "1", w.Header().Get("Retry-After"))
	w = ask(s, "POST", "/v1/things", `{"name":"x"}`)
	problem(t, w, 503, errs.CodeOutcomeUnknown)
	assert.Equal(t, "1", w.Header().Get("Retry-After"))

	u.fail = &addressError{}
	problem(t, ask(s, "GET", "/v1/things", ""), 503, errs.CodeUnavailable)
	problem(t, ask(s, "DELETE", "/v1/things/a", ""), 503, errs.CodeOutcomeUnknown)
	u.fail = httpx.ErrNotSent
	problem(t, ask(s, "POST", "/v1/things", `{"name":"x"}`), 503, errs.CodeUnavailable)
}

func TestBodiesAndRequestsInFlightAreBounded(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/things/slow" {
			close(entered)
			<-leave
		}
		if r.URL.Path == "/v1/things/huge" {
			_, _ = w.Write(make([]byte, 2000))
		}
	})}}
	s := gatewayOf(t, u, func(c *Config) { c.MaxBodyBytes, c.MaxAnswerBytes = 100, 1000 })
	onlyOneAtATime(s)
	p := problem(t, ask(s, "POST", "/v1/things", strings.Repeat("x", 101)), 413, httpx.CodeBodyTooLarge)
	assert.Equal(t, "body", p.Errors[0].Field)
	r := httptest.NewRequest("POST", "http://localhost/v1/things", io.MultiReader(strings.NewReader(strings.Repeat("x", 101)))) // of unknown length
	w := httptest.NewRecorder()
	s.public.ServeHTTP(w, r)
	problem(t, w, 413, httpx.CodeBodyTooLarge)
	problem(t, ask(s, "GET", "/v1/things/huge", ""), 500, errs.CodeInternal)

	done := make(chan struct{})
	go func() { defer close(done); ask(s, "GET", "/v1/things/slow", "") }()
	<-entered
	w = ask(s, "GET", "/v1/things", "")
	problem(t, w, 503, errs.CodeOverloaded)
	assert.Regexp(t, "^[123]$", w.Header().Get("Retry-After"))
	close(leave)
	<-done
	assert.Equal(t, 200, ask(s, "GET", "/v1/things", "").Code)
}

func onlyOneAtATime(s *Service) {
	s.protect.use(&rules.File{Limits: overload.Config{Concurrency: overload.Concurrency{Max: 1}}})
}

// A sender that never ends its body must not take the place of another request.
func TestSlowSendersHoldNobodyElse(t *testing.T) {
	s := gatewayOf(t, &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, nil)}}, nil)
	onlyOneAtATime(s)
	body, sender := io.Pipe()
	done := make(chan *httptest.ResponseRecorder)
	go func() {
		w := httptest.NewRecorder()
		s.public.ServeHTTP(w, httptest.NewRequest("POST", "http://localhost/v1/things", body))
		done <- w
	}()
	_, err := io.WriteString(sender, "{") // returns when the gateway has read it: the request is in
	require.NoError(t, err)
	assert.Equal(t, 200, ask(s, "GET", "/v1/things", "").Code)
	require.NoError(t, sender.CloseWithError(io.ErrUnexpectedEOF))
	p := problem(t, <-done, 400, errs.CodeInvalidRequest)
	assert.Equal(t, "body", p.Errors[0].Field)
}

// What a sender announces must not cost memory before it comes: thousands of connections can announce the most.
func TestMemoryIsTakenForWhatComes(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, nil)}}
	s := gatewayOf(t, u, nil)
	for _, length := range []int{0, 1, requestAtOnce, requestAtOnce + 1, int(s.cfg.MaxBodyBytes)} {
		text := strings.Repeat("x", length)
		body := &asked{Reader: strings.NewReader(text)}
		r := httptest.NewRequest("POST", "http://localhost/v1/blobs", body)
		r.Header.Set("Content-Type", "application/octet-stream")
		r.ContentLength = int64(length)
		w := httptest.NewRecorder()
		s.public.ServeHTTP(w, r)
		require.Equal(t, 200, w.Code, length)
		assert.Equal(t, text, u.bodies[len(u.bodies)-1], "%d bytes", length)
		assert.LessOrEqual(t, body.first, requestAtOnce, "%d bytes announced", length)
	}
}

// asked notes for how many bytes there was room at the first read.
type asked struct {
	io.Reader
	first int
}

func (a *asked) Read(p []byte) (int, error) {
	if a.first == 0 {
		a.first = len(p)
	}
	return a.Reader.Read(p)
}

func TestPagesOfOtherSitesChangeNothing(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, nil)}}
	s := gatewayOf(t, u, nil)
	for _, headers := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"},
	} {
		problem(t, ask(s, "POST", "/v1/things", `{"name":"x"}`, headers...), 403, codeCrossOrigin)
		problem(t, ask(s, "DELETE", "/v1/things/a", "", headers...), 403, codeCrossOrigin)
		problem(t, ask(s, "POST", "/v1/ops/parked/shop/discard?all=true", "", headers...), 403, codeCrossOrigin)
		assert.Empty(t, u.seen)
		assert.Equal(t, 200, ask(s, "GET", "/docs", "", headers...).Code, "looking is not changing")
	}
	for _, headers := range [][]string{{}, {"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}, {"Origin", "http://127.0.0.1:8080"}} {
		assert.Equal(t, 200, ask(s, "POST", "/v1/things", `{"name":"x"}`, headers...).Code, headers)
	}
}

func TestReadyWhenAllContractsAreKnownOrAfterAWhile(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, nil)}}
	s := gatewayOf(t, u, func(c *Config) { c.Services = []string{"shop", "bank"} })
	assert.ErrorContains(t, s.Ready(), "bank")
	assert.Equal(t, 200, ask(s, "GET", "/v1/things", "").Code)
	problem(t, ask(s, "GET", "/v1/things/a/bill", ""), 503, errs.CodeUnavailable)
	assert.Contains(t, ask(s, "GET", "/docs", "").Body.String(), "bank did not answer")

	u.set("bank", stub("openapi: broken", nil))
	assert.False(t, s.book.Learn(t.Context()))
	assert.ErrorContains(t, s.Ready(), "bank")
	u.set("bank", stub(bank, nil))
	assert.True(t, s.book.Learn(t.Context()))
	assert.ErrorContains(t, s.Ready(), "keys", "it could let nobody in")
	account := newSigner(t)
	u.set("account", account)
	knowKeys(t, s, account)
	assert.NoError(t, s.Ready())
	assert.Equal(t, 200, ask(s, "GET", "/v1/things/a/bill", "").Code)
	u.set("bank", nil) // it goes away: its paths stay known
	assert.True(t, s.book.Learn(t.Context()))
	problem(t, ask(s, "GET", "/v1/things/a/bill", ""), 503, errs.CodeUnavailable)
}

func TestRunLearnsUntilItStopsAndStartsWithoutWhatStaysAway(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, nil), "quiet": stub("", nil)}}
	s := gatewayOf(t, u, func(c *Config) {
		c.Services, c.StartAnyway, c.RefreshEvery = []string{"shop", "quiet", "bank"}, 10*time.Millisecond, time.Hour
	})
	assert.ErrorContains(t, s.Ready(), "bank")
	ctx, cancel := contextOf(t)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	require.Eventually(t, func() bool { return s.Ready() == nil }, waitAtMost, waitStep)
	assert.Equal(t, []string{"bank"}, s.book.Set().Missing)
	u.set("bank", stub(bank, nil))
	require.Eventually(t, func() bool { return len(s.book.Set().Missing) == 0 }, waitAtMost, waitStep)
	u.set("bank", stub(strings.Replace(bank, "paths:\n", "paths:\n  /v1/invoices:\n    get: {responses: {'200': {description: ok}}}\n", 1), nil))
	require.Eventually(t, func() bool { // Reload looks at once, and not after the hour
		s.Reload()
		return ask(s, "GET", "/v1/invoices", "").Code == 200
	}, waitAtMost, waitStep)
	cancel()
	assert.NoError(t, <-done)
}

// Whatever path is asked for: nothing but contract paths reaches a service, and never with more or other segments.
func FuzzRouting(f *testing.F) {
	for _, seed := range []string{"/v1/things", "/v1/things/..", "/v1/things/%2e%2e/internal/status", "/v1/things/%252f", "//internal", "/v1/things/a?b=c", "/v1/things/\\..\\x", "/%76%31/things/x", "/v1/things/a;b"} {
		f.Add(seed)
	}
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, nil)}}
	s := gatewayOf(f, u, nil)
	f.Fuzz(func(t *testing.T, target string) {
		r, err := http.NewRequest(http.MethodGet, "http://localhost"+target, nil)
		if err != nil || r.URL.Host != "localhost" {
			t.Skip()
		}
		r.Body, u.seen = http.NoBody, nil
		w := httptest.NewRecorder()
		s.public.ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError {
			t.Fatalf("%q: %s", target, w.Body.String())
		}
		for _, seen := range u.seen {
			parts := strings.Split(seen.URL.EscapedPath(), "/")
			if seen.URL.Host != "shop" || len(parts) < 3 || len(parts) > 4 || parts[1] != "v1" || parts[2] != "things" {
				t.Fatalf("%q reached %s", target, seen.URL)
			}
			if strings.ContainsAny(strings.TrimPrefix(seen.URL.Path, "/v1/things/"), `\`) || strings.Contains(seen.URL.Path, "..") && len(parts) == 4 && (seen.URL.Path == "/v1/things/..") {
				t.Fatalf("%q reached %s", target, seen.URL)
			}
		}
	})
}
