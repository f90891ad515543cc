package gateway

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/identity"
)

// to lists what a service was asked.
func (u *upstreams) to(service string) (out []*http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, r := range u.seen {
		if r.URL.Host == service {
			out = append(out, r)
		}
	}
	return out
}

const guarded = `
openapi: 3.0.3
info: {title: Guarded, version: 1.0.0}
paths:
  /v1/open: {get: {operationId: open, x-roles: [anyone], responses: {'200': {description: ok}}}}
  /v1/mine: {get: {operationId: mine, x-roles: [customer, operator], responses: {'200': {description: ok}}}}
  /v1/silent: {get: {operationId: silent, responses: {'200': {description: ok}}}}
`

// signer is an account service: its keys verify the tokens that it makes.
type signer struct {
	t    testing.TB
	keys *identity.Keys
}

func newSigner(t testing.TB) *signer {
	set, err := identity.NewKeys(rand.Reader)
	require.NoError(t, err)
	keys, err := identity.ParseKeys(set)
	require.NoError(t, err)
	return &signer{t, keys}
}

// ServeHTTP answers what a Verifier asks.
func (a *signer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/v1/accounts/keys":
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(a.keys.Public())
	case "/internal/revoked":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"sessions":[]}`)
	default:
		httpx.WriteProblem(w, r, errs.New(errs.NotFound, errs.CodeNotFound, "none"))
	}
}

func (a *signer) token(subject, tenant, role string, lasts time.Duration) string {
	now := time.Now()
	token, err := a.keys.Sign(identity.Claims{Subject: subject, Tenant: tenant, Roles: []string{role}, IssuedAt: now.Add(-2 * time.Hour), Expires: now.Add(lasts)})
	require.NoError(a.t, err)
	return "Bearer " + token
}

// closedGateway enforces what the contracts say, with the keys of an account service.
func closedGateway(t testing.TB, u *upstreams, account *signer) *Service {
	u.set("account", account)
	s := gatewayOf(t, u, nil)
	s.before = s.stages()
	knowKeys(t, s, account)
	return s
}

// knowKeys has the gateway learn the keys of an account service, and keep them current until the test ends.
func knowKeys(t testing.TB, s *Service, account *signer) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.verifier.Run(ctx) }()
	t.Cleanup(func() { cancel(); assert.NoError(t, <-done) })
	probe := strings.TrimPrefix(account.token("probe", "", identity.RoleOperator, time.Hour), "Bearer ")
	require.Eventually(t, func() bool {
		_, _, err := s.verifier.Verify(t.Context(), probe)
		return err == nil && s.verifier.Ready() == nil
	}, waitAtMost, waitStep)
}

func TestWhoMayCallWhat(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(guarded, nil)}}
	account, stranger := newSigner(t), newSigner(t)
	s := closedGateway(t, u, account)
	tokens := map[string]string{
		"nobody": "", "customer": account.token("ada", "", identity.RoleCustomer, time.Hour), "operator": account.token("olga", "", identity.RoleOperator, time.Hour),
		"operator of a tenant": account.token("otto", "acme", identity.RoleOperator, time.Hour), "service": account.token("crm", "", identity.RoleService, time.Hour),
		"expired": account.token("olga", "", identity.RoleOperator, -time.Hour), "forged": stranger.token("olga", "", identity.RoleOperator, time.Hour),
		"other scheme": "Basic b2xnYTpvbGdh", "no token": "Bearer", "garbage": "Bearer a.b.c",
	}
	for who, want := range map[string]struct{ open, mine, silent, ops int }{
		"nobody": {200, 401, 401, 401}, "customer": {200, 200, 403, 403}, "operator": {200, 200, 200, 200}, "operator of a tenant": {200, 200, 200, 403},
		"service": {200, 403, 403, 403}, "expired": {200, 401, 401, 401}, "forged": {200, 401, 401, 401}, "other scheme": {200, 401, 401, 401},
		"no token": {200, 401, 401, 401}, "garbage": {200, 401, 401, 401},
	} {
		for path, status := range map[string]int{"/v1/open": want.open, "/v1/mine": want.mine, "/v1/silent": want.silent, "/v1/ops/services": want.ops} {
			var headers []string
			if tokens[who] != "" {
				headers = []string{"Authorization", tokens[who]}
			}
			w := ask(s, "GET", path, "", headers...)
			switch status {
			case 200:
				assert.Equal(t, 200, w.Code, "%s %s %s", who, path, w.Body)
			case 401:
				problem(t, w, 401, errs.CodeUnauthenticated)
				assert.Equal(t, who != "nobody", strings.Contains(w.Header().Get("WWW-Authenticate"), "invalid_token"), who)
				assert.Contains(t, w.Header().Get("WWW-Authenticate"), "Bearer realm=")
			case 403:
				problem(t, w, 403, errs.CodeForbidden)
				assert.Contains(t, w.Header().Get("WWW-Authenticate"), "insufficient_scope")
			}
		}
	}
	for _, seen := range u.to("shop") {
		assert.Empty(t, seen.Header.Values("Authorization"), "a service has no use for a token")
	}
}

// Services believe what the gateway says of a caller, so nobody outside may say it.
func TestServicesAreToldWhoAsks(t *testing.T) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(guarded, nil)}}
	account := newSigner(t)
	s := closedGateway(t, u, account)
	forged := []string{"Sidecart-Subject", "olga", "Sidecart-Roles", "operator", "sidecart-tenant", "acme", "Sidecart-Groups", "x", "Sidecart-Other", "y"}
	told := func(headers ...string) identity.Caller {
		require.Equal(t, 200, ask(s, "GET", "/v1/open", "", append(headers, forged...)...).Code)
		all := u.to("shop")
		last := all[len(all)-1]
		assert.Empty(t, last.Header.Get("Sidecart-Other"))
		return identity.Of(last.Header)
	}
	assert.Equal(t, identity.Nobody(), told())
	assert.Equal(t, identity.Nobody(), told("Authorization", "Bearer x"))
	assert.Equal(t, identity.Caller{Subject: "ada", Tenant: "acme", Roles: []string{identity.RoleCustomer}},
		told("Authorization", account.token("ada", "acme", identity.RoleCustomer, time.Hour)))
	assert.Equal(t, identity.Nobody(), told("Authorization", account.token("ada", "acme", identity.RoleCustomer, time.Hour), "Authorization", "Bearer x"),
		"of two tokens none is believed")
}
