package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
)

// TestBadInput sends what a client should not through the whole stack: the answer is a 4xx problem document that names
// the field, and nothing changes.
func TestBadInput(t *testing.T) {
	harness.Each(t, func(t *testing.T, p harness.Placement) {
		s := harness.Open(t, p)
		sku := stocked(t, s, 10)
		before, err := s.Stock(t.Context(), sku)
		require.NoError(t, err)
		stock := "/v1/inventory/" + sku
		order := func(lines string) string {
			return `{"customer":"ada","contact":{"email":"ada@example.com"},"lines":` + lines + `}`
		}
		line := func(rest string) string { return order(`[{"sku":"` + sku + `",` + rest + `}]`) }
		for _, c := range []struct {
			name, method, path, body string
			names                    string // what the answer must name
		}{
			{"malformed JSON", http.MethodPut, stock, `{"title":`, ""},
			{"no JSON at all", http.MethodPost, "/v1/orders", `hello`, ""},
			{"empty body", http.MethodPost, "/v1/orders", ``, ""},
			{"trailing garbage", http.MethodPost, "/v1/orders", line(`"quantity":1`) + `x`, ""},
			{"unknown field", http.MethodPost, "/v1/orders", line(`"quantity":1,"discount":5`), "discount"},
			{"duplicate field", http.MethodPost, "/v1/orders", line(`"quantity":1,"quantity":2`), "quantity"},
			{"negative quantity", http.MethodPost, "/v1/orders", line(`"quantity":-1`), "quantity"},
			{"zero quantity", http.MethodPost, "/v1/orders", line(`"quantity":0`), "quantity"},
			{"huge quantity", http.MethodPost, "/v1/orders", line(`"quantity":1e30`), "quantity"},
			{"past 64 bits", http.MethodPost, "/v1/orders", line(`"quantity":92233720368547758080`), "quantity"},
			{"fraction", http.MethodPost, "/v1/orders", line(`"quantity":1.5`), "quantity"},
			{"text for a number", http.MethodPost, "/v1/orders", line(`"quantity":"1"`), "quantity"},
			{"no lines", http.MethodPost, "/v1/orders", order(`[]`), "lines"},
			{"lines of the wrong type", http.MethodPost, "/v1/orders", order(`{}`), "lines"},
			{"a SKU twice", http.MethodPost, "/v1/orders", order(`[{"sku":"` + sku + `","quantity":1},{"sku":"` + sku + `","quantity":1}]`), "lines"},
			{"bad UTF-8", http.MethodPost, "/v1/orders", strings.Replace(line(`"quantity":1`), "ada", "\xff\xfe", 1), "customer"},
			{"bad e-mail", http.MethodPost, "/v1/orders", strings.Replace(line(`"quantity":1`), "ada@example.com", "ada", 1), "email"},
			{"line break in e-mail", http.MethodPost, "/v1/orders", strings.Replace(line(`"quantity":1`), "ada@example.com", `ada@example.com\r\nBcc: x@example.com`, 1), "email"},
			{"negative price", http.MethodPut, stock, `{"title":"x","price":{"amount":-1,"currency":"EUR"},"quantity":1}`, "amount"},
			{"unknown currency", http.MethodPut, stock, `{"title":"x","price":{"amount":1,"currency":"euro"},"quantity":1}`, "currency"},
			{"empty title", http.MethodPut, stock, `{"title":"","price":{"amount":1,"currency":"EUR"},"quantity":1}`, "title"},
			{"negative restock", http.MethodPost, stock + "/restock", `{"id":"a","quantity":-5}`, "quantity"},
			{"endless hold", http.MethodPost, stock + "/reservations", `{"id":"a","quantity":1,"hold_seconds":99999999}`, "hold_seconds"},
			{"oversized body", http.MethodPost, "/v1/orders", strings.Repeat(" ", 1<<20) + line(`"quantity":1`), ""},
			{"bad limit", http.MethodGet, "/v1/inventory?limit=-3", ``, "limit"},
			{"bad cursor", http.MethodGet, "/v1/inventory?cursor=%21%21", ``, "cursor"},
			{"bad order id", http.MethodGet, "/v1/orders/..%2f..%2fjournal", ``, ""},
			{"unknown route", http.MethodGet, "/v1/nothing", ``, ""},
			{"the journal is not public", http.MethodGet, "/inventory/journal", ``, ""},
			{"internal routes are not public", http.MethodPost, "/v1/internal/holds", `{}`, ""},
			{"wrong method", http.MethodDelete, stock, ``, ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				header := http.Header{"Idempotency-Key": {uuid.NewString()}}
				a, err := s.Do(t.Context(), c.method, c.path, header, []byte(c.body))
				require.NoError(t, err)
				refusal(t, a, c.names)
			})
		}
		t.Run("wrong content type", func(t *testing.T) {
			header := http.Header{"Idempotency-Key": {uuid.NewString()}, "Content-Type": {"text/plain"}}
			a, err := s.Do(t.Context(), http.MethodPost, "/v1/orders", header, []byte(line(`"quantity":1`)))
			require.NoError(t, err)
			assert.Equal(t, http.StatusUnsupportedMediaType, a.Status)
			refusal(t, a, "")
		})
		t.Run("no idempotency key", func(t *testing.T) {
			a, err := s.Do(t.Context(), http.MethodPost, "/v1/orders", nil, []byte(line(`"quantity":1`)))
			require.NoError(t, err)
			refusal(t, a, "Idempotency-Key")
		})
		after, err := s.Stock(t.Context(), sku)
		require.NoError(t, err)
		assert.Equal(t, before, after, "bad input changed something")
	})
}

// refusal checks that an answer is a 4xx problem document that names a field.
func refusal(t *testing.T, a client.Answer, names string) {
	t.Helper()
	assert.GreaterOrEqual(t, a.Status, 400, string(a.Body))
	assert.Less(t, a.Status, 500, string(a.Body))
	assert.Equal(t, "application/problem+json", a.Header.Get("Content-Type"))
	var p client.Problem
	require.NoError(t, a.Into(&p))
	assert.Equal(t, a.Status, p.Status)
	assert.NotEmpty(t, p.Code)
	assert.NotEmpty(t, p.TraceID)
	assert.Contains(t, string(a.Body), names)
}
