package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// corp is another issuer: a server with a discovery document and an RSA key.
type corp struct {
	*issuerServer
	key *rsa.PrivateKey
}

func newCorp(t testing.TB) *corp {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	c := &corp{newIssuerServer(t), key}
	c.serve("/.well-known/openid-configuration", []byte(`{"issuer":"`+c.URL+`","jwks_uri":"`+c.URL+`/jwks"}`))
	c.serve("/jwks", publish(t, jwk("r1", key.Public())))
	return c
}

func (c *corp) issuer() Issuer { return Issuer{Name: "corp", Issuer: c.URL, Audience: "shop"} }

func (c *corp) token(t testing.TB, more map[string]any) string {
	payload := map[string]any{"iss": c.URL, "aud": []string{"other", "shop"}, "sub": "ada", "iat": noon.Unix(), "exp": noon.Add(time.Hour).Unix()}
	for k, v := range more {
		payload[k] = v
	}
	return forge(t, jose.RS256, c.key, "r1", "JWT", payload)
}

func TestAnotherIssuerIsBelievedAsFarAsConfigured(t *testing.T) {
	f, c := newFixture(t).run(t), newCorp(t)
	requireRefused(t, f.Verifier, c.token(t, nil), "issuer that is not believed")
	is := c.issuer()
	is.TenantClaim, is.RolesClaim, is.Roles = "org", "realm_access.roles", map[string]string{"shop-admin": RoleOperator}
	require.NoError(t, f.SetIssuers([]Issuer{is}))
	token := c.token(t, map[string]any{
		"org": "shop-1", "groups": "beta staff", "realm_access": map[string]any{"roles": []string{"shop-admin", "service", "operator"}}, "roles": []string{"shop-admin"},
	})
	caller, expires, err := f.Verify(t.Context(), token)
	require.NoError(t, err)
	assert.Equal(t, Caller{Subject: "corp:ada", Tenant: "shop-1", Roles: []string{RoleCustomer, RoleOperator}, Groups: []string{"beta", "staff"}}, caller)
	assert.Equal(t, noon.Add(time.Hour), expires)

	requireRefused(t, f.Verifier, c.token(t, nil), "does not name a tenant")
	requireRefused(t, f.Verifier, c.token(t, map[string]any{"org": "shop-1", "aud": "other"}), "another audience")
	requireRefused(t, f.Verifier, c.token(t, map[string]any{"org": "shop-1", "sub": strings.Repeat("a", MaxSubjectBytes)}), "subject")
	requireRefused(t, f.Verifier, c.token(t, map[string]any{"org": "shop-1", "iss": Us}), "key that its issuer does not have")

	require.NoError(t, f.SetIssuers(nil))
	requireRefused(t, f.Verifier, token, "issuer that is not believed") // though it was remembered
}

func TestAnIssuerThatStaysKeepsItsKeys(t *testing.T) {
	f, c := newFixture(t).run(t), newCorp(t)
	require.NoError(t, f.SetIssuers([]Issuer{c.issuer()}))
	_, _, err := f.Verify(t.Context(), c.token(t, nil))
	require.NoError(t, err)
	asked := c.asked.Load()
	other := c.issuer()
	other.Name, other.Issuer = "other", "https://127.0.0.1:1"
	for range 50 {
		require.NoError(t, f.SetIssuers([]Issuer{c.issuer(), other}))
		require.NoError(t, f.SetIssuers([]Issuer{c.issuer()}))
		_, _, err = f.Verify(t.Context(), c.token(t, nil))
		require.NoError(t, err)
	}
	assert.Equal(t, asked, c.asked.Load())
}

func TestADiscoveryDocumentMustBeTheIssuersOwn(t *testing.T) {
	for name, document := range map[string]string{
		"another issuer": `{"issuer":"https://evil.example","jwks_uri":"URL/jwks"}`,
		"plain http":     `{"issuer":"URL","jwks_uri":"http://keys.example/jwks"}`,
		"no keys":        `{"issuer":"URL"}`,
		"not JSON":       `<html>`,
	} {
		t.Run(name, func(t *testing.T) {
			f, c := newFixture(t).run(t), newCorp(t)
			c.serve("/.well-known/openid-configuration", []byte(strings.ReplaceAll(document, "URL", c.URL)))
			require.NoError(t, f.SetIssuers([]Issuer{c.issuer()}))
			_, _, err := f.Verify(t.Context(), c.token(t, nil))
			require.ErrorIs(t, err, errNoKeysYet)
		})
	}
}

func TestKeysAreNotFetchedFromElsewhere(t *testing.T) {
	c, evil := newCorp(t), newCorp(t)
	redirecting := c.issuer()
	redirecting.JWKSURI = c.URL + "/moved"
	c.Config.Handler = http.RedirectHandler(evil.URL+"/jwks", http.StatusFound)
	f := newFixture(t).run(t)
	require.NoError(t, f.SetIssuers([]Issuer{redirecting}))
	_, _, err := f.Verify(t.Context(), c.token(t, nil))
	require.ErrorIs(t, err, errNoKeysYet)
	assert.Zero(t, evil.asked.Load())
}

func TestKeysThatAreNotTaken(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil { // this Go makes none so small
		small = nil
	}
	wide, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	good, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	encrypts := jwk("enc", good.Public())
	encrypts.Use = "enc"
	wrong := jwk("alg", good.Public())
	wrong.Algorithm = "RS256"
	list := []jose.JSONWebKey{
		jwk("wide", wide.Public()), encrypts, wrong, jwk("", good.Public()), jwk("oct", []byte(strings.Repeat("k", 32))),
		{Key: good, KeyID: "private"}, jwk("good", good.Public()),
	}
	if small != nil {
		list = append(list, jwk("small", small.Public()))
	}
	document := append([]byte(`{"keys":[{"kty":"later"},`), publish(t, list...)[len(`{"keys":[`):]...)
	keys, err := parsePublic(document, false)
	require.NoError(t, err)
	assert.Len(t, keys, 1)
	assert.Contains(t, keys, "good")
	_, err = parsePublic(publish(t, jwk("wide", wide.Public())), false)
	require.Error(t, err)
}

func TestIssuersAreChecked(t *testing.T) {
	good := Issuer{Name: "corp", Issuer: "https://login.example.com", Audience: "shop"}
	require.Empty(t, CheckIssuers([]Issuer{good}))
	for place, change := range map[string]func(*Issuer){
		"/1/name":        func(is *Issuer) { is.Name = "Corp!" },
		"/1/issuer":      func(is *Issuer) { is.Issuer = "http://login.example.com" },
		"/1/audience":    func(is *Issuer) { is.Audience = "" },
		"/1/jwks_uri":    func(is *Issuer) { is.JWKSURI = "file:///etc/passwd" },
		"/1/tenant":      func(is *Issuer) { is.Tenant = "A" },
		"/1/roles_claim": func(is *Issuer) { is.RolesClaim = strings.Repeat("a", 300) },
		"/1/roles/x~1y":  func(is *Issuer) { is.Roles = map[string]string{"x/y": "root"} },
	} {
		second := good
		second.Name, second.Issuer = "two", "https://two.example.com"
		change(&second)
		faults := CheckIssuers([]Issuer{good, second})
		require.Len(t, faults, 1, place)
		assert.Equal(t, place, faults[0].Place)
	}
	faults := CheckIssuers([]Issuer{good, good})
	require.Len(t, faults, 2)
	f := newFixture(t)
	require.Error(t, f.SetIssuers([]Issuer{good, good}))
	assert.Len(t, *f.sources.Load(), 1)
	both := good
	both.Tenant, both.TenantClaim = "a", "org"
	assert.Len(t, CheckIssuers([]Issuer{both}), 1)
}
