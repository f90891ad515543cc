package security

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/client"
)

// TestAttacks tries on a running shop what the matrix does not; docs/security.md says to which risk each belongs. They do not disturb each
// other and share a shop; the last one reads what all of them have left in the logs.
func TestAttacks(t *testing.T) {
	w := open(t)
	for _, attack := range []struct {
		name string
		run  func(*world)
	}{
		{"what is another's reads like what is not there", anothers},
		{"guessing passwords", guesses},
		{"members that are not for callers", members},
		{"more than is good", tooMuch},
		{"tokens that name an address", addresses},
		{"pages of other sites", otherSites},
		{"ways around the contract", wayAround},
		{"reading the logs", readLogs},
	} {
		t.Run(attack.name, func(t *testing.T) {
			outer := w.t
			w.t = t
			defer func() { w.t = outer }()
			attack.run(w)
		})
	}
}

// inner are words that a stranger has no business to read in an answer.
var inner = regexp.MustCompile(`127\.0\.0\.1|goroutine|panic|\.go:\d|daprd|/internal/|SQLITE|nats:`)

// attack sends a request that must get one of these statuses, in words that tell nothing of the inside.
func (w *world) attack(method, path string, header http.Header, body any, want ...int) client.Answer {
	w.t.Helper()
	a := w.ask(method, path, header, body)
	assert.Contains(w.t, want, a.Status, "%s %s: %s", method, path, a.Body)
	if found := inner.Find(a.Body); found != nil && !strings.Contains(path, string(found)) {
		w.t.Errorf("%s %s tells of %q: %s", method, path, found, a.Body)
	}
	return a
}

// anothers compares an order of somebody else with one that nobody has placed: nobody may learn which ids there are.
func anothers(w *world) {
	told := func(id string) client.Problem {
		a := w.attack(http.MethodGet, "/v1/orders/"+id, bearer(w.eve.Access), nil, http.StatusNotFound)
		var p client.Problem
		require.NoError(w.t, a.Into(&p))
		p.Detail, p.TraceID = strings.ReplaceAll(p.Detail, id, "ID"), ""
		return p
	}
	assert.Equal(w.t, told(uuid.NewString()), told(w.placed(w.ada).ID))
}

// guesses holds a stranger up after ten wrong passwords, and cannot be used to learn who has an account.
func guesses(w *world) {
	var told [2][]int
	for i, email := range []string{w.signedUp().Email, uuid.NewString() + "@example.com"} {
		for range 12 {
			a := w.attack(http.MethodPost, "/v1/accounts/sessions", nil, map[string]string{"email": email, "password": "twelve red ibises"}, 401, 429)
			told[i] = append(told[i], a.Status)
			if a.Status == http.StatusTooManyRequests {
				assert.NotEmpty(w.t, a.Header.Get("Retry-After"))
			}
		}
	}
	assert.Contains(w.t, told[0], http.StatusTooManyRequests)
	assert.Equal(w.t, told[0], told[1], "an address without an account is treated like one with")
}

// members sends what only the shop sets.
func members(w *world) {
	who := map[string]any{"email": uuid.NewString() + "@example.com", "password": w.ada.Password}
	and := func(body map[string]any, member string, value any) map[string]any {
		more := maps.Clone(body)
		more[member] = value
		return more
	}
	for member, value := range map[string]any{
		"roles": []string{"operator"}, "role": "operator", "subject": w.ada.Subject, "__proto__": map[string]string{"roles": "operator"},
	} {
		a := w.attack(http.MethodPost, "/v1/accounts", nil, and(who, member, value), http.StatusBadRequest)
		assert.Contains(w.t, string(a.Body), `"/`+member+`"`)
	}
	twice := []byte(`{"email":"x@example.com","password":"seven green parakeets","password":"another of them"}`)
	a := w.attack(http.MethodPost, "/v1/accounts", nil, twice, http.StatusBadRequest)
	assert.Contains(w.t, string(a.Body), "/password", "which of two is meant?")
	w.attack(http.MethodPost, "/v1/accounts", nil, who, http.StatusCreated)

	sku := w.stocked().SKU
	line := map[string]any{"sku": sku, "quantity": 1}
	order := map[string]any{"contact": client.Contact{Email: "ada@example.com"}, "lines": []any{line}}
	header := bearer(w.ada.Access)
	header.Set("Idempotency-Key", uuid.NewString())
	for member, value := range map[string]any{
		"status": "paid", "total": client.Money{Amount: 1, Currency: "EUR"}, "tenant": elsewhere, "id": uuid.NewString(), "pay_by": "2999-01-01T00:00:00Z",
		"lines": []any{and(line, "unit_price", client.Money{Amount: 1, Currency: "EUR"})},
	} {
		w.attack(http.MethodPost, "/v1/orders", header, and(order, member, value), http.StatusBadRequest)
	}
	w.attack(http.MethodPost, "/v1/orders", header, and(and(order, "lines", []any{and(line, "quantity", -1)}), "customer", w.ada.Subject), http.StatusBadRequest)
	now, err := w.shop.Stock(w.t.Context(), sku)
	require.NoError(w.t, err)
	assert.Zero(w.t, now.Reserved)
	w.attack(http.MethodPost, "/v1/orders", header, order, http.StatusCreated)
}

// tooMuch asks for more than a request may cost.
func tooMuch(w *world) {
	me := bearer(w.ada.Access)
	me.Set("Idempotency-Key", uuid.NewString())
	w.attack(http.MethodPost, "/v1/orders", me, bytes.Repeat([]byte(" "), 100<<10), http.StatusRequestEntityTooLarge)
	w.attack(http.MethodPost, "/v1/orders", me, []byte(strings.Repeat("[", 30_000)), http.StatusBadRequest)
	lines := make([]client.Line, 1000)
	for i := range lines {
		lines[i] = client.Line{SKU: fmt.Sprint("sku-", i), Quantity: 1}
	}
	w.attack(http.MethodPost, "/v1/orders", me, map[string]any{"contact": client.Contact{Email: "a@example.com"}, "lines": lines}, http.StatusBadRequest)
	for _, query := range []string{"limit=1000000", "limit=-1", "limit=1&limit=2", "cursor=" + strings.Repeat("A", 5000), "cursor=%00"} {
		w.attack(http.MethodGet, "/v1/inventory?"+query, nil, nil, http.StatusBadRequest)
	}
	w.attack(http.MethodGet, "/v1/inventory", http.Header{"X-Long": {strings.Repeat("x", 24<<10)}}, nil, http.StatusRequestHeaderFieldsTooLarge)
	w.attack(http.MethodPost, "/v1/accounts/sessions", nil, map[string]string{"email": w.ada.Email, "password": strings.Repeat("x", 10_000)}, http.StatusBadRequest)
}

// addresses sends tokens whose header says where their key is. Nobody may look there.
func addresses(w *world) {
	var asked atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(w.t, err)
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) })}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	defer func() { assert.ErrorIs(w.t, <-ended, http.ErrServerClosed) }()
	defer func() { require.NoError(w.t, server.Close()) }()
	there := "http://" + l.Addr().String()

	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(w.t, err)
	key := map[string]string{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(public)}
	for name, value := range map[string]any{"jku": there + "/keys", "x5u": there + "/certificate", "jwk": key, "kid": there + "/keys", "crit": []string{"jku"}} {
		for _, issuer := range []string{"sidecart", there} {
			header := map[string]any{"alg": "EdDSA", "typ": "at+jwt", "kid": "mine", name: value}
			signed := encoded(w.t, header) + "." + encoded(w.t, map[string]any{
				"iss": issuer, "aud": "sidecart", "sub": "mallory", "roles": []string{"operator"},
				"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
			})
			token := signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(private, []byte(signed)))
			h := bearer(token)
			h.Set("X-Forwarded-Host", l.Addr().String())
			w.attack(http.MethodGet, "/v1/ops/services", h, nil, http.StatusUnauthorized)
		}
	}
	assert.Zero(w.t, asked.Load(), "an address of the caller's choice was asked")
}

// otherSites sends what a page of another site can make a browser send.
func otherSites(w *world) {
	operator := w.callers()["operator"](w.ada)
	sku := w.stocked().SKU
	for _, from := range []http.Header{
		{"Origin": {"https://evil.example"}},
		{"Origin": {"null"}},
		{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}},
	} {
		h := operator.Clone()
		for name, values := range from {
			h[name] = values
		}
		a := w.attack(http.MethodPost, "/v1/inventory/"+sku+"/restock", h, map[string]any{"id": uuid.NewString(), "quantity": 1}, http.StatusForbidden)
		assert.Empty(w.t, a.Header.Get("Access-Control-Allow-Origin"))
		a = w.attack(http.MethodOptions, "/v1/inventory/"+sku+"/restock", from, nil, http.StatusMethodNotAllowed, http.StatusForbidden)
		assert.Empty(w.t, a.Header.Get("Access-Control-Allow-Origin"))
		a = w.ask(http.MethodGet, "/v1/inventory/"+sku, from, nil)
		assert.Empty(w.t, a.Header.Get("Access-Control-Allow-Origin"), "another site may not read the answer")
	}
}

// wayAround asks for what no contract names, in the words of all who stand behind the gateway, with an operator's token.
func wayAround(w *world) {
	operator := w.callers()["operator"](w.ada)
	order := w.placed(w.ada).ID
	for _, path := range []string{
		"/internal/revoked", "/account/internal/revoked", "/v1/internal/revoked", "/order/v1/orders", "/journal/segments", "/order/journal/segments",
		"/dapr/subscribe", "/dapr/config", "/v1.0/invoke/order/method/v1/orders", "/v1.0/secrets/account-secrets/KEYS", "/v1.0/metadata", "/v1.0/state/statestore/x",
		"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/openapi.yaml", "/.env", "/account-keys.json", "/gateway.yaml",
		"/v1/../internal/revoked", "/v1/orders/../../internal/revoked", "/v1/orders/..%2f..%2finternal%2frevoked", "/v1/orders/%2e%2e/%2e%2e/internal/revoked",
		"//v1/ops/services", "/v1//ops/services", "/V1/ops/services", "/v1/ops/services/", "/v1/ops/services;x=1", "/v1/ops/services%2f",
		"/v1/ops%2fservices", "/v1/ops/services%00",
		"/v1/orders/" + order + "/", "/v1/orders/" + order + "%2fnotifications", "/v1/orders/" + order + "/notifications/..",
	} {
		for _, h := range []http.Header{nil, operator, inside(w.ada.Subject)} {
			w.attack(http.MethodGet, path, h, nil, http.StatusBadRequest, http.StatusUnauthorized, http.StatusNotFound)
		}
	}
	for _, method := range []string{"TRACE", "CONNECT", "PROPFIND", "DELETE", "PATCH"} {
		w.attack(method, "/v1/orders/"+order, operator, nil, http.StatusMethodNotAllowed, http.StatusNotFound, http.StatusBadRequest, http.StatusNotImplemented)
	}
	h := operator.Clone()
	h.Set("X-Http-Method-Override", http.MethodPost)
	w.attack(http.MethodGet, "/v1/orders/"+order+"/cancel", h, nil, http.StatusMethodNotAllowed)
	now, err := w.shop.Order(w.t.Context(), order)
	require.NoError(w.t, err)
	assert.Equal(w.t, client.AwaitingPayment, now.Status)
}

// readLogs looks for secrets in what every process, sidecars too, has written.
func readLogs(w *world) {
	logs := 0
	for _, p := range w.shop.Stack.Processes() {
		text, err := os.ReadFile(p.Log)
		require.NoError(w.t, err)
		logs += len(text)
		for what, secret := range map[string]string{
			"a password": w.ada.Password, "a password that is wrong": "twelve red ibises", "an access token": w.ada.Access,
			"an operator's token": w.shop.Token(), "a refresh token": w.ada.Refresh, "an address": w.ada.Email,
		} {
			assert.NotContains(w.t, string(text), secret, "%s is in the log of %s", what, p.Name)
		}
	}
	require.NotZero(w.t, logs, "there are no logs")
}
