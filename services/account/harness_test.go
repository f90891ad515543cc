package account

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/account/accountapi"
	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/httpx/httpxtest"
	"github.com/sidecart/sidecart/services/kit/identity"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// quick are parameters of hashing that cost nothing.
var quick = parameters{memoryKiB: 8, passes: 1, lanes: 1}

// world is the service on the real journal over an in-memory store, in one or more replicas. It lives in a synctest bubble: time
// passes when everybody waits.
type world struct {
	t        *testing.T
	store    *journaltest.Store
	replicas []*replica
	secrets  *secrets
	contract *httpxtest.Contract
	log      *lockedBuffer
	leapt    atomic.Int64 // how far the clock is ahead of the bubble's, in nanoseconds
	stop     func()
}

// replica is one process of the service.
type replica struct {
	service *Service
	web     *echo.Echo
	state   *journaltest.Client
}

type options struct {
	replicas int
	faults   journaltest.Faults
	hashing  parameters
	store    *journaltest.Store
	secrets  *secrets
}

// secrets is the store of secrets, which has one.
type secrets struct {
	mu    sync.Mutex
	value string
}

func (s *secrets) Secret(_ context.Context, store, name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if store != keysStore || name != keysSecret || s.value == "" {
		return "", fmt.Errorf("secret %s of %s: %w", name, store, sidecar.ErrNoSecret)
	}
	return s.value, nil
}

func (s *secrets) set(value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value = value
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type noBroker struct{}

func (noBroker) Publish(context.Context, string, sidecar.CloudEvent) error { return nil }

func newKeySet(t testing.TB) string {
	document, err := identity.NewKeys(rand.Reader)
	require.NoError(t, err)
	return string(document)
}

// inWorld runs a test with a fresh service.
func inWorld(t *testing.T, o options, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, o)
		defer w.stop()
		test(w)
	})
}

func newWorld(t *testing.T, o options) *world {
	if o.store == nil {
		o.store = journaltest.NewStore()
	}
	if o.secrets == nil {
		o.secrets = &secrets{value: newKeySet(t)}
	}
	if o.hashing == (parameters{}) {
		o.hashing = quick
	}
	w := &world{t: t, store: o.store, secrets: o.secrets, contract: httpxtest.Load(t, contract), log: &lockedBuffer{}}
	log := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for i := range max(o.replicas, 1) {
		r := &replica{state: w.store.Client(fmt.Sprint("account-", i), o.faults), web: httpx.NewEcho(httpx.Config{}, httpx.Deps{Log: log})}
		var err error
		r.service, err = newService(Config{}, o.hashing, host.Deps{
			Log: log, Now: w.now, Writer: uuid.NewString(), NewID: uuid.NewString,
			State: r.state, Publisher: noBroker{}, Secrets: w.secrets,
		})
		require.NoError(t, err)
		r.service.Register(r.web.Group("/account"))
		w.replicas = append(w.replicas, r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, len(w.replicas))
	for _, r := range w.replicas {
		go func() { done <- r.service.Run(ctx) }()
	}
	w.stop = sync.OnceFunc(func() {
		cancel()
		for range w.replicas {
			if err := <-done; err != nil {
				require.ErrorIs(t, err, context.Canceled)
			}
		}
	})
	for _, r := range w.replicas {
		<-r.service.journal.Loaded()
	}
	synctest.Wait()
	return w
}

func (w *world) now() time.Time { return time.Now().UTC().Add(time.Duration(w.leapt.Load())) }

// leap moves the clock without what happens by itself meanwhile, which a month of would take long to play.
func (w *world) leap(d time.Duration) { w.leapt.Add(int64(d)) }

// RoundTrip is the gateway's way to the service.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != Name {
		return nil, errors.New("no such service")
	}
	r = r.Clone(r.Context())
	r.URL.Path = "/account" + r.URL.Path
	answer := httptest.NewRecorder()
	w.replicas[0].web.ServeHTTP(answer, r)
	return answer.Result(), nil
}

// answer is what came back.
type answer struct{ httpxtest.Answer }

// as says who asks.
func as(c identity.Caller) func(http.Header) { return func(h http.Header) { c.Put(h) } }

func with(name, value string) func(http.Header) { return func(h http.Header) { h.Set(name, value) } }

// call asks the first replica; without as nobody is signed in.
func (w *world) call(method, path string, body any, more ...func(http.Header)) answer {
	return w.callAt(0, method, path, body, more...)
}

func (w *world) callAt(replica int, method, path string, body any, more ...func(http.Header)) answer {
	header := http.Header{}
	identity.Nobody().Put(header)
	for _, change := range more {
		change(header)
	}
	return answer{w.contract.Ask(w.t, w.replicas[replica].web, "/account", method, path, httpxtest.JSON(w.t, body), header)}
}

func (a answer) tokens(status int) accountapi.Tokens {
	a.T.Helper()
	var t accountapi.Tokens
	a.Is(status, &t)
	require.NotEmpty(a.T, t.AccessToken)
	require.NotEmpty(a.T, t.RefreshToken)
	require.Equal(a.T, "no-store", a.Header.Get("Cache-Control"))
	return t
}

// Words that tests use.
const (
	adasEmail    = "ada@example.com"
	adasPassword = "seven green parakeets"
)

func (w *world) signUp(email, password string, more ...func(http.Header)) answer {
	return w.call("POST", "/v1/accounts", accountapi.SignUpRequest{Email: email, Password: password}, more...)
}

func (w *world) signIn(email, password, device string) answer {
	return w.call("POST", "/v1/accounts/sessions", accountapi.SignInRequest{Email: email, Password: password, Device: device})
}

func (w *world) refresh(token string) answer {
	return w.call("POST", "/v1/accounts/sessions/refresh", accountapi.RefreshRequest{RefreshToken: token})
}

// ada signs up and in.
func (w *world) ada() (accountapi.Account, accountapi.Tokens) {
	var a accountapi.Account
	w.signUp(adasEmail, adasPassword).Is(201, &a)
	return a, w.signIn(adasEmail, adasPassword, "").tokens(201)
}

func callerOf(a accountapi.Account) identity.Caller {
	return identity.Caller{Subject: a.Subject, Tenant: a.Tenant, Roles: a.Roles}
}

// later lets time pass.
func later(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}
