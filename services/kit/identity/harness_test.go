package identity

import (
	"context"
	"crypto"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// noon is when tests begin.
var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// clock is set by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// issuerServer serves documents by path, counts how often, and can be away.
type issuerServer struct {
	*httptest.Server
	mu    sync.Mutex
	docs  map[string]string
	away  bool
	asked atomic.Int64
}

func newIssuerServer(t testing.TB) *issuerServer {
	s := &issuerServer{docs: map[string]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		s.mu.Lock()
		doc, ok := s.docs[r.URL.Path]
		away := s.away
		s.mu.Unlock()
		switch {
		case away:
			w.WriteHeader(http.StatusServiceUnavailable)
		case !ok:
			w.WriteHeader(http.StatusNotFound)
		default:
			_, _ = w.Write([]byte(doc))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *issuerServer) serve(path string, doc []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.docs[path] = string(doc)
}

func (s *issuerServer) goAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// fixture is a Verifier beside an account service that has keys.
type fixture struct {
	*Verifier
	keys    *Keys
	clock   *clock
	account *issuerServer
}

func newFixture(t testing.TB) *fixture {
	f := &fixture{keys: newTestKeys(t), clock: &clock{at: noon}, account: newIssuerServer(t)}
	f.account.serve("/keys", f.keys.Public())
	f.account.serve("/revoked", []byte(`{"sessions":["ended"]}`))
	v, err := NewVerifier(Config{
		KeysURL: f.account.URL + "/keys", RevokedURL: f.account.URL + "/revoked", PollEvery: 10 * time.Millisecond,
	}, Deps{Inside: f.account.Client(), Now: f.clock.now})
	require.NoError(t, err)
	f.Verifier = v
	return f
}

// run starts the Verifier, and ends it with the test.
func (f *fixture) run(t testing.TB) *fixture {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-done)
	})
	return f
}

func newTestKeys(t testing.TB) *Keys {
	document, err := NewKeys(rand.Reader)
	require.NoError(t, err)
	keys, err := ParseKeys(document)
	require.NoError(t, err)
	return keys
}

// ada is a good claim.
func ada() Claims {
	return Claims{Subject: "ada", Tenant: "shop-1", Roles: []string{RoleCustomer}, Session: "s1", IssuedAt: noon, Expires: noon.Add(10 * time.Minute)}
}

func (f *fixture) sign(t testing.TB, c Claims) string {
	token, err := f.keys.Sign(c)
	require.NoError(t, err)
	return token
}

// forge signs any payload with any key and header, as somebody could who has the key.
func forge(t testing.TB, alg jose.SignatureAlgorithm, key any, kid, kind string, payload map[string]any) string {
	options := (&jose.SignerOptions{}).WithType(jose.ContentType(kind))
	if kid != "" {
		options = options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	require.NoError(t, err)
	body, err := json.Marshal(payload)
	require.NoError(t, err)
	signed, err := signer.Sign(body)
	require.NoError(t, err)
	token, err := signed.CompactSerialize()
	require.NoError(t, err)
	return token
}

// publish makes a public key set.
func publish(t testing.TB, keys ...jose.JSONWebKey) []byte {
	document, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	require.NoError(t, err)
	return document
}

func jwk(kid string, key crypto.PublicKey) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key, KeyID: kid}
}

// requireRefused wants a token to be refused as not good.
func requireRefused(t testing.TB, v *Verifier, token, why string) {
	t.Helper()
	caller, _, err := v.Verify(t.Context(), token)
	require.Error(t, err)
	e := errs.From(err)
	require.Equal(t, errs.Unauthenticated, e.Kind, err)
	require.Contains(t, e.Message, why)
	require.Equal(t, Caller{}, caller)
}
