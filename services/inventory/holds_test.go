package inventory

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx/httpxtest"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// spread gives n SKUs of which neighbours live in different shards.
func (s *shop) spread(n int) []string {
	<-s.service.journal.Loaded()
	var skus []string
	for i := 0; len(skus) < n; i++ {
		sku := fmt.Sprint("s", i)
		if s.service.journal.ShardOf(sku) == len(skus)%s.service.journal.Shards() {
			skus = append(skus, sku)
		}
	}
	return skus
}

func TestHoldOverShardsIsAllOrNothing(t *testing.T) {
	inShop(t, 2, func(s *shop) {
		skus := s.spread(4)
		for i, sku := range skus {
			s.put(sku, i+1) // 1, 2, 3, 4
		}
		var h inventoryapi.Hold
		s.hold("o1", 60, skus[3], 1, skus[0], 1).Is(201, &h)
		assert.Equal(t, []string{skus[3], skus[0]}, []string{h.Lines[0].SKU, h.Lines[1].SKU}, "in the request's order")
		assert.Equal(t, eur(100), h.Lines[0].UnitPrice)
		var again inventoryapi.Hold
		s.hold("o1", 60, skus[0], 1, skus[3], 1).Is(201, &again)
		assert.Equal(t, h.ExpiresAt, again.ExpiresAt)
		s.hold("o1", 60, skus[0], 1, skus[3], 2).Refused(422, "id_reused")
		s.hold("o1", 60, skus[0], 1).Refused(422, "id_reused")

		p := s.hold("o2", 60, skus[0], 1, skus[1], 1, skus[2], 9, skus[3], 9).Refused(409, "sold_out")
		assert.Len(t, p["skus"], 3)
		p = s.hold("o2", 60, skus[0], 1, skus[1], 1, "nope-1", 1, "nope-2", 1, "nope-3", 1).Refused(422, "unknown_sku")
		assert.Equal(t, []any{"nope-1", "nope-2", "nope-3"}, p["unknown_skus"])
		s.stock(skus[0], 0, 1, 0)
		s.stock(skus[1], 2, 0, 0)
		s.stock(skus[2], 3, 0, 0)
		s.stock(skus[3], 3, 1, 0)
		s.hold("o2", 60, skus[1], 2).Is(201, nil) // the refused id is still free
	})
}

func TestHoldRefusedInALaterShardIsReleasedInTheEarlierOnes(t *testing.T) {
	inShop(t, 2, func(s *shop) {
		skus := s.spread(2)
		s.put(skus[0], 1)
		s.put(skus[1], 1)
		h := s.service.begin(inventoryapi.HoldRequest{ID: "o1", HoldSeconds: 60, Lines: lines(skus[0], 1, skus[1], 1)})
		require.Len(t, h.parts, 2)
		require.True(t, s.service.holdNext(s.t.Context(), []*holding{h}))
		require.Equal(t, 1, h.held)
		s.stock(skus[0], 0, 1, 0)
		s.hold("o2", 60, skus[1], 1).Is(201, nil)
		require.True(t, s.service.holdNext(s.t.Context(), []*holding{h}))
		require.True(t, errs.HasCode(h.err, inventoryapi.CodeSoldOut), "%v", h.err)
		s.stock(skus[0], 1, 0, 0)
		s.stock(skus[1], 0, 1, 0)
	})
}

func TestBadHoldsNameTheField(t *testing.T) {
	inShop(t, 2, func(s *shop) {
		<-s.service.journal.Loaded()
		field := func(a httpxtest.Answer) any {
			return a.Refused(400, "invalid_request")["errors"].([]any)[0].(map[string]any)["field"]
		}
		assert.Equal(t, "/id", field(s.hold("", 60, "a", 1)))
		assert.Equal(t, "/hold_seconds", field(s.hold("o", 0, "a", 1)))
		assert.Equal(t, "/lines", field(s.hold("o", 60)))
		assert.Equal(t, "/lines/1/sku", field(s.hold("o", 60, "a", 1, "a", 1)))
		assert.Equal(t, "/lines/1/quantity", field(s.hold("o", 60, "a", 1, "b", 0)))
		assert.Equal(t, "/skus", field(s.call("POST", "/internal/holds/o/release", inventoryapi.ReleaseRequest{SKUs: []string{}})))
		assert.Equal(t, "/skus/0", field(s.call("POST", "/internal/holds/o/release", inventoryapi.ReleaseRequest{SKUs: []string{"a b"}})))
	})
}

func TestReleaseOfAHoldWithoutOrder(t *testing.T) {
	inShop(t, 2, func(s *shop) {
		skus := s.spread(2)
		s.put(skus[0], 1)
		s.put(skus[1], 1)
		release := func() {
			s.call("POST", "/internal/holds/o1/release", inventoryapi.ReleaseRequest{SKUs: skus}).Is(204, nil)
		}
		s.hold("o1", 60, skus[0], 1, skus[1], 1).Is(201, nil)
		release()
		release()
		s.stock(skus[0], 1, 0, 0)
		s.stock(skus[1], 1, 0, 0)
	})
}

func TestManyBuyersOfFewUnits(t *testing.T) {
	inShop(t, 2, func(s *shop) {
		skus := s.spread(2)
		s.put(skus[0], 20)
		s.put(skus[1], 20)
		var wg sync.WaitGroup
		statuses := make([]int, 100)
		for i := range statuses {
			wg.Go(func() { statuses[i] = s.hold(fmt.Sprint("o", i), 60, skus[0], 1, skus[1], 1).Status })
		}
		wg.Wait()
		won := 0
		for _, status := range statuses {
			if status == 201 {
				won++
			}
		}
		require.Equal(t, 20, won)
		s.stock(skus[0], 0, 20, 0)
		s.stock(skus[1], 0, 20, 0)
	})
}

// Two replicas on a store that loses replies, fails and is late. Buyers repeat what has an unknown outcome with the
// same id, on whichever replica, until they get an answer. Everybody with an answer has exactly what it says.
func TestReplicasOnABadStoreNeverOversell(t *testing.T) {
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			store := journaltest.NewStore()
			faults := journaltest.Faults{Seed: seed, FailBefore: 0.05, FailAfter: 0.1, PlainConflict: 0.3, Delay: 0.2, StallLate: 0.02}
			a, b := newShop(t, 2, store, faults), newShop(t, 2, store, faults)
			defer a.stop()
			defer b.stop()
			<-a.service.journal.Loaded()
			<-b.service.journal.Loaded()
			skus := a.spread(2)
			for _, sku := range skus {
				put := map[string]any{"title": "x", "price": map[string]any{"amount": 1, "currency": "EUR"}, "quantity": 10}
				untilKnown(func(int) httpxtest.Answer { return a.call("PUT", "/v1/inventory/"+sku, put) })
			}
			var wg sync.WaitGroup
			outcomes := make([]int, 40)
			for i := range outcomes {
				wg.Go(func() {
					outcomes[i] = untilKnown(func(try int) httpxtest.Answer {
						s := []*shop{a, b}[(i+try)%2]
						return s.hold(fmt.Sprint("o", i), 3600, skus[0], 1, skus[1], 1)
					}).Status
				})
			}
			wg.Wait()
			held := 0
			for _, status := range outcomes {
				require.Contains(t, []int{201, 409}, status)
				if status == 201 {
					held++
				}
			}
			for _, s := range []*shop{a, b} {
				for _, sku := range skus {
					var i Item
					untilKnown(func(int) httpxtest.Answer { return s.call("GET", "/v1/inventory/"+sku, nil) }).Is(200, &i)
					require.Equal(t, int64(10), i.Received)
					require.Zero(t, i.Sold)
					// What a refused buyer could not release for sure waits for its expiry.
					require.GreaterOrEqual(t, i.Reserved, int64(held), "seed %d", seed)
					require.LessOrEqual(t, i.Reserved, int64(10))
				}
			}
			later(2 * time.Hour)
			for _, sku := range skus {
				var i Item
				untilKnown(func(int) httpxtest.Answer { return a.call("GET", "/v1/inventory/"+sku, nil) }).Is(200, &i)
				require.Equal(t, int64(10), i.Available, "seed %d", seed)
			}
		})
	}
}

// untilKnown repeats a call until its outcome is known.
func untilKnown(call func(try int) httpxtest.Answer) httpxtest.Answer {
	for try := 0; ; try++ {
		if a := call(try); a.Status != 503 || try == 1000 {
			return a
		}
		<-time.After(100 * time.Millisecond) // the bubble's clock
	}
}

func TestOrderEventsSettleHolds(t *testing.T) {
	inShop(t, 2, func(s *shop) {
		skus := s.spread(2)
		s.put(skus[0], 5)
		s.put(skus[1], 5)
		s.hold("o1", 60, skus[0], 1, skus[1], 2).Is(201, nil)
		s.hold("o2", 60, skus[0], 1, skus[1], 2).Is(201, nil)
		s.order(paid("o1", skus[0], 1, skus[1], 2))
		s.order(cancelled("o2", orderapi.ReasonCustomer, skus[0], 1, skus[1], 2))
		later(5 * time.Second)
		s.stock(skus[0], 4, 0, 1)
		s.stock(skus[1], 3, 0, 2)
		later(5 * time.Minute)
		s.stock(skus[0], 4, 0, 1)
	})
}

func TestHoldWithoutOrderExpires(t *testing.T) {
	inShop(t, 2, func(s *shop) {
		skus := s.spread(2)
		s.put(skus[0], 5)
		s.hold("o1", 60, skus[0], 5).Is(201, nil)
		later(59 * time.Second)
		s.stock(skus[0], 0, 5, 0)
		later(6 * time.Second) // the order journal has to be heard first
		s.stock(skus[0], 5, 0, 0)
	})
}

func TestHoldOfAPaidOrderOutlivesAnOutage(t *testing.T) {
	inShop(t, 2, func(s *shop) {
		skus := s.spread(2)
		s.put(skus[0], 5)
		s.hold("o1", 60, skus[0], 3).Is(201, nil)
		s.hold("o2", 60, skus[0], 1).Is(201, nil)
		s.call("POST", "/v1/inventory/"+skus[0]+"/reservations", map[string]any{"id": "r", "quantity": 1, "hold_seconds": 60}).Is(201, nil)
		later(3 * time.Second)
		s.ordersUp.Store(false)
		s.order(paid("o1", skus[0], 3))
		later(10 * time.Minute)
		s.stock(skus[0], 1, 4, 0) // the reservation is over, the holds are not
		s.ordersUp.Store(true)
		later(2 * time.Minute)
		s.stock(skus[0], 2, 0, 3)
	})
}

func TestPaymentAfterExpiryTakesStockOrSaysItIsLost(t *testing.T) {
	inShop(t, 2, func(s *shop) {
		skus := s.spread(2)
		s.put(skus[0], 5)
		s.put(skus[1], 1)
		s.hold("o1", 5, skus[0], 1, skus[1], 1).Is(201, nil)
		later(15 * time.Second)
		s.hold("o2", 600, skus[1], 1).Is(201, nil)
		s.order(paid("o1", skus[0], 1, skus[1], 1))
		later(5 * time.Second)
		s.stock(skus[0], 4, 0, 1)
		s.stock(skus[1], 0, 1, 0)
		lost := 0
		for shard := range s.service.journal.Shards() {
			segments, err := s.service.journal.Segments(s.t.Context(), shard, 0, 100)
			require.NoError(t, err)
			for _, segment := range segments {
				for _, r := range segment.Events {
					if e, err := inventoryapi.Types().Decode(r); err == nil && e.EventType() == (inventoryapi.HoldLost{}).EventType() {
						assert.Equal(t, inventoryapi.HoldLost{OrderID: "o1", SKUs: []string{skus[1]}}, e)
						lost++
					}
				}
			}
		}
		assert.Equal(t, 1, lost)
		s.order(cancelled("o1", orderapi.ReasonStockLost, skus[0], 1, skus[1], 1))
		later(5 * time.Second)
		s.stock(skus[0], 5, 0, 0)
		s.stock(skus[1], 0, 1, 0)
	})
}

func TestRestartKeepsEverything(t *testing.T) {
	inShop(t, 2, func(s *shop) {
		skus := s.spread(2)
		s.put(skus[0], 5)
		s.hold("o1", 60, skus[0], 3).Is(201, nil)
		reserve := map[string]any{"id": "r", "quantity": 1, "hold_seconds": 60}
		first := s.call("POST", "/v1/inventory/"+skus[0]+"/reservations", reserve)
		first.Is(201, nil)
		s.stop()
		again := newShop(s.t, 2, s.store, journaltest.Faults{})
		defer again.stop()
		<-again.service.journal.Loaded()
		again.stock(skus[0], 1, 4, 0)
		assert.Equal(t, string(first.Body), string(again.call("POST", "/v1/inventory/"+skus[0]+"/reservations", reserve).Body))
		again.order(paid("o1", skus[0], 3))
		later(2 * time.Minute)
		again.stock(skus[0], 2, 0, 3)
	})
}

func (s *shop) holds(asks ...inventoryapi.HoldRequest) []inventoryapi.HoldResult {
	s.t.Helper()
	var answer inventoryapi.HoldsAnswer
	s.call("POST", "/internal/holds/batch", inventoryapi.HoldsRequest{Holds: asks}).Is(200, &answer)
	require.Len(s.t, answer.Results, len(asks))
	return answer.Results
}

func TestHoldsOfSeveralOrdersAreAnsweredOneByOne(t *testing.T) {
	inShop(t, 2, func(s *shop) {
		skus := s.spread(2)
		s.put(skus[0], 3)
		s.put(skus[1], 1)
		ask := func(id string, pairs ...any) inventoryapi.HoldRequest {
			return inventoryapi.HoldRequest{ID: id, HoldSeconds: 60, Lines: lines(pairs...)}
		}
		before := len(s.store.Keys("inventory/journal/"))
		results := s.holds(
			ask("o0", skus[1], 1, skus[0], 1), ask("o1", skus[0], 1), ask("o2", skus[0], 9, "nope", 1), ask("o3", skus[0], 9),
			ask("", skus[0], 1), ask("o5", skus[0], 0), ask("o1", skus[0], 1),
		)
		assert.LessOrEqual(t, len(s.store.Keys("inventory/journal/"))-before, 3, "they share commits")
		for i, id := range map[int]string{0: "o0", 1: "o1", 6: "o1"} {
			require.NotNil(t, results[i].Hold, "%+v", results[i].Refusal)
			assert.Nil(t, results[i].Refusal)
			assert.Equal(t, id, results[i].Hold.ID)
		}
		assert.Equal(t, []string{skus[1], skus[0]}, []string{results[0].Hold.Lines[0].SKU, results[0].Hold.Lines[1].SKU}, "in the request's order")
		assert.Equal(t, []string{"nope"}, results[2].Refusal.UnknownSKUs)
		assert.Equal(t, 409, results[3].Refusal.Status)
		require.Len(t, results[3].Refusal.SKUs, 1)
		assert.Equal(t, int64(9), results[3].Refusal.SKUs[0].Requested)
		assert.Equal(t, "/id", results[4].Refusal.Errors[0].Field)
		assert.Equal(t, "/lines/0/quantity", results[5].Refusal.Errors[0].Field)
		assert.Equal(t, inventoryapi.CodeIDReused, s.holds(ask("o1", skus[0], 2))[0].Refusal.Code)
		s.stock(skus[0], 1, 2, 0)
		s.stock(skus[1], 0, 1, 0)

		for _, n := range []int{0, inventoryapi.MaxHolds + 1} {
			p := s.call("POST", "/internal/holds/batch", inventoryapi.HoldsRequest{Holds: make([]inventoryapi.HoldRequest, n)}).Refused(400, "invalid_request")
			assert.Equal(t, "/holds", p["errors"].([]any)[0].(map[string]any)["field"])
		}
	})
}

func TestRefusalsGoOverTheWireWhole(t *testing.T) {
	overloaded := errs.Overloaded("the queue")
	for _, e := range []*errs.Error{
		overloaded, errs.InvalidField("/id", "is ugly"), errs.OutcomeUnknown(nil),
		errs.From(refuseLines([]string{"a"}, nil)), errs.From(refuseLines(nil, []inventoryapi.Shortage{{SKU: "a", Requested: 2, Available: 1}})),
	} {
		encoded, err := json.Marshal(inventoryapi.RefusalOf(fmt.Errorf("wrapped: %w", e)))
		require.NoError(t, err)
		var r inventoryapi.Refusal
		require.NoError(t, json.Unmarshal(encoded, &r))
		assert.Equal(t, e, r.Err())
	}
	assert.NotContains(t, fmt.Sprint(inventoryapi.RefusalOf(errors.New("redis: 10.0.0.7"))), "redis", "the cause stays here")
}
