package security

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/e2e/token"
)

// elsewhere is the tenant of those who have no say in the shop.
const elsewhere = "acme"

// bearer is the header of a token.
func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// caller gives the headers by which somebody says who they are, towards what is the owner's.
type caller func(owner *account) http.Header

// columns are the callers of the table, in its order.
var columns = []string{"nobody", "its owner", "another customer", "the owner's name elsewhere", "operator", "operator elsewhere", "service"}

// callers are those of columns.
func (w *world) callers() map[string]caller {
	signed := func(subject, tenant, role string) http.Header {
		return bearer(w.shop.Keys().Sign(token.Claims{
			Subject: subject, Tenant: tenant, Roles: []string{role}, Expires: time.Now().Add(time.Hour),
		}))
	}
	return map[string]caller{
		"nobody":                     func(*account) http.Header { return nil },
		"its owner":                  func(owner *account) http.Header { return bearer(owner.Access) },
		"another customer":           func(*account) http.Header { return bearer(w.eve.Access) },
		"the owner's name elsewhere": func(owner *account) http.Header { return signed(owner.Subject, elsewhere, token.Customer) },
		"operator":                   func(*account) http.Header { return signed("olga", "", token.Operator) },
		"operator elsewhere":         func(*account) http.Header { return signed("otto", elsewhere, token.Operator) },
		"service":                    func(*account) http.Header { return signed("crm", "", token.Service) },
	}
}

// impostors are all who must be nobody, whatever they say: each claims to be an operator or the owner.
func (w *world) impostors() map[string]caller {
	t := w.t
	claims := func(owner *account, expires time.Duration) token.Claims {
		return token.Claims{Subject: owner.Subject, Roles: []string{token.Customer, token.Operator}, Expires: time.Now().Add(expires)}
	}
	good := w.shop.Keys().Sign(claims(w.ada, time.Hour))
	parts := strings.Split(good, ".")
	require.Len(t, parts, 3)
	var header struct {
		Key string `json:"kid"`
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[0])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &header))
	public := w.publicKey()
	sameName, otherName := otherKeys(t, header.Key), otherKeys(t, "another")
	customer := strings.Split(w.shop.Keys().Sign(token.Claims{Subject: "mallory", Roles: []string{token.Customer}, Expires: time.Now().Add(time.Hour)}), ".")

	always := func(h http.Header) caller { return func(*account) http.Header { return h } }
	return map[string]caller{
		"whose token is over": func(owner *account) http.Header {
			return bearer(w.shop.Keys().Sign(claims(owner, -time.Hour)))
		},
		"with another key of the same name": func(owner *account) http.Header { return bearer(sameName.Sign(claims(owner, time.Hour))) },
		"with a key that nobody knows":      func(owner *account) http.Header { return bearer(otherName.Sign(claims(owner, time.Hour))) },
		"who says that nothing is signed":   always(bearer(encoded(t, map[string]string{"alg": "none", "typ": "at+jwt"}) + "." + parts[1] + ".")),
		"who left the signature out":        always(bearer(parts[0] + "." + parts[1] + ".")),
		"with another's signature":          always(bearer(parts[0] + "." + parts[1] + "." + customer[2])),
		"who signs with the public key": func(*account) http.Header {
			signed := encoded(t, map[string]string{"alg": "HS256", "typ": "at+jwt", "kid": header.Key}) + "." + parts[1]
			mac := hmac.New(sha256.New, public)
			mac.Write([]byte(signed))
			return bearer(signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
		},
		"with two tokens":           always(http.Header{"Authorization": {"Bearer " + good, "Bearer " + good}}),
		"of another scheme":         always(http.Header{"Authorization": {"Basic " + good}}),
		"with a token in a cookie":  always(http.Header{"Cookie": {"access_token=" + good + "; Authorization=" + good}}),
		"who writes our own header": func(owner *account) http.Header { return inside(owner.Subject) },
	}
}

// inside are headers that the gateway and the sidecars put on requests between themselves.
func inside(subject string) http.Header {
	h := http.Header{}
	for name, value := range map[string]string{
		"Sidecart-Subject": subject, "Sidecart-Tenant": "", "Sidecart-Roles": "customer,operator,service", "Sidecart-Groups": "all",
		"Dapr-App-Id": "order", "Dapr-Caller-App-Id": "gateway", "Dapr-Api-Token": "guess", "X-Forwarded-User": subject,
	} {
		h.Set(name, value)
	}
	return h
}

// publicKey is what the shop gives to anybody to check its tokens with.
func (w *world) publicKey() []byte {
	a := w.ask(http.MethodGet, "/v1/accounts/keys", nil, nil)
	var set struct {
		Keys []struct {
			X       string `json:"x"`
			Private string `json:"d"`
		}
	}
	require.NoError(w.t, a.Into(&set))
	require.NotEmpty(w.t, set.Keys)
	for _, k := range set.Keys {
		require.Empty(w.t, k.Private, "a key that signs is published")
	}
	key, err := base64.RawURLEncoding.DecodeString(set.Keys[0].X)
	require.NoError(w.t, err)
	return key
}

// otherKeys are keys that are not the shop's.
func otherKeys(t *testing.T, name string) *token.Keys {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	text := base64.RawURLEncoding.EncodeToString
	set, err := json.Marshal(map[string]any{"keys": []map[string]string{
		{"kty": "OKP", "crv": "Ed25519", "kid": name, "x": text(public), "d": text(private.Seed())},
	}})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), token.FileName)
	require.NoError(t, os.WriteFile(file, set, 0o600))
	keys, err := token.Read(file)
	require.NoError(t, err)
	return keys
}

// encoded is a part of a token.
func encoded(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return base64.RawURLEncoding.EncodeToString(text)
}

// document is docs/security.md.
func document(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(harness.Root(), "docs", "security.md"))
	require.NoError(t, err)
	return string(text)
}
