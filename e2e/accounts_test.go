package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
)

// tokens is what somebody who has signed in is given.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Subject string `json:"subject"`
}

// visitor talks to a shop's gateway with whatever token a test gives it, or none.
type visitor struct {
	t *testing.T
	c *client.Client
}

func (v visitor) ask(method, path, token string, body any) client.Answer {
	v.t.Helper()
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	a, err := v.c.Do(v.t.Context(), method, path, header, body)
	require.NoError(v.t, err)
	return a
}

// signedUp is a new customer who has signed in.
func (v visitor) signedUp(email, password string) (got tokens) {
	v.t.Helper()
	credentials := map[string]string{"email": email, "password": password}
	require.Equal(v.t, http.StatusCreated, v.ask("POST", "/v1/accounts", "", credentials).Status)
	a := v.ask("POST", "/v1/accounts/sessions", "", credentials)
	require.Equal(v.t, http.StatusCreated, a.Status, "%s", a.Body)
	require.NoError(v.t, a.Into(&got))
	return got
}

func (v visitor) refresh(token string) client.Answer {
	v.t.Helper()
	return v.ask("POST", "/v1/accounts/sessions/refresh", "", map[string]string{"refresh_token": token})
}

// TestSomebodySignsUpAndBuys is a customer's way from signing up to an order, with the tokens that the shop itself gives, over the death of
// the account service: what is signed in stays signed in, and a session goes on where it was.
func TestSomebodySignsUpAndBuys(t *testing.T) {
	harness.SkipIfShort(t)
	harness.Each(t, func(t *testing.T, p harness.Placement) {
		s := harness.Open(t, p, harness.WithQuickRestarts())
		v := visitor{t, client.New(s.Stack.URLs().Gateway, 10*time.Second)}
		t.Cleanup(v.c.Close)
		mug := map[string]any{"title": "Mug", "price": map[string]any{"amount": 900, "currency": "EUR"}, "quantity": 5}
		require.Equal(t, http.StatusCreated, v.ask("PUT", "/v1/inventory/mug", s.Token(), mug).Status)

		ada := v.signedUp("ada@example.com", "seven green parakeets")
		eve := v.signedUp("eve@example.com", "nine purple herons")
		header := http.Header{"Authorization": {"Bearer " + ada.Access}, "Idempotency-Key": {"ada-1"}}
		placed, err := v.c.Do(t.Context(), "POST", "/v1/orders", header, map[string]any{
			"contact": map[string]string{"email": "ada@example.com"}, "lines": []any{map[string]any{"sku": "mug", "quantity": 1}},
		})
		require.NoError(t, err)
		require.Equal(t, http.StatusCreated, placed.Status, "%s", placed.Body)
		var order struct {
			ID       string `json:"id"`
			Customer string `json:"customer"`
		}
		require.NoError(t, placed.Into(&order))
		assert.Equal(t, ada.Subject, order.Customer)
		mine := "/v1/orders/" + order.ID
		assert.Equal(t, http.StatusNotFound, v.ask("GET", mine, eve.Access, nil).Status)
		assert.Equal(t, http.StatusForbidden, v.ask("PUT", "/v1/inventory/mug", eve.Access, mug).Status)
		assert.Equal(t, http.StatusUnauthorized, v.ask("GET", mine, "", nil).Status)

		if p == harness.Split {
			require.NoError(t, s.Stack.KillProcess(t.Context(), "account"))
			assert.Equal(t, http.StatusOK, v.ask("GET", mine, ada.Access, nil).Status, "the gateway knows the keys while account is dead")
			assert.Equal(t, http.StatusUnauthorized, v.ask("GET", mine, ada.Access+"A", nil).Status)
			require.NoError(t, s.Stack.StartProcess(t.Context(), "account"))
		} else {
			s.Kill(t, "sidecart")
		}
		s.AwaitReady(t)
		var next tokens
		harness.Eventually(t, "the session goes on", time.Minute, func() error {
			a := v.refresh(ada.Refresh)
			if a.Status != http.StatusOK {
				return fmt.Errorf("%d %s", a.Status, a.Body)
			}
			return a.Into(&next)
		})
		assert.Equal(t, http.StatusOK, v.ask("GET", mine, next.Access, nil).Status)

		assert.Equal(t, http.StatusNoContent, v.ask("DELETE", "/v1/accounts/me/sessions", next.Access, nil).Status)
		assert.Equal(t, http.StatusUnauthorized, v.refresh(next.Refresh).Status)
		harness.Eventually(t, "the gateway hears of the sign-out", time.Minute, func() error {
			if a := v.ask("GET", mine, next.Access, nil); a.Status != http.StatusUnauthorized {
				return fmt.Errorf("still %d", a.Status)
			}
			return nil
		})
		assert.Equal(t, http.StatusNotFound, v.ask("GET", mine, eve.Access, nil).Status, "others stay signed in")
	})
}
