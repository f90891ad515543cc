package inventory

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/httpx/httpxtest"
	"github.com/sidecart/sidecart/services/kit/identity"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

func TestItemsOverHTTP(t *testing.T) {
	inShop(t, 2, func(s *shop) {
		<-s.service.journal.Loaded()
		put := map[string]any{"title": "Blue mug", "price": map[string]any{"amount": 1250, "currency": "EUR"}, "quantity": 3}
		var i Item
		s.call("PUT", "/v1/inventory/mug", put).Is(201, &i)
		assert.Equal(t, Item{SKU: "mug", Title: "Blue mug", Price: eur(1250), Received: 3, Available: 3, Version: 1}, i)
		s.call("PUT", "/v1/inventory/mug", put).Is(200, nil)
		put["title"] = "Bluer mug"
		s.call("PUT", "/v1/inventory/mug", put).Is(200, &i)
		assert.Equal(t, "Bluer mug", i.Title)
		assert.Equal(t, i, s.item("mug"))
		s.call("GET", "/v1/inventory/none", nil).Refused(404, "unknown_sku")

		s.call("POST", "/v1/inventory/mug/restock", map[string]any{"id": "d1", "quantity": 4}).Is(200, &i)
		assert.Equal(t, int64(7), i.Available)
		s.call("POST", "/v1/inventory/mug/restock", map[string]any{"id": "d1", "quantity": 4}).Is(200, &i)
		assert.Equal(t, int64(7), i.Available)
		s.call("POST", "/v1/inventory/mug/restock", map[string]any{"id": "d1", "quantity": 5}).Refused(422, "id_reused")
		s.call("POST", "/v1/inventory/none/restock", map[string]any{"id": "d1", "quantity": 5}).Refused(404, "unknown_sku")
		s.stock("mug", 7, 0, 0)
	})
}

// TestTheStockIsTheShops tries every change as an operator of a tenant; the gateway has looked at the role already.
func TestTheStockIsTheShops(t *testing.T) {
	inShop(t, 2, func(s *shop) {
		<-s.service.journal.Loaded()
		s.put("mug", 3)
		put := map[string]any{"title": "Mug", "price": map[string]any{"amount": 1, "currency": "EUR"}, "quantity": 3}
		operator := func(tenant string) identity.Caller {
			return identity.Caller{Subject: "o", Tenant: tenant, Roles: []string{identity.RoleOperator, identity.RoleService}}
		}
		before := s.item("mug")
		for _, who := range []identity.Caller{operator("acme"), identity.Nobody()} {
			s.callAs(who, "PUT", "/v1/inventory/mug", put).Refused(403, errs.CodeForbidden)
			s.callAs(who, "PUT", "/v1/inventory/cup", put).Refused(403, errs.CodeForbidden)
			s.callAs(who, "POST", "/v1/inventory/mug/restock", map[string]any{"id": "d", "quantity": 4}).Refused(403, errs.CodeForbidden)
			s.callAs(who, "POST", "/v1/inventory/mug/reservations", map[string]any{"id": "r", "quantity": 1}).Refused(403, errs.CodeForbidden)
			for _, verb := range []string{"confirm", "release"} {
				s.callAs(who, "POST", "/v1/inventory/mug/reservations/r/"+verb, nil).Refused(403, errs.CodeForbidden)
			}
			s.callAs(who, "GET", "/v1/inventory/mug", nil).Is(200, nil)
			s.callAs(who, "GET", "/v1/inventory", nil).Is(200, nil)
		}
		assert.Equal(t, before, s.item("mug"))
		s.callAs(operator(""), "POST", "/v1/inventory/mug/restock", map[string]any{"id": "d", "quantity": 4}).Is(200, nil)
	})
}

func TestListIsOrderedOverAllShards(t *testing.T) {
	inShop(t, 3, func(s *shop) {
		<-s.service.journal.Loaded()
		var want []string
		for i := range 25 {
			sku := fmt.Sprintf("sku-%02d", i)
			s.put(sku, i)
			want = append(want, sku)
		}
		var got []string
		for cursor, more := "", true; more; more = cursor != "" {
			var page httpx.List[Item]
			s.call("GET", "/v1/inventory?limit=10&cursor="+cursor, nil).Is(200, &page)
			for _, i := range page.Items {
				got = append(got, i.SKU)
			}
			cursor = page.NextCursor
		}
		assert.Equal(t, want, got)
		var all httpx.List[Item]
		s.call("GET", "/v1/inventory", nil).Is(200, &all)
		assert.Len(t, all.Items, 25)
		assert.Empty(t, all.NextCursor)
		for _, query := range []string{"limit=0", "limit=201", "limit=x", "cursor=%20", "limit=1&limit=2", "cursor=%ff"} {
			s.call("GET", "/v1/inventory?"+query, nil).Refused(400, "invalid_request")
		}
	})
}

func TestEmptyListHasItemsThatAreNotNull(t *testing.T) {
	inShop(t, 2, func(s *shop) {
		<-s.service.journal.Loaded()
		a := s.call("GET", "/v1/inventory", nil)
		a.Is(200, nil)
		assert.JSONEq(t, `{"items":[],"next_cursor":""}`, string(a.Body))
	})
}

func TestReservationsOverHTTP(t *testing.T) {
	inShop(t, 2, func(s *shop) {
		<-s.service.journal.Loaded()
		s.put("mug", 5)
		path := "/v1/inventory/mug/reservations"
		reserve := func(id string, quantity, seconds int) httpxtest.Answer {
			return s.call("POST", path, map[string]any{"id": id, "quantity": quantity, "hold_seconds": seconds})
		}
		first := reserve("r1", 2, 60)
		var r reservationAnswer
		first.Is(201, &r)
		assert.Equal(t, StatusReserved, r.Status)
		assert.Equal(t, string(first.Body), string(reserve("r1", 2, 60).Body))
		reserve("r1", 1, 60).Refused(422, "id_reused")
		assert.EqualValues(t, 3, reserve("r2", 4, 60).Refused(409, "sold_out")["available"])
		s.call("POST", "/v1/inventory/none/reservations", map[string]any{"id": "r", "quantity": 1, "hold_seconds": 1}).
			Refused(404, "unknown_sku")

		s.call("POST", path+"/r1/confirm", nil).Is(200, &r)
		assert.Equal(t, StatusConfirmed, r.Status)
		s.call("POST", path+"/r1/confirm", nil).Refused(409, "already_confirmed")
		s.call("POST", path+"/r1/release", nil).Refused(409, "already_confirmed")
		reserve("r3", 1, 60).Is(201, nil)
		s.call("POST", path+"/r3/release", nil).Is(200, &r)
		assert.Equal(t, StatusReleased, r.Status)
		s.call("POST", path+"/r3/confirm", nil).Refused(409, "already_released")
		s.call("POST", path+"/r9/confirm", nil).Refused(404, "unknown_reservation")
		assert.Equal(t, string(first.Body), string(reserve("r1", 2, 60).Body))

		reserve("r4", 3, 5).Is(201, &r)
		s.stock("mug", 0, 3, 2)
		later(time.Until(r.ExpiresAt) + 50*time.Millisecond)
		s.stock("mug", 3, 0, 2)
		s.call("POST", path+"/r4/confirm", nil).Refused(409, "reservation_expired")
		s.call("POST", path+"/r4/release", nil).Refused(409, "reservation_expired")
	})
}

func TestBadInputNamesTheFieldAndChangesNothing(t *testing.T) {
	inShop(t, 2, func(s *shop) {
		<-s.service.journal.Loaded()
		s.put("mug", 5)
		writes := len(s.store.Keys("inventory/journal/"))
		long := strings.Repeat("x", 129)
		for _, c := range []struct{ method, path, body, field string }{
			{"PUT", "/mug", `{`, "body"},
			{"PUT", "/mug", ``, "body"},
			{"PUT", "/mug", `[]`, "body"},
			{"PUT", "/mug", `{"title":"x","price":{"amount":1,"currency":"EUR"},"quantity":1,"more":1}`, "/more"},
			{"PUT", "/mug", `{"price":{"amount":1,"currency":"EUR"},"quantity":1}`, "/title"},
			{"PUT", "/mug", `{"title":" ","price":{"amount":1,"currency":"EUR"},"quantity":1}`, "/title"},
			{"PUT", "/mug", `{"title":"a\u0007","price":{"amount":1,"currency":"EUR"},"quantity":1}`, "/title"},
			{"PUT", "/mug", `{"title":"` + strings.Repeat("é", 201) + `","price":{"amount":1,"currency":"EUR"},"quantity":1}`, "/title"},
			{"PUT", "/mug", `{"title":7,"price":{"amount":1,"currency":"EUR"},"quantity":1}`, "/title"},
			{"PUT", "/mug", `{"title":"x","quantity":1}`, "/price"},
			{"PUT", "/mug", `{"title":"x","price":{"amount":-1,"currency":"EUR"},"quantity":1}`, "/price/amount"},
			{"PUT", "/mug", `{"title":"x","price":{"amount":1e12,"currency":"EUR"},"quantity":1}`, "/price/amount"},
			{"PUT", "/mug", `{"title":"x","price":{"amount":1000000000001,"currency":"EUR"},"quantity":1}`, "/price/amount"},
			{"PUT", "/mug", `{"title":"x","price":{"amount":1.5,"currency":"EUR"},"quantity":1}`, "/price/amount"},
			{"PUT", "/mug", `{"title":"x","price":{"amount":1,"currency":"eur"},"quantity":1}`, "/price/currency"},
			{"PUT", "/mug", `{"title":"x","price":{"amount":1,"currency":"XQQ"},"quantity":1}`, "/price/currency"},
			{"PUT", "/mug", `{"title":"x","price":{"amount":1,"currency":"EUR","x":1},"quantity":1}`, "/price/x"},
			{"PUT", "/mug", `{"title":"x","price":{"amount":1,"currency":"EUR"}}`, "/quantity"},
			{"PUT", "/mug", `{"title":"x","price":{"amount":1,"currency":"EUR"},"quantity":-1}`, "/quantity"},
			{"PUT", "/mug", `{"title":"x","price":{"amount":1,"currency":"EUR"},"quantity":1000000001}`, "/quantity"},
			{"PUT", "/mug", `{"title":"x","price":{"amount":1,"currency":"EUR"},"quantity":99999999999999999999}`, "/quantity"},
			{"PUT", "/mug", `{"title":"x","price":{"amount":1,"currency":"EUR"},"quantity":1,"quantity":2}`, "/quantity"},
			{"PUT", "/b%20d", `{"title":"x","price":{"amount":1,"currency":"EUR"},"quantity":1}`, "sku"},
			{"PUT", "/" + strings.Repeat("x", 65), `{"title":"x","price":{"amount":1,"currency":"EUR"},"quantity":1}`, "sku"},
			{"POST", "/mug/restock", `{"quantity":1}`, "/id"},
			{"POST", "/mug/restock", `{"id":"","quantity":1}`, "/id"},
			{"POST", "/mug/restock", `{"id":"a|b","quantity":1}`, "/id"},
			{"POST", "/mug/restock", `{"id":"` + long + `","quantity":1}`, "/id"},
			{"POST", "/mug/restock", `{"id":"a","quantity":0}`, "/quantity"},
			{"POST", "/mug/restock", `{"id":"a","quantity":"1"}`, "/quantity"},
			{"POST", "/mug/reservations", `{"id":"a","quantity":0,"hold_seconds":1}`, "/quantity"},
			{"POST", "/mug/reservations", `{"id":"a","quantity":1,"hold_seconds":0}`, "/hold_seconds"},
			{"POST", "/mug/reservations", `{"id":"a","quantity":1}`, "/hold_seconds"},
			{"POST", "/mug/reservations", `{"id":"a","quantity":1,"hold_seconds":86401}`, "/hold_seconds"},
			{"POST", "/mug/reservations", `{"id":"a` + "\xff" + `","quantity":1,"hold_seconds":1}`, ""},
			{"POST", "/mug/reservations/a%7Cb/confirm", ``, "id"},
			{"POST", "/mug/reservations/" + long + "/release", ``, "id"},
		} {
			a := s.send(c.method, "/v1/inventory"+c.path, "application/json", []byte(c.body))
			p := a.Refused(http.StatusBadRequest, "invalid_request")
			if c.field != "" {
				assert.Equal(t, c.field, p["errors"].([]any)[0].(map[string]any)["field"], "%s %s", c.path, c.body)
			}
		}
		s.send("PUT", "/v1/inventory/mug", "text/plain", []byte(`{}`)).Refused(415, "unsupported_media_type")
		s.send("PUT", "/v1/inventory/mug", "application/json", []byte(strings.Repeat(" ", 70_000))).Refused(413, "body_too_large")
		assert.Len(t, s.store.Keys("inventory/journal/"), writes)
		s.stock("mug", 5, 0, 0)
	})
}

func TestContractExamplesFitTheirSchemas(t *testing.T) { httpxtest.Load(t, contract) }

func TestNothingIsAnsweredBeforeTheStateIsLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		s := newShop(t, 2, journaltest.NewStore(), journaltest.Faults{
			Script: func(string, string, int) (journaltest.Fault, bool) { return journaltest.FailBefore, down.Load() },
		})
		defer s.stop()
		reserve := map[string]any{"id": "r", "quantity": 1, "hold_seconds": 60}
		for _, a := range []httpxtest.Answer{
			s.call("GET", "/v1/inventory/mug", nil), s.call("GET", "/v1/inventory", nil),
			s.call("POST", "/v1/inventory/mug/reservations", reserve), s.hold("o", 60, "mug", 1),
			s.call("POST", "/internal/holds/o/release", inventoryapi.ReleaseRequest{SKUs: []string{"mug"}}),
		} {
			a.Refused(503, "unavailable")
			assert.NotEmpty(t, a.Header.Get("Retry-After"))
		}
		assert.Error(t, s.service.Ready())
		down.Store(false)
		<-s.service.journal.Loaded()
		later(time.Second)
		assert.NoError(t, s.service.Ready())
		s.put("mug", 1)
		down.Store(true)
		s.call("GET", "/v1/inventory/mug", nil).Refused(503, "unavailable")
		s.call("POST", "/v1/inventory/mug/reservations", reserve).Refused(503, "outcome_unknown")
		down.Store(false)
		later(time.Minute)
		s.call("POST", "/v1/inventory/mug/reservations", reserve).Is(201, nil)
		s.stock("mug", 0, 1, 0)
	})
}

func TestNewRefusesWhatMakesNoSense(t *testing.T) {
	_, err := New(Config{SweepEvery: time.Microsecond}, host.Deps{})
	assert.ErrorContains(t, err, "SweepEvery")
	_, err = New(Config{Journal: journal.Config{Shards: -1}}, host.Deps{})
	assert.ErrorContains(t, err, "Shards")
}
