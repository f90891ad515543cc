package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shelf is a store in memory for tests of the face.
type shelf struct {
	books
	broken error
}

func (s *shelf) put(_ context.Context, sku string, units int64) error {
	s.books = books{SKU: sku, Received: units, Available: units}
	return s.broken
}

func (s *shelf) reserve(_ context.Context, r reservation) error {
	switch {
	case s.broken != nil:
		return s.broken
	case r.SKU != s.SKU:
		return errUnknownSKU
	case r.Quantity > s.Available:
		return errSoldOut
	}
	s.Available -= r.Quantity
	s.Reserved += r.Quantity
	return nil
}

func (s *shelf) stock(_ context.Context, sku string) (books, error) {
	if sku != s.SKU {
		return books{}, errUnknownSKU
	}
	return s.books, nil
}

func (s *shelf) close() {}

// ask sends a request and gives the status and the body.
func ask(t *testing.T, h http.Handler, method, path, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/inventory/v1/inventory"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

func TestFaceSpeaksAsInventoryDoes(t *testing.T) {
	for _, kit := range []bool{false, true} {
		s := &shelf{}
		h := newFace(s, kit)
		code, body := ask(t, h, http.MethodPut, "/pot", `{"title":"Pot","quantity":2,"price":{"amount":1,"currency":"EUR"}}`)
		require.Equal(t, http.StatusCreated, code, body)
		const want = `{"id":"r1","quantity":2,"hold_seconds":60}`
		code, body = ask(t, h, http.MethodPost, "/pot/reservations", want)
		assert.Equal(t, http.StatusCreated, code)
		assert.Contains(t, body, `"id":"r1","sku":"pot","quantity":2,"status":"pending","expires_at":"20`)
		code, body = ask(t, h, http.MethodPost, "/pot/reservations", want)
		assert.Equal(t, http.StatusConflict, code)
		assert.Contains(t, body, `"code":"sold_out"`)
		code, body = ask(t, h, http.MethodGet, "/pot", "")
		assert.Equal(t, http.StatusOK, code)
		assert.JSONEq(t, `{"sku":"pot","received":2,"available":0,"reserved":2,"sold":0}`, body)
		for _, path := range []string{"/pan/reservations", "/pan"} {
			method := http.MethodPost
			if path == "/pan" {
				method = http.MethodGet
			}
			code, body = ask(t, h, method, path, want)
			assert.Equal(t, http.StatusNotFound, code, body)
		}
		for _, bad := range []string{
			`{"quantity":2,"hold_seconds":60}`, `{"id":"r","quantity":0,"hold_seconds":60}`, `{"id":"r","quantity":1}`, `{`,
		} {
			code, _ = ask(t, h, http.MethodPost, "/pot/reservations", bad)
			assert.Equal(t, http.StatusBadRequest, code, bad)
		}
		s.broken = errors.New("broken")
		code, _ = ask(t, h, http.MethodPost, "/pot/reservations", want)
		assert.Equal(t, http.StatusInternalServerError, code, "the outcome is unknown")
	}
}

func TestNothingTakesEverythingAndKeepsNothing(t *testing.T) {
	h := newFace(nothing{}, false)
	code, _ := ask(t, h, http.MethodPost, "/pot/reservations", `{"id":"r1","quantity":2,"hold_seconds":60}`)
	assert.Equal(t, http.StatusCreated, code)
	_, body := ask(t, h, http.MethodGet, "/pot", "")
	assert.JSONEq(t, `{"sku":"pot","received":0,"available":0,"reserved":0,"sold":0}`, body)
}

func TestOpenNamesWhatIsMissing(t *testing.T) {
	t.Setenv("SIDECART_REDIS_HOST", "")
	t.Setenv("SIDECART_POSTGRES_DSN", "")
	for name, want := range map[string]string{
		"lua": "SIDECART_REDIS_HOST", "lua-default": "SIDECART_REDIS_HOST", "lua-idem": "SIDECART_REDIS_HOST", "postgres": "SIDECART_POSTGRES_DSN", "mongo": `no peer "mongo"`,
	} {
		_, err := open(t.Context(), name, 0)
		require.ErrorContains(t, err, want)
	}
	t.Setenv("SIDECART_POSTGRES_DSN", "host=x password=secret port=none")
	_, err := open(t.Context(), "postgres", 0)
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "secret")
}

// till is a seller that keeps what it was asked.
type till struct {
	nothing
	placed []sale
	paid   []string
}

func (t *till) place(_ context.Context, o sale) error {
	t.placed = append(t.placed, o)
	return nil
}

func (t *till) pay(_ context.Context, id, method string) error {
	t.paid = append(t.paid, id+" by "+method)
	return nil
}

func TestOrdersArePlacedAndPaid(t *testing.T) {
	s := &till{}
	h := newFace(s, false)
	post := func(path, key, body string) (int, string) {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", key)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	const order = `{"customer":"c","contact":{"phone":"+491"},"lines":[{"sku":"pot","quantity":2}]}`
	code, body := post("/v1/orders", "o1", order)
	assert.Equal(t, http.StatusCreated, code)
	assert.JSONEq(t, `{"id":"o1","sku":"pot","quantity":2,"phone":"+491"}`, body)
	assert.Equal(t, []sale{{ID: "o1", SKU: "pot", Quantity: 2, Phone: "+491"}}, s.placed)
	code, _ = post("/v1/orders/o1/payment", "", `{"method":"card"}`)
	assert.Equal(t, http.StatusAccepted, code)
	assert.Equal(t, []string{"o1 by card"}, s.paid)
	for field, bad := range map[string][2]string{
		"Idempotency-Key": {"", order},
		"/contact/phone":  {"o2", `{"lines":[{"sku":"pot","quantity":2}]}`},
		"/lines":          {"o2", `{"contact":{"phone":"+491"},"lines":[{"sku":"pot","quantity":0}]}`},
	} {
		code, body := post("/v1/orders", bad[0], bad[1])
		assert.Equal(t, http.StatusBadRequest, code, field)
		assert.Contains(t, body, field)
	}
	code, _ = post("/v1/orders/o1/payment", "", `{}`)
	assert.Equal(t, http.StatusBadRequest, code)
	assert.Len(t, s.placed, 1)
	assert.Len(t, s.paid, 1)
}
