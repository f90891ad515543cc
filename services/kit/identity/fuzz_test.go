package identity

import (
	"crypto/rand"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// FuzzVerify: whatever somebody sends as a token, it is refused as such unless it is one of the two that were signed.
func FuzzVerify(f *testing.F) {
	v := newFixture(f).run(f)
	good, other := v.sign(f, ada()), v.sign(f, Claims{Subject: "bob", Roles: []string{RoleOperator}, IssuedAt: noon, Expires: noon.Add(time.Hour)})
	stranger, err := newTestKeys(f).Sign(ada())
	require.NoError(f, err)
	for _, seed := range []string{
		good, other, stranger, "", ".", "..", "a.b.c", good + "=", good[:len(good)-1],
		"eyJhbGciOiJub25lIn0.eyJpc3MiOiJzaWRlY2FydCJ9.", "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsifQ.e30.AAAA",
		"eyJhbGciOiJFZERTQSIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19.e30.AAAA",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		caller, expires, err := v.Verify(t.Context(), token)
		if err == nil {
			// Not the very string: the last bits of base64 do not count.
			require.Contains(t, []string{good[:len(good)-1], other[:len(other)-1]}, token[:len(token)-1])
			require.Contains(t, []string{"ada", "bob"}, caller.Subject)
			require.True(t, expires.After(noon))
			return
		}
		require.Equal(t, errs.Unauthenticated, errs.From(err).Kind, err)
		require.Equal(t, Caller{}, caller)
	})
}

// FuzzParseKeys: a key set is read or refused; one that is read signs.
func FuzzParseKeys(f *testing.F) {
	document, err := NewKeys(rand.Reader)
	require.NoError(f, err)
	f.Add(document)
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA","kid":"k"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA","kid":"k"},{"kty":"oct","k":"AA","kid":"s"}]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		_, _ = parsePublic(document, false)
		keys, err := ParseKeys(document)
		if err != nil {
			return
		}
		_, err = keys.Sign(ada())
		require.NoError(t, err)
		if _, _, err := keys.Open("p", "a", keys.Seal("p", "a", []byte("x"))); err != nil && !errors.Is(err, ErrNotOurs) {
			t.Fatal(err)
		}
	})
}

// FuzzFromHeader: headers are a caller that can be put again, or nobody.
func FuzzFromHeader(f *testing.F) {
	f.Add("ada", "shop", "customer,operator", "beta")
	f.Add("", "", "anyone", "")
	f.Add("%61", "%zz", ",", "a,,b")
	f.Fuzz(func(t *testing.T, subject, tenant, roles, groups string) {
		h := http.Header{HeaderSubject: {subject}, HeaderTenant: {tenant}, HeaderRoles: {roles}, HeaderGroups: {groups}}
		c, named := FromHeader(h)
		require.True(t, named)
		again := http.Header{}
		c.Put(again)
		same, named := FromHeader(again)
		require.True(t, named)
		require.Equal(t, c, same)
		if !c.Known() {
			require.Equal(t, Nobody(), c)
		}
	})
}
