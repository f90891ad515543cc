package order

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/identity"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/order/orderapi"
	"github.com/sidecart/sidecart/services/payment/paymentapi"
)

// Who asks in these tests. inside is a caller whom nobody named; ada is the customer of basket and aPlacement.
var (
	inside    = identity.Of(nil)
	ada       = identity.Caller{Subject: "ada", Roles: []string{identity.RoleCustomer}}
	eve       = identity.Caller{Subject: "eve", Roles: []string{identity.RoleCustomer}}
	elsewhere = identity.Caller{Subject: "ada", Tenant: "acme", Roles: []string{identity.RoleCustomer}}
	operator  = identity.Caller{Subject: "olga", Roles: []string{identity.RoleOperator}}
	another   = identity.Caller{Subject: "otto", Tenant: "acme", Roles: []string{identity.RoleOperator}}
	robot     = identity.Caller{Subject: "crm", Roles: []string{identity.RoleService}}
	nobody    = identity.Nobody()
)

// as calls for somebody, as the gateway does.
func (s *shop) as(who identity.Caller, method, path string, body any, header ...string) answer {
	h := http.Header{}
	if !who.Has(identity.RoleService) || who.Known() { // inside is who is not named
		who.Put(h)
	}
	for name, values := range h {
		header = append(header, name, values[0])
	}
	return s.call(method, path, body, header...)
}

func (s *shop) placeAs(who identity.Caller, key, customer string) answer {
	r := basket("mug", 1)
	r.Customer = customer
	return s.as(who, "POST", "/v1/orders", r, orderapi.HeaderIdempotency, key)
}

// TestOrdersAreTheirOwners asks for adas order in every way, for everybody, while it is in memory and once it is archived.
func TestOrdersAreTheirOwners(t *testing.T) {
	inShop(t, options{}, func(s *shop) {
		s.stock.available["mug"] = 100
		mine := s.placeAs(ada, "k", "").order(201)
		require.Equal(t, "ada", mine.Customer, "left out, it is who asks")
		strangers := map[string]identity.Caller{
			"another customer": eve, "of this name in another tenant": elsewhere, "operator of another tenant": another,
			"service by a token": robot, "nobody": nobody,
		}
		for _, archived := range []bool{false, true} {
			if archived {
				later(10 * time.Minute)
				require.False(t, s.replicas[0].inMemory(mine.ID))
			}
			path := "/v1/orders/" + mine.ID
			for name, who := range strangers {
				unknown := s.as(who, "GET", "/v1/orders/"+orderID(ada.Owner(), "unused"), nil).Refused(404, orderapi.CodeUnknownOrder)
				got := s.as(who, "GET", path, nil).Refused(404, orderapi.CodeUnknownOrder)
				assert.Equal(t, len(unknown["detail"].(string)), len(got["detail"].(string)), "%s: as if it were not there", name)
				s.as(who, "POST", path+"/payment", orderapi.PayRequest{Method: "card"}).Refused(404, orderapi.CodeUnknownOrder)
				s.as(who, "POST", path+"/cancel", nil).Refused(404, orderapi.CodeUnknownOrder)
			}
			for _, who := range []identity.Caller{ada, operator, inside} {
				assert.Equal(t, mine.ID, s.as(who, "GET", path, nil).order(200).ID)
			}
			if archived {
				for _, who := range []identity.Caller{ada, operator, inside} {
					s.as(who, "POST", path+"/cancel", nil).Refused(409, orderapi.CodeAlreadyPaid)
				}
				continue
			}
			require.Nil(t, s.get(mine.ID).Payment, "no stranger changed anything")
			s.as(ada, "POST", path+"/payment", orderapi.PayRequest{Method: "card"}).order(202)
			s.as(operator, "POST", path+"/payment", orderapi.PayRequest{Method: "card"}).order(202)
			s.payments.says(paymentapi.Charged{OrderID: mine.ID, Attempt: 1, ChargeID: "ch", Amount: mine.Total})
		}
	})
}

func TestWhoMayOrderForWhom(t *testing.T) {
	inShop(t, options{}, func(s *shop) {
		s.stock.available["mug"] = 100
		assert.Equal(t, "ada", s.placeAs(ada, "named", "ada").order(201).Customer)
		assert.Equal(t, "eve", s.placeAs(operator, "k", "eve").order(201).Customer)
		assert.Equal(t, "eve", s.placeAs(inside, "k", "eve").order(201).Customer)
		p := s.placeAs(ada, "k", "eve").Refused(403, errs.CodeForbidden)
		assert.Equal(t, []any{map[string]any{"field": "/customer", "message": "must be yourself, or be left out"}}, p["errors"])
		s.placeAs(robot, "k", "eve").Refused(403, errs.CodeForbidden)
		s.placeAs(nobody, "k", "eve").Refused(403, errs.CodeForbidden)
		for _, who := range []identity.Caller{operator, inside, robot, nobody} {
			s.placeAs(who, "k2", "").Refused(400, errs.CodeInvalidRequest)
		}
		assert.Equal(t, 3, s.stock.asked, "a refusal asks for no stock")
	})
}

// TestAKeyIsItsCallers gives one key to everybody: nobody finds another's order by it.
func TestAKeyIsItsCallers(t *testing.T) {
	inShop(t, options{}, func(s *shop) {
		s.stock.available["mug"] = 100
		ids := map[string]bool{}
		for _, who := range []identity.Caller{ada, eve, elsewhere, operator, another, inside} {
			customer := who.Subject
			if customer == "" {
				customer = "ada"
			}
			a := s.placeAs(who, "k", customer)
			ids[a.order(201).ID] = true
			assert.Empty(t, a.Header.Get(orderapi.HeaderReplayed))
			again := s.placeAs(who, "k", customer)
			again.order(201)
			assert.Equal(t, "true", again.Header.Get(orderapi.HeaderReplayed))
		}
		assert.Len(t, ids, 6)
	})
}

// TestListsAreTheirOwners looks at lists in memory and in the archive, of one name in two tenants.
func TestListsAreTheirOwners(t *testing.T) {
	inShop(t, options{}, func(s *shop) {
		s.stock.available["mug"] = 100
		want := map[string][]string{}
		for i := range 3 {
			for owner, who := range map[string]identity.Caller{"ada": ada, "eve": eve, "acme/ada": elsewhere} {
				id := s.placeAs(who, fmt.Sprint("k", i), "").order(201).ID
				want[owner] = append([]string{id}, want[owner]...)
				if i < 2 {
					s.as(who, "POST", "/v1/orders/"+id+"/cancel", nil).order(200)
				}
			}
			later(time.Second)
		}
		later(5 * time.Minute)
		list := func(who identity.Caller, customer string) []string {
			var page httpx.List[orderapi.OrderAnswer]
			var ids []string
			path := "/v1/orders"
			if customer != "" {
				path += "?customer=" + customer
			}
			s.as(who, "GET", path, nil).Is(200, &page)
			for _, o := range page.Items {
				ids = append(ids, o.ID)
			}
			return ids
		}
		require.False(t, s.replicas[0].inMemory(want["ada"][2]))
		require.True(t, s.replicas[0].inMemory(want["ada"][0]))
		for _, customer := range []string{"", "ada"} {
			assert.Equal(t, want["ada"], list(ada, customer))
			assert.Equal(t, want["acme/ada"], list(elsewhere, customer))
		}
		assert.Equal(t, want["ada"], list(operator, "ada"))
		assert.Equal(t, want["ada"], list(inside, "ada"))
		assert.Equal(t, want["acme/ada"], list(another, "ada"))
		assert.Empty(t, list(another, "eve"))
		for _, who := range []identity.Caller{ada, robot, nobody} {
			p := s.as(who, "GET", "/v1/orders?customer=eve", nil).Refused(403, errs.CodeForbidden)
			assert.Equal(t, "customer", p["errors"].([]any)[0].(map[string]any)["field"])
		}
		s.as(operator, "GET", "/v1/orders", nil).Refused(400, errs.CodeInvalidRequest)
	})
}

// TestAnOrderFromBeforeAccountsIsFoundByItsKey repeats, signed in, what was asked for when nobody could sign in.
func TestAnOrderFromBeforeAccountsIsFoundByItsKey(t *testing.T) {
	inShop(t, options{}, func(s *shop) {
		s.stock.available["mug"] = 100
		before := s.placeAs(inside, "k", "ada").order(201)
		for _, archived := range []bool{false, true} {
			if archived {
				s.call("POST", "/v1/orders/"+before.ID+"/cancel", nil).order(200)
				later(10 * time.Minute)
				require.False(t, s.replicas[0].inMemory(before.ID))
			}
			for _, who := range []identity.Caller{ada, operator} {
				again := s.placeAs(who, "k", "ada")
				assert.Equal(t, before.ID, again.order(201).ID)
				assert.Equal(t, "true", again.Header.Get(orderapi.HeaderReplayed))
			}
		}
		for who, customer := range map[*identity.Caller]string{&eve: "eve", &elsewhere: "ada", &another: "ada", &operator: "bob"} {
			assert.NotEqual(t, before.ID, s.placeAs(*who, "k", customer).order(201).ID)
		}
	})
}

// TestBesideTheReleaseBeforeAccountsAKeyIsEverybodys: replicas of both must give a key the same id.
func TestBesideTheReleaseBeforeAccountsAKeyIsEverybodys(t *testing.T) {
	inShop(t, options{config: Config{Journal: journal.Config{SegmentVersion: journal.SegmentVersion}}}, func(s *shop) {
		s.stock.available["mug"] = 100
		o := s.placeAs(ada, "k", "").order(201)
		assert.Equal(t, orderID(identity.Owner{}, "k"), o.ID)
		assert.Equal(t, o.ID, s.placeAs(inside, "k", "ada").order(201).ID)
		s.placeAs(eve, "k", "").Refused(422, orderapi.CodeIdempotencyKeyReused)
		asked := s.stock.asked
		s.placeAs(elsewhere, "k", "").Refused(503, errs.CodeUnavailable)
		s.placeAs(another, "k2", "ada").Refused(503, errs.CodeUnavailable)
		assert.Equal(t, asked, s.stock.asked, "a snapshot of that release would give the order to the shop")
		s.as(eve, "GET", "/v1/orders/"+o.ID, nil).Refused(404, orderapi.CodeUnknownOrder)
	})
}

// TestAKeyIsFoundByReplicasThatNameOrdersInAnotherWay repeats a request whose answer was lost at a replica with the other setting, as
// happens for as long as the setting is rolled out or taken back: it finds the order, whichever way that was named.
func TestAKeyIsFoundByReplicasThatNameOrdersInAnotherWay(t *testing.T) {
	beside := Config{Journal: journal.Config{SegmentVersion: journal.SegmentVersion}}
	for name, configs := range map[string][2]Config{"first beside, then alone": {beside, {}}, "first alone, then beside": {{}, beside}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t, options{config: configs[0]})
				s.stock.available["mug"] = 100
				first := map[string]string{}
				for _, who := range []identity.Caller{ada, operator, inside} {
					first[who.Subject] = s.placeAs(who, "k"+who.Subject, "ada").order(201).ID
				}
				asked := s.stock.asked
				s.stop()
				s = newShop(t, options{config: configs[1], store: s.store, stock: s.stock})
				defer func() { s.stop() }()
				for _, who := range []identity.Caller{ada, operator, inside} {
					again := s.placeAs(who, "k"+who.Subject, "ada")
					assert.Equal(t, first[who.Subject], again.order(201).ID)
					assert.Equal(t, "true", again.Header.Get(orderapi.HeaderReplayed))
				}
				assert.Equal(t, asked, s.stock.asked, "a repeat asks for no stock")
				assert.NotEqual(t, first["ada"], s.placeAs(eve, "kada", "").order(201).ID)
			})
		})
	}
}
