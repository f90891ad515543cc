package security

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
)

// request is one that an operation takes, for something of an owner's.
type request struct {
	owner *account
	path  map[string]string // values of the template's parameters
	query url.Values
	key   bool // with an idempotency key
	body  any

	// same fails the test if what the request is about is not as it was: for requests that were refused. nil: there is nothing to look at.
	same func()
	// private is what only the owner and an operator may find in an answer.
	private string
	// ownOnly: everybody acts on what is their own, operators, too. For whoever else is answered, the owner's must be as it was.
	ownOnly bool
}

// requests makes a request for each operation, with something new to act on. The operations that have no entry need nothing.
var requests = map[string]func(*world) request{
	"signUp":         signUp,
	"signIn":         func(w *world) request { return w.ofAccount(password) },
	"refreshSession": func(w *world) request { return w.ofAccount(refresh) },
	"signOut":        func(w *world) request { return w.ofAccount(refresh) },
	"changePassword": func(w *world) request {
		return w.ofOwnAccount(func(a *account) any {
			return map[string]string{"password": a.Password, "new_password": "eight blue parakeets"}
		})
	},
	"getMe":        func(w *world) request { return request{owner: w.ada, private: w.ada.Email, ownOnly: true} },
	"listSessions": func(w *world) request { return request{owner: w.ada, private: w.ada.Session, ownOnly: true} },
	"endSessions":  func(w *world) request { return w.ofOwnAccount(nil) },
	"endSession": func(w *world) request {
		r := w.ofOwnAccount(nil)
		r.path = map[string]string{"id": r.owner.Session}
		return r
	},
	"setRoles": func(w *world) request {
		return w.ofAccount(func(a *account) any { return map[string]any{"email": a.Email, "roles": []string{"operator"}} })
	},

	"acceptContract":   func(*world) request { return ofService("order", map[string]string{"etag": "none"}) },
	"retryParked":      func(*world) request { return ofService("notify", nil) },
	"discardParked":    func(*world) request { return ofService("notify", nil) },
	"retryAllParked":   allParked,
	"discardAllParked": allParked,
	"forgetFollower":   func(*world) request { return ofService("order", nil) },

	"getItem": func(w *world) request { return w.ofStock(nil) },
	"putItem": func(w *world) request {
		return w.ofStock(client.Product{Title: "Mine now", Price: client.Money{Amount: 1, Currency: "EUR"}, Quantity: 1000})
	},
	"restock": func(w *world) request { return w.ofStock(map[string]any{"id": uuid.NewString(), "quantity": 5}) },
	"reserve": func(w *world) request {
		return w.ofStock(map[string]any{"id": uuid.NewString(), "quantity": 1, "hold_seconds": 600})
	},
	"confirmReservation": ofReservation,
	"releaseReservation": ofReservation,

	"placeOrder": func(w *world) request {
		r := w.ofStock(nil)
		o := basket(r.path["sku"])
		o.Customer = w.ada.Subject
		r.body, r.path, r.key = o, nil, true
		return r
	},
	"listOrders": func(w *world) request {
		return request{owner: w.ada, private: w.placed(w.ada).ID, query: url.Values{"customer": {w.ada.Subject}}}
	},
	"getOrder":          func(w *world) request { return w.ofOrder(nil) },
	"payOrder":          func(w *world) request { return w.ofOrder(map[string]string{"method": "card"}) },
	"cancelOrder":       func(w *world) request { return w.ofOrder(nil) },
	"listNotifications": ofNotifications,

	"screenHome": func(w *world) request {
		return request{owner: w.ada, private: w.placed(w.ada).ID, query: url.Values{"customer": {w.ada.Subject}}}
	},
	"screenOrder": func(w *world) request { return w.ofOrder(nil) },
}

func signUp(w *world) request {
	return request{owner: w.ada, body: map[string]string{"email": uuid.NewString() + "@example.com", "password": w.ada.Password}}
}

func password(a *account) any { return map[string]string{"email": a.Email, "password": a.Password} }

func refresh(a *account) any { return map[string]string{"refresh_token": a.Refresh} }

// ofAccount acts on a new account, which stays signed in unless that is allowed: whatever changes its password or roles ends its session.
func (w *world) ofAccount(body func(*account) any) request {
	owner := w.signedUp()
	r := request{owner: owner, same: func() {
		a := w.ask(http.MethodPost, "/v1/accounts/sessions/refresh", nil, refresh(owner))
		require.Equal(w.t, http.StatusOK, a.Status, "the session has ended: %s", a.Body)
		require.NoError(w.t, a.Into(owner))
	}}
	if body != nil {
		r.body = body(owner)
	}
	return r
}

// ofOwnAccount acts on the account of whoever asks.
func (w *world) ofOwnAccount(body func(*account) any) request {
	r := w.ofAccount(body)
	r.ownOnly = true
	return r
}

// ofService acts on what is not there at a service, which only those hear who may ask.
func ofService(service string, body any) request {
	return request{path: map[string]string{"service": service, "id": "nothing", "follower": "nobody"}, body: body}
}

func allParked(*world) request {
	r := ofService("notify", nil)
	r.query = url.Values{"all": {"true"}}
	return r
}

// ofStock acts on a new SKU.
func (w *world) ofStock(body any) request {
	before := w.stocked()
	return request{path: map[string]string{"sku": before.SKU}, body: body, same: func() {
		now, err := w.shop.Stock(w.t.Context(), before.SKU)
		require.NoError(w.t, err)
		require.Equal(w.t, before, now)
	}}
}

// ofReservation acts on a new reservation.
func ofReservation(w *world) request {
	sku, id := w.stocked().SKU, uuid.NewString()
	_, err := w.shop.Reserve(w.t.Context(), sku, id, 7, 10*time.Minute)
	require.NoError(w.t, err)
	before, err := w.shop.Stock(w.t.Context(), sku)
	require.NoError(w.t, err)
	return request{path: map[string]string{"sku": sku, "id": id}, same: func() {
		now, err := w.shop.Stock(w.t.Context(), sku)
		require.NoError(w.t, err)
		require.Equal(w.t, before, now)
	}}
}

// ofOrder acts on a new order of Ada's.
func (w *world) ofOrder(body any) request {
	o := w.placed(w.ada)
	return request{path: map[string]string{"id": o.ID}, body: body, owner: w.ada, private: o.ID, same: func() {
		now, err := w.shop.Order(w.t.Context(), o.ID)
		require.NoError(w.t, err)
		require.Equal(w.t, client.AwaitingPayment, now.Status)
	}}
}

// ofNotifications reads what Ada was told of a new order, once she was.
func ofNotifications(w *world) request {
	r := w.ofOrder(nil)
	r.private = "order_placed"
	harness.Eventually(w.t, "the customer is told of the order", 0, func() error {
		l, err := w.shop.Notifications(w.t.Context(), r.path["id"])
		if err == nil && len(l.Items) == 0 {
			err = errors.New("not yet")
		}
		return err
	})
	return r
}
