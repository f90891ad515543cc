package order

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/money"
	"github.com/sidecart/sidecart/services/order/orderapi"
	"github.com/sidecart/sidecart/services/payment/paymentapi"
)

func TestBuyAndPay(t *testing.T) {
	inShop(t, options{}, func(s *shop) {
		s.stock.available["mug"] = 5
		a := s.place("k1", basket("mug", 2))
		o := a.order(201)
		assert.Equal(t, orderapi.StatusAwaitingPayment, o.Status)
		assert.Equal(t, money.Of(200, "EUR"), o.Total)
		assert.Equal(t, "/v1/orders/"+o.ID, a.Header.Get("Location"))
		assert.Empty(t, a.Header.Get(orderapi.HeaderReplayed))
		assert.Equal(t, o.PlacedAt.Add(defaultPayWithin), o.PayBy)
		assert.NotContains(t, string(a.Body), "example.com", "the contact is not shown")

		again := s.place("k1", basket("mug", 2))
		assert.Equal(t, o, again.order(201))
		assert.Equal(t, "true", again.Header.Get(orderapi.HeaderReplayed))
		s.place("k1", basket("mug", 1)).Refused(422, orderapi.CodeIdempotencyKeyReused)
		assert.Equal(t, int64(3), s.stock.available["mug"])
		assert.Equal(t, 1, s.stock.asked)

		assert.Equal(t, "pending", s.pay(o.ID, "card").order(202).Payment.Status)
		s.pay(o.ID, "card").order(202)
		s.pay(o.ID, "transfer").Refused(409, orderapi.CodePaymentPending)
		s.payments.says(paymentapi.Declined{OrderID: o.ID, Attempt: 1, Reason: "card_declined"})
		later(5 * time.Second)
		assert.Equal(t, &orderapi.PaymentAnswer{Method: "card", Status: "declined", Attempt: 1, Reason: "card_declined"}, s.get(o.ID).Payment)
		s.pay(o.ID, "transfer").order(202)
		s.payments.says(paymentapi.Charged{OrderID: o.ID, Attempt: 2, ChargeID: "ch", Amount: o.Total})
		later(5 * time.Second)
		assert.Equal(t, orderapi.StatusPaid, s.get(o.ID).Status)
		s.pay(o.ID, "card").Refused(409, orderapi.CodeAlreadyPaid)
		s.call("POST", "/v1/orders/"+o.ID+"/cancel", nil).Refused(409, orderapi.CodeAlreadyPaid)
		assert.Equal(t, o, s.place("k1", basket("mug", 2)).order(201), "still the first answer")
	})
}

func TestRefusalsOfInventory(t *testing.T) {
	inShop(t, options{}, func(s *shop) {
		s.stock.available["mug"], s.stock.available["cup"] = 1, 0
		p := s.place("k1", basket("mug", 2, "cup", 1)).Refused(409, inventoryapi.CodeSoldOut)
		assert.Len(t, p["skus"], 2)
		p = s.place("k2", basket("hat", 1)).Refused(422, inventoryapi.CodeUnknownSKU)
		assert.Equal(t, []any{"hat"}, p["unknown_skus"])

		s.stock.available["mug"], s.stock.available["cup"] = 2, 1
		s.place("k1", basket("mug", 2, "cup", 1)).order(201) // there is stock now
	})
}

func TestMixedCurrenciesLetGoOfTheHold(t *testing.T) {
	inShop(t, options{}, func(s *shop) {
		s.stock.available["mug"], s.stock.available["cup"] = 1, 1
		s.stock.currency["cup"] = "USD"
		s.place("k1", basket("mug", 1, "cup", 1)).Refused(422, orderapi.CodeMixedCurrencies)
		assert.Empty(t, s.stock.holds)
	})
}

func TestUnknownOutcomesAreSafeToRepeat(t *testing.T) {
	inShop(t, options{}, func(s *shop) {
		s.stock.available["mug"] = 5
		s.stock.answer = func() error { return errs.OutcomeUnknown(nil) }
		s.place("k1", basket("mug", 1)).Refused(503, errs.CodeOutcomeUnknown)
		s.stock.answer = nil
		s.holds.down.Store(true)
		s.place("k1", basket("mug", 1)).Refused(503, errs.CodeOutcomeUnknown)
		s.holds.down.Store(false)
		o := s.place("k1", basket("mug", 1)).order(201)
		assert.Equal(t, int64(4), s.stock.available["mug"], "held once")

		s.stock.answer = func() error { return errs.InvalidField("/id", "is ugly") }
		s.place("k2", basket("mug", 1)).Refused(500, errs.CodeInternal)
		s.replicas[0].state.Cut()
		s.pay(o.ID, "card").Refused(503, errs.CodeOutcomeUnknown)
		s.stock.answer = nil
		before := s.stock.available["mug"]
		s.place("k3", basket("mug", 1)).Refused(503, errs.CodeOutcomeUnknown)
		assert.Equal(t, before-1, s.stock.available["mug"], "it stays held: the order may be recorded")
	})
}

func TestAKeyWhoseHoldExpiredUnrecorded(t *testing.T) {
	inShop(t, options{}, func(s *shop) {
		s.stock.available["mug"] = 1
		s.stock.answer = func() error { return errs.OutcomeUnknown(nil) }
		s.place("k1", basket("mug", 1)).Refused(503, errs.CodeOutcomeUnknown)
		s.stock.answer = nil
		later(defaultPayWithin + maxHoldMargin/2)
		s.place("k1", basket("mug", 1)).Refused(503, orderapi.CodeHoldExpired)
		later(maxHoldMargin)
		s.place("k1", basket("mug", 1)).order(201)
	})
}

func TestTheSameKeyAtTheSameMoment(t *testing.T) {
	inShop(t, options{replicas: 2}, func(s *shop) {
		s.stock.available["mug"], s.stock.available["cup"] = 100, 100
		other := basket("mug", 1)
		other.Customer = "bob"
		bodies := []orderapi.PlaceRequest{basket("mug", 1), basket("mug", 1), basket("mug", 1), other, basket("cup", 1)}
		answers := make([]answer, 4*len(bodies))
		var group sync.WaitGroup
		for i := range answers {
			group.Go(func() {
				answers[i] = s.callAt(i%2, "POST", "/v1/orders", bodies[i%len(bodies)], "Idempotency-Key", "k")
			})
		}
		group.Wait()
		fresh := map[string]bool{}
		shapes := map[string]bool{}
		for i, a := range answers {
			if a.Status == 201 {
				o := a.order(201)
				shapes[o.Customer+o.Lines[0].SKU] = true
				if a.Header.Get(orderapi.HeaderReplayed) == "" {
					fresh[o.ID] = true
				}
				assert.Equal(t, bodies[i%len(bodies)].Customer, o.Customer)
				continue
			}
			a.Refused(422, orderapi.CodeIdempotencyKeyReused)
		}
		assert.Len(t, fresh, 1)
		assert.Len(t, shapes, 1, "all who got it asked for the same")
		assert.Equal(t, int64(199), s.stock.available["mug"]+s.stock.available["cup"])
	})
}

func TestAnotherReplicaKnowsTheOrderAtOnce(t *testing.T) {
	inShop(t, options{replicas: 2}, func(s *shop) {
		s.stock.available["mug"] = 5
		o := s.place("k1", basket("mug", 1)).order(201)
		s.callAt(1, "GET", "/v1/orders/"+o.ID, nil).order(200)
		o = s.place("k2", basket("mug", 1)).order(201)
		s.callAt(1, "POST", "/v1/orders/"+o.ID+"/cancel", nil).order(200)
		assert.Equal(t, orderapi.StatusCancelled, s.get(o.ID).Status, "what happened at the other replica shows")

		late := s.callAt(1, "POST", "/v1/orders", basket("mug", 1), orderapi.HeaderIdempotency, "k3").order(201)
		var list httpx.List[orderapi.OrderAnswer]
		s.call("GET", "/v1/orders?customer="+basket().Customer, nil).Is(200, &list)
		require.Len(t, list.Items, 3)
		assert.Contains(t, []string{list.Items[0].ID, list.Items[1].ID, list.Items[2].ID}, late.ID)
	})
}

func TestNotPaidInTimeIsCancelled(t *testing.T) {
	inShop(t, options{config: Config{PayWithin: 10 * time.Second}}, func(s *shop) {
		s.stock.available["mug"] = 5
		late, paid := s.place("k1", basket("mug", 1)).order(201), s.place("k2", basket("mug", 1)).order(201)
		s.pay(paid.ID, "card").order(202)

		s.payments.down.Store(true)
		s.payments.says(paymentapi.Charged{OrderID: paid.ID, Attempt: 1, ChargeID: "ch", Amount: paid.Total})
		later(10 * time.Minute)
		assert.Equal(t, orderapi.StatusAwaitingPayment, s.get(late.ID).Status, "while payment is away a charge may have landed")
		s.pay(late.ID, "card").Refused(409, orderapi.CodeOrderExpired)

		s.payments.down.Store(false)
		later(time.Minute)
		assert.Equal(t, orderapi.StatusPaid, s.get(paid.ID).Status)
		o := s.get(late.ID)
		assert.Equal(t, []string{orderapi.StatusCancelled, orderapi.ReasonNotPaidInTime}, []string{o.Status, o.CancelReason})
		s.pay(late.ID, "card").Refused(409, orderapi.CodeOrderCancelled)
	})
}

func TestCancelThenCharged(t *testing.T) {
	inShop(t, options{}, func(s *shop) {
		s.stock.available["mug"] = 5
		o := s.place("k1", basket("mug", 1)).order(201)
		s.pay(o.ID, "card").order(202)
		assert.Equal(t, orderapi.ReasonCustomer, s.call("POST", "/v1/orders/"+o.ID+"/cancel", nil).order(200).CancelReason)
		s.call("POST", "/v1/orders/"+o.ID+"/cancel", nil).Refused(409, orderapi.CodeAlreadyCancelled)
		s.payments.says(paymentapi.Charged{OrderID: o.ID, Attempt: 1, ChargeID: "ch", Amount: o.Total})
		later(10 * time.Minute)
		assert.Equal(t, orderapi.PaymentRefundPending, s.get(o.ID).Payment.Status)
		s.payments.says(paymentapi.Refunded{OrderID: o.ID, ChargeID: "ch"})
		later(10 * time.Minute)
		assert.Equal(t, orderapi.StatusRefunded, s.get(o.ID).Status)
		assert.False(t, s.replicas[0].inMemory(o.ID))
		s.call("POST", "/v1/orders/"+o.ID+"/cancel", nil).Refused(409, orderapi.CodeAlreadyRefunded)
	})
}

func TestStockLostAfterArchiving(t *testing.T) {
	inShop(t, options{}, func(s *shop) {
		s.stock.available["mug"] = 5
		o := s.place("k1", basket("mug", 1)).order(201)
		s.pay(o.ID, "card").order(202)
		s.payments.says(paymentapi.Charged{OrderID: o.ID, Attempt: 1, ChargeID: "ch", Amount: o.Total})
		later(10 * time.Minute)
		require.False(t, s.replicas[0].inMemory(o.ID))
		assert.Equal(t, orderapi.StatusPaid, s.get(o.ID).Status)
		s.pay(o.ID, "transfer").Refused(409, orderapi.CodeAlreadyPaid)
		assert.Equal(t, orderapi.StatusPaid, s.pay(o.ID, "card").order(202).Status, "a repeat of what paid it")

		s.holds.says(inventoryapi.HoldLost{OrderID: o.ID, SKUs: []string{"mug"}})
		later(5 * time.Second)
		require.True(t, s.replicas[0].inMemory(o.ID))
		s.payments.says(paymentapi.Refunded{OrderID: o.ID, ChargeID: "ch"})
		later(10 * time.Minute)
		require.False(t, s.replicas[0].inMemory(o.ID))
		again := s.get(o.ID)
		assert.Equal(t, []string{orderapi.StatusRefunded, orderapi.ReasonStockLost}, []string{again.Status, again.CancelReason})
		assert.Empty(t, s.replicas[0].service.log.Parked())
	})
}

func TestBadInputNamesTheField(t *testing.T) {
	inShop(t, options{}, func(s *shop) {
		line := func(rest string) string {
			return `{"customer":"ada","contact":{"email":"ada@example.com"},"lines":[` + rest + `]}`
		}
		many := strings.Repeat(`{"sku":"a","quantity":1},`, orderapi.MaxLines)
		contact := func(c string) string {
			return `{"customer":"ada","contact":` + c + `,"lines":[{"sku":"mug","quantity":1}]}`
		}
		for _, c := range []struct {
			body, field string
			status      int
		}{
			{line(``), "/lines", 400},
			{line(many + `{"sku":"b","quantity":1}`), "/lines", 400},
			{line(`{"sku":"mug","quantity":0}`), "/lines/0/quantity", 400},
			{line(`{"sku":"mug","quantity":-1}`), "/lines/0/quantity", 400},
			{line(`{"sku":"mug","quantity":1001}`), "/lines/0/quantity", 400},
			{line(`{"sku":"mug","quantity":1.5}`), "/lines/0/quantity", 400},
			{line(`{"sku":"mug"}`), "/lines/0/quantity", 400},
			{line(`{"sku":"a mug","quantity":1}`), "/lines/0/sku", 400},
			{line(`{"sku":"..","quantity":1}`), "/lines/0/sku", 400},
			{line(`{"sku":"mug","quantity":1},{"sku":"mug","quantity":1}`), "/lines/1/sku", 422},
			{line(`{"sku":"mug","quantity":1,"price":1}`), "/lines/0/price", 400},
			{contact(`{}`), "/contact", 400},
			{contact(`{"email":"ada"}`), "/contact/email", 400},
			{contact(`{"email":"Ada <ada@example.com>"}`), "/contact/email", 400},
			{contact(`{"email":"ada@example.com\r\nBcc: eve@example.com"}`), "/contact/email", 400},
			{contact(`{"email":"` + strings.Repeat("a", 250) + `@example.com"}`), "/contact/email", 400},
			{contact(`{"phone":"call me"}`), "/contact/phone", 400},
			{contact(`{"phone":"+12"}`), "/contact/phone", 400},
			{contact(`{"phone":"+1234567890123456"}`), "/contact/phone", 400},
			{strings.Replace(line(`{"sku":"mug","quantity":1}`), `"ada"`, `""`, 1), "/customer", 400},
			{strings.Replace(line(`{"sku":"mug","quantity":1}`), `"ada"`, `"a\nb"`, 1), "/customer", 400},
			{strings.Replace(line(`{"sku":"mug","quantity":1}`), `"ada"`, `"`+strings.Repeat("ä", 129)+`"`, 1), "/customer", 400},
		} {
			p := s.call("POST", "/v1/orders", c.body, "Idempotency-Key", "k").Refused(c.status, errs.CodeInvalidRequest)
			assert.Equal(t, c.field, p["errors"].([]any)[0].(map[string]any)["field"], c.body)
		}
		ok := basket("mug", 1)
		for _, key := range []string{"", strings.Repeat("k", 129), "a\x7fb", "ä"} {
			p := s.call("POST", "/v1/orders", ok, "Idempotency-Key", key).Refused(400, errs.CodeInvalidRequest)
			assert.Equal(t, "Idempotency-Key", p["errors"].([]any)[0].(map[string]any)["field"])
		}
		for path, field := range map[string]string{
			"/v1/orders": "customer", "/v1/orders?customer=": "customer", "/v1/orders?customer=a&limit=0": "limit",
			"/v1/orders?customer=a&cursor=%7C": "cursor", "/v1/orders?customer=a&cursor=MTIz": "cursor", "/v1/orders/%7C": "id",
		} {
			p := s.call("GET", path, nil).Refused(400, errs.CodeInvalidRequest)
			assert.Equal(t, field, p["errors"].([]any)[0].(map[string]any)["field"], path)
		}
		for _, method := range []string{"", "Card", "card one", strings.Repeat("m", 65)} {
			s.pay("x", method).Refused(400, errs.CodeInvalidRequest)
		}
		s.pay("x", "card").Refused(404, orderapi.CodeUnknownOrder)
		s.call("GET", "/v1/orders/x", nil).Refused(404, orderapi.CodeUnknownOrder)
		s.call("POST", "/v1/orders/x/cancel", nil).Refused(404, orderapi.CodeUnknownOrder)
		assert.Zero(t, s.stock.asked, "nothing was asked of inventory")
	})
}

// listed reads a customer's list page by page.
func (s *shop) listed(customer string, limit int) (ids []string) {
	cursor := ""
	for {
		var page httpx.List[orderapi.OrderAnswer]
		s.call("GET", fmt.Sprintf("/v1/orders?customer=%s&limit=%d&cursor=%s", customer, limit, cursor), nil).Is(200, &page)
		for _, o := range page.Items {
			require.Equal(s.t, customer, o.Customer)
			ids = append(ids, o.ID)
		}
		if cursor = page.NextCursor; cursor == "" {
			return ids
		}
		require.Len(s.t, page.Items, limit)
	}
}

func TestListsIncludeWhatIsArchived(t *testing.T) {
	inShop(t, options{config: Config{PayWithin: time.Hour}}, func(s *shop) {
		s.stock.available["mug"] = 1000
		var want []string
		for i := range 25 {
			o := s.place(fmt.Sprint("k", i), basket("mug", 1)).order(201)
			want = append([]string{o.ID}, want...)
			if i%3 != 0 {
				s.call("POST", "/v1/orders/"+o.ID+"/cancel", nil).order(200)
			}
			later(time.Second)
		}
		other := basket("mug", 1)
		other.Customer = "bob"
		s.place("bob", other).order(201)
		assert.Equal(t, want, s.listed("ada", 4))
		later(10 * time.Minute)
		inMemory := 0
		for _, id := range want {
			if s.replicas[0].inMemory(id) {
				inMemory++
			}
		}
		assert.Equal(t, 9, inMemory, "those that await payment")
		assert.Equal(t, want, s.listed("ada", 4))
		assert.Equal(t, want, s.listed("ada", 200))
		assert.Len(t, s.listed("bob", 1), 1)
		assert.Empty(t, s.listed("eve", 1))
	})
}

// TestEverythingSurvivesTroubleAndARestart runs sales on a store that fails in every way and checks, after a
// restart, that what was acknowledged is there, once.
func TestEverythingSurvivesTroubleAndARestart(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { sellInTrouble(t, seed) })
		})
	}
}

func sellInTrouble(t *testing.T, seed uint64) {
	faults := trouble(seed)
	s := newShop(t, options{replicas: 2, faults: faults, config: Config{PayWithin: time.Hour}})
	s.stock.available["mug"] = 1000
	want := map[string]string{} // id → status
	until := func(do func() answer) answer {
		for {
			a := do()
			if a.Status != 503 {
				return a
			}
			later(time.Second)
		}
	}
	for i := range 18 {
		key, r := fmt.Sprint("k", i), i%2
		o := until(func() answer {
			return s.callAt(r, "POST", "/v1/orders", basket("mug", 1), "Idempotency-Key", key)
		}).order(201)
		want[o.ID] = orderapi.StatusAwaitingPayment
		switch i % 3 {
		case 0:
			until(func() answer {
				return s.callAt(r, "POST", "/v1/orders/"+o.ID+"/payment", orderapi.PayRequest{Method: "card"})
			}).order(202)
			s.payments.says(paymentapi.Charged{OrderID: o.ID, Attempt: 1, ChargeID: "ch-" + o.ID, Amount: o.Total})
			want[o.ID] = orderapi.StatusPaid
		case 1:
			a := until(func() answer { return s.callAt(r, "POST", "/v1/orders/"+o.ID+"/cancel", nil) })
			if a.Status != 200 { // an earlier try had done it
				a.Refused(409, orderapi.CodeAlreadyCancelled)
			}
			want[o.ID] = orderapi.StatusCancelled
		}
	}
	later(10 * time.Minute)
	require.Equal(t, int64(1000-len(want)), s.stock.available["mug"])
	for _, restarted := range []bool{false, true} {
		if restarted {
			s.stop()
			s = newShop(t, options{store: s.store, stock: s.stock, config: Config{PayWithin: time.Hour}})
			later(10 * time.Minute)
		}
		for id, status := range want {
			o := until(func() answer { return s.call("GET", "/v1/orders/"+id, nil) }).order(200)
			require.Equal(t, status, o.Status)
			require.Equal(t, status == orderapi.StatusAwaitingPayment, s.replicas[0].inMemory(id), "what is finished has left memory")
		}
	}
	require.Len(t, s.listed("ada", 7), len(want))
	require.Empty(t, s.replicas[0].service.log.Parked())
	s.stop()
}
