package security

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
)

// world is a shop with two customers.
type world struct {
	t    *testing.T
	shop *harness.Shop
	out  *client.Client // nobody: each request says who asks
	ada  *account
	eve  *account
}

// account is somebody who has signed up and in.
type account struct {
	Email    string `json:"-"`
	Password string `json:"-"`
	Access   string `json:"access_token"`
	Refresh  string `json:"refresh_token"`
	Session  string `json:"session_id"`
	Subject  string `json:"subject"`
}

// open starts a shop with the rules that are shipped.
func open(t *testing.T) *world {
	t.Helper()
	rules := filepath.Join(harness.Root(), "dapr-config", "gateway.yaml")
	s := harness.Open(t, harness.One, harness.WithEnv("SIDECART_GATEWAY_RULES", rules))
	w := &world{t: t, shop: s, out: client.New(s.Stack.URLs().Gateway, 10*time.Second)}
	t.Cleanup(w.out.Close)
	w.ada, w.eve = w.signedUp(), w.signedUp()
	return w
}

// ask sends one request.
func (w *world) ask(method, path string, header http.Header, body any) client.Answer {
	w.t.Helper()
	a, err := w.out.Do(w.t.Context(), method, path, header, body)
	require.NoError(w.t, err)
	return a
}

// signedUp is a new customer.
func (w *world) signedUp() *account {
	w.t.Helper()
	got := &account{Email: uuid.NewString() + "@example.com", Password: "seven green parakeets"}
	credentials := map[string]string{"email": got.Email, "password": got.Password}
	a := w.ask(http.MethodPost, "/v1/accounts", nil, credentials)
	require.Equal(w.t, http.StatusCreated, a.Status, "%s", a.Body)
	a = w.ask(http.MethodPost, "/v1/accounts/sessions", nil, credentials)
	require.Equal(w.t, http.StatusCreated, a.Status, "%s", a.Body)
	require.NoError(w.t, a.Into(got))
	return got
}

// stocked is a new SKU on sale.
func (w *world) stocked() client.Stock {
	w.t.Helper()
	s, created, err := w.shop.Put(w.t.Context(), "sku-"+uuid.NewString()[:8], client.Product{
		Title: "A thing", Price: client.Money{Amount: 1990, Currency: "EUR"}, Quantity: 1000,
	})
	require.NoError(w.t, err)
	require.True(w.t, created)
	return s
}

// basket is an order of one of a SKU, by whoever asks.
func basket(sku string) client.NewOrder {
	return client.NewOrder{Contact: client.Contact{Email: "ada@example.com"}, Lines: []client.Line{{SKU: sku, Quantity: 1}}}
}

// placed is a new order of somebody.
func (w *world) placed(owner *account) client.Order {
	w.t.Helper()
	header := bearer(owner.Access)
	header.Set("Idempotency-Key", uuid.NewString())
	a := w.ask(http.MethodPost, "/v1/orders", header, basket(w.stocked().SKU))
	require.Equal(w.t, http.StatusCreated, a.Status, "%s", a.Body)
	var o client.Order
	require.NoError(w.t, a.Into(&o))
	return o
}
