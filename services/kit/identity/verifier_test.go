package identity

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sidecart/sidecart/services/kit/errs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestATokenOfOursNamesItsCaller(t *testing.T) {
	f := newFixture(t).run(t)
	for range 3 { // the second time from memory
		caller, expires, err := f.Verify(t.Context(), f.sign(t, ada()))
		require.NoError(t, err)
		assert.Equal(t, Caller{Subject: "ada", Tenant: "shop-1", Roles: []string{RoleCustomer}}, caller)
		assert.Equal(t, noon.Add(10*time.Minute), expires)
	}
	assert.Equal(t, 1, f.cache.len())
}

func TestATokenEnds(t *testing.T) {
	f := newFixture(t).run(t)
	token := f.sign(t, ada())
	_, _, err := f.Verify(t.Context(), token)
	require.NoError(t, err)
	f.clock.move(10*time.Minute - time.Second)
	_, _, err = f.Verify(t.Context(), token)
	require.NoError(t, err)
	f.clock.move(time.Second)
	requireRefused(t, f.Verifier, token, "has expired")
	assert.Zero(t, f.cache.len(), "what has ended is forgotten")
	requireRefused(t, f.Verifier, token, "has expired")
}

func TestATokenIsGoodFromItsBeginning(t *testing.T) {
	f := newFixture(t).run(t)
	c := ada()
	c.IssuedAt = noon.Add(maxClockSkew + time.Second)
	requireRefused(t, f.Verifier, f.sign(t, c), "not good yet")
	c.IssuedAt = noon.Add(maxClockSkew)
	_, _, err := f.Verify(t.Context(), f.sign(t, c))
	require.NoError(t, err)
}

func TestATokenEndsWithItsSession(t *testing.T) {
	f := newFixture(t).run(t)
	token := f.sign(t, ada())
	_, _, err := f.Verify(t.Context(), token)
	require.NoError(t, err)
	f.account.serve("/revoked", []byte(`{"sessions":["other","s1"]}`))
	require.Eventually(t, func() bool { _, _, err := f.Verify(t.Context(), token); return err != nil }, 5*time.Second, time.Millisecond)
	requireRefused(t, f.Verifier, token, "session of the access token has ended")
	alone := ada()
	alone.Session = ""
	_, _, err = f.Verify(t.Context(), f.sign(t, alone))
	require.NoError(t, err)
}

// What is wrong with a token, one thing at a time; each differs from a good one in that alone.
func TestAForgedTokenIsRefused(t *testing.T) {
	f := newFixture(t)
	_, mine, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	public := mine.Public().(ed25519.PublicKey)
	f.account.serve("/keys", publish(t, jwk("k", public)))
	f.run(t)
	payload := func(change func(map[string]any)) map[string]any {
		p := map[string]any{"iss": Us, "aud": Audience, "sub": "ada", "roles": []string{RoleCustomer}, "iat": noon.Unix(), "exp": noon.Add(time.Minute).Unix()}
		if change != nil {
			change(p)
		}
		return p
	}
	set := func(key string, value any) map[string]any { return payload(func(p map[string]any) { p[key] = value }) }
	good := forge(t, jose.EdDSA, mine, "k", typ, payload(nil))
	_, _, err = f.Verify(t.Context(), good)
	require.NoError(t, err, "the pattern itself is good")

	_, other, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	big, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	parts := strings.Split(good, ".")
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	padded := make([]byte, 32)
	copy(padded, public)

	for name, c := range map[string]struct{ token, why string }{
		"empty":                  {"", "empty or too long"},
		"huge":                   {good + strings.Repeat("A", MaxTokenBytes), "empty or too long"},
		"no token at all":        {"hello", "not a signed JWT"},
		"alg none":               {encode(`{"alg":"none","kid":"k","typ":"at+jwt"}`) + "." + parts[1] + ".", "not a signed JWT"},
		"alg none, odd case":     {encode(`{"alg":"nOnE","kid":"k","typ":"at+jwt"}`) + "." + parts[1] + ".", "not a signed JWT"},
		"signature cut off":      {parts[0] + "." + parts[1] + ".", "signature is wrong"},
		"HS256 by public key":    {forge(t, jose.HS256, padded, "k", typ, payload(nil)), "not a signed JWT"},
		"another's key":          {forge(t, jose.EdDSA, other, "k", typ, payload(nil)), "signature is wrong"},
		"another kind of key":    {forge(t, jose.ES256, curve, "k", typ, payload(nil)), "key that its issuer does not have"},
		"RSA in our name":        {forge(t, jose.RS256, big, "k", typ, payload(nil)), "key that its issuer does not have"},
		"a kid that is not ours": {forge(t, jose.EdDSA, mine, "x", typ, payload(nil)), "key that its issuer does not have"},
		"no kid":                 {forge(t, jose.EdDSA, mine, "", typ, payload(nil)), "key that its issuer does not have"},
		"another kind of token":  {forge(t, jose.EdDSA, mine, "k", "JWT", payload(nil)), "another kind"},
		"claims changed":         {parts[0] + "." + encode(`{"iss":"sidecart","aud":"sidecart","sub":"eve","roles":["operator"],"exp":99999999999}`) + "." + parts[2], "signature is wrong"},
		"claims twice":           {parts[0] + "." + encode(`{"iss":"x","iss":"sidecart"}`) + "." + parts[2], "claims cannot be read"},
		"other issuer":           {forge(t, jose.EdDSA, mine, "k", typ, set("iss", "https://evil.example")), "issuer that is not believed"},
		"other audience":         {forge(t, jose.EdDSA, mine, "k", typ, set("aud", "elsewhere")), "another audience"},
		"no audience":            {forge(t, jose.EdDSA, mine, "k", typ, payload(func(p map[string]any) { delete(p, "aud") })), "another audience"},
		"no end":                 {forge(t, jose.EdDSA, mine, "k", typ, payload(func(p map[string]any) { delete(p, "exp") })), "when it ends"},
		"an end out of this age": {forge(t, jose.EdDSA, mine, "k", typ, set("exp", 1e300)), "when it ends"},
		"an end in words":        {forge(t, jose.EdDSA, mine, "k", typ, set("exp", "tomorrow")), "claims cannot be read"},
		"ended":                  {forge(t, jose.EdDSA, mine, "k", typ, payload(func(p map[string]any) { p["iat"], p["exp"] = noon.Unix()-9, noon.Unix() })), "has expired"},
		"not before":             {forge(t, jose.EdDSA, mine, "k", typ, set("nbf", noon.Add(time.Hour).Unix())), "not good yet"},
		"no subject":             {forge(t, jose.EdDSA, mine, "k", typ, set("sub", "")), "subject"},
		"a subject with a break": {forge(t, jose.EdDSA, mine, "k", typ, set("sub", "a\r\nb")), "subject"},
		"a role that is none":    {forge(t, jose.EdDSA, mine, "k", typ, set("roles", []string{Anyone})), "no role"},
		"a tenant with a slash":  {forge(t, jose.EdDSA, mine, "k", typ, set("tenant", "a/b")), "tenant"},
		"two tokens":             {good + "." + good, "not a signed JWT"},
		"the JSON form":          {fmt.Sprintf(`{"payload":%q,"signatures":[]}`, parts[1]), "not a signed JWT"},
	} {
		t.Run(name, func(t *testing.T) { requireRefused(t, f.Verifier, c.token, c.why) })
	}
}

func TestAKeyCanBeRotated(t *testing.T) {
	f := newFixture(t).run(t)
	before := f.sign(t, ada())
	_, _, err := f.Verify(t.Context(), before)
	require.NoError(t, err)

	next := newTestKeys(t)
	f.account.serve("/keys", next.Public())
	after, err := next.Sign(ada())
	require.NoError(t, err)
	f.clock.move(unknownKeyEvery)
	_, _, err = f.Verify(t.Context(), after)
	require.NoError(t, err, "an unknown key makes us look")
	requireRefused(t, f.Verifier, before, "key that its issuer does not have") // though it was remembered
}

func TestUnknownKeysMakeUsLookSeldom(t *testing.T) {
	f := newFixture(t).run(t)
	_, _, err := f.Verify(t.Context(), f.sign(t, ada()))
	require.NoError(t, err)
	before := f.looks()
	for range 100 {
		stranger, err := newTestKeys(t).Sign(ada())
		require.NoError(t, err)
		requireRefused(t, f.Verifier, stranger, "key that its issuer does not have")
	}
	assert.Equal(t, before, f.looks(), "the clock stands still")
}

// looks is how often the next look at our keys was put off: it moves with each attempt.
func (f *fixture) looks() time.Time {
	f.ours.mu.Lock()
	defer f.ours.mu.Unlock()
	return f.ours.next
}

func TestKeysStayWhileTheirIssuerIsAway(t *testing.T) {
	f := newFixture(t).run(t)
	token := f.sign(t, ada())
	_, _, err := f.Verify(t.Context(), token)
	require.NoError(t, err)
	f.account.goAway(true)
	f.clock.move(time.Minute)
	stranger, err := newTestKeys(t).Sign(ada())
	require.NoError(t, err)
	requireRefused(t, f.Verifier, stranger, "key that its issuer does not have") // it has looked, and not been answered
	fresh := ada()
	fresh.Subject = "bob"
	_, _, err = f.Verify(t.Context(), f.sign(t, fresh))
	require.NoError(t, err)
}

func TestWithoutKeysNothingCanBeTold(t *testing.T) {
	f := newFixture(t)
	f.account.goAway(true)
	f.run(t)
	_, _, err := f.Verify(t.Context(), f.sign(t, ada()))
	require.Error(t, err)
	assert.Equal(t, errs.Unavailable, errs.From(err).Kind)
	assert.NotZero(t, errs.From(err).RetryAfter)
	f.account.goAway(false)
	require.Eventually(t, func() bool {
		f.clock.move(time.Second)
		_, _, err := f.Verify(t.Context(), f.sign(t, ada()))
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
}

// A process that has just begun knows nothing of the sessions that ended before: until it has heard, it believes no token that has
// one, and is not ready.
func TestWithoutTheListOfEndedSessionsNothingCanBeTold(t *testing.T) {
	f := newFixture(t)
	f.account.serve("/revoked", []byte("not now"))
	f.run(t)
	over := ada()
	over.Session = "ended"
	for _, claims := range []Claims{ada(), over} {
		_, _, err := f.Verify(t.Context(), f.sign(t, claims))
		require.Error(t, err)
		assert.Equal(t, errs.Unavailable, errs.From(err).Kind)
		assert.NotZero(t, errs.From(err).RetryAfter)
	}
	require.ErrorIs(t, f.Ready(), errNoListYet)
	alone := ada()
	alone.Session = ""
	_, _, err := f.Verify(t.Context(), f.sign(t, alone))
	require.NoError(t, err, "it has no session that could have ended")

	f.account.serve("/revoked", []byte(`{"sessions":["ended"]}`))
	require.Eventually(t, func() bool { return f.Ready() == nil }, 10*time.Second, time.Millisecond)
	_, _, err = f.Verify(t.Context(), f.sign(t, ada()))
	require.NoError(t, err)
	requireRefused(t, f.Verifier, f.sign(t, over), "session of the access token has ended")
}

func TestTheCacheIsBounded(t *testing.T) {
	f := newFixture(t).run(t)
	f.cache.most = 10
	first := f.sign(t, ada())
	for i := range 100 {
		c := ada()
		c.Subject = fmt.Sprint("customer-", i)
		_, _, err := f.Verify(t.Context(), f.sign(t, c))
		require.NoError(t, err)
		_, _, err = f.Verify(t.Context(), first)
		require.NoError(t, err)
		require.LessOrEqual(t, f.cache.len(), 20)
	}
}
