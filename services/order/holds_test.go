package order

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// fillCalls makes every call to inventory wait and gives each an order that is in it; open lets them go on.
func (s *shop) fillCalls() (open func()) {
	gate := make(chan struct{})
	s.stock.gate = func() { <-gate }
	for i := range maxHoldCalls {
		go s.place(fmt.Sprint("first-", i), basket("mug", 1))
		synctest.Wait() // until its call is under way
	}
	return func() { close(gate) }
}

func TestOrdersThatWaitShareACallAndNothingElse(t *testing.T) {
	inShop(t, options{}, func(s *shop) {
		s.stock.available["mug"], s.stock.available["cup"] = 1000, 3
		open := s.fillCalls()
		const orders = 30
		answers := make([]answer, orders)
		var placed sync.WaitGroup
		for i := range answers {
			ask := basket([]string{"mug", "cup", "hat"}[i%3], 1+i/3) // some, more than there are, none
			placed.Go(func() { answers[i] = s.place(fmt.Sprint("k", i), ask) })
		}
		synctest.Wait()
		open()
		placed.Wait()
		synctest.Wait() // the orders of fillCalls are placed, too
		assert.Equal(t, maxHoldCalls+orders, s.stock.asked)
		assert.LessOrEqual(t, s.stock.calls, 2*maxHoldCalls, "all that waited went together, shared out among the calls that may be under way")
		cups := 3
		for i, a := range answers {
			switch i % 3 {
			case 0:
				assert.Equal(t, int64(1+i/3), a.order(201).Lines[0].Quantity)
			case 1: // of 3 cups, whoever comes first has them
				if a.Status == http.StatusCreated {
					cups -= int(a.order(201).Lines[0].Quantity)
					break
				}
				short := a.Refused(409, inventoryapi.CodeSoldOut)["skus"].([]any)[0].(map[string]any)
				assert.Equal(t, float64(1+i/3), short["requested"])
			default:
				assert.Equal(t, []any{"hat"}, a.Refused(422, inventoryapi.CodeUnknownSKU)["unknown_skus"])
			}
		}
		assert.Equal(t, int64(cups), s.stock.available["cup"])
		assert.GreaterOrEqual(t, cups, 0)
	})
}

func TestACallThatFailsIsUnknownToEveryOrderInIt(t *testing.T) {
	inShop(t, options{}, func(s *shop) {
		s.stock.available["mug"] = 1000
		open := s.fillCalls()
		answers := make([]answer, 5)
		var placed sync.WaitGroup
		for i := range answers {
			placed.Go(func() { answers[i] = s.place(fmt.Sprint("k", i), basket("mug", 1)) })
		}
		synctest.Wait()
		s.holds.down.Store(true)
		open()
		placed.Wait()
		synctest.Wait() // the orders of fillCalls have failed or been placed, too
		s.holds.down.Store(false)
		for i, a := range answers {
			a.Refused(503, errs.CodeOutcomeUnknown)
			s.place(fmt.Sprint("k", i), basket("mug", 1)).order(201)
		}
		assert.Equal(t, int64(1000-maxHoldCalls-len(answers)), s.stock.available["mug"])
	})
}

func TestAnOrderThatGivesUpWaitingChangedNothing(t *testing.T) {
	inShop(t, options{}, func(s *shop) {
		s.stock.available["mug"] = 1000
		open := s.fillCalls()
		holds := s.replicas[0].service.holds
		ctx, cancel := context.WithCancel(s.t.Context())
		gaveUp := make(chan error)
		go func() {
			_, err := holds.hold(ctx, inventoryapi.HoldRequest{ID: "o", HoldSeconds: 60, Lines: []inventoryapi.HoldLine{{SKU: "mug", Quantity: 1}}})
			gaveUp <- err
		}()
		synctest.Wait()
		cancel()
		assert.True(t, errs.HasCode(<-gaveUp, errs.CodeUnavailable))
		open()
		synctest.Wait()
		assert.NotContains(t, s.stock.holds, "o")

		gate := make(chan struct{})
		s.stock.gate = func() { <-gate }
		late := s.place("k", basket("mug", 1)) // its call is under way for longer than it waits
		late.Refused(503, errs.CodeOutcomeUnknown)
		close(gate)
		later(0)
		s.place("k", basket("mug", 1)).order(201)
		assert.Equal(t, int64(1000-maxHoldCalls-1), s.stock.available["mug"])
	})
}

func TestStoppingAnswersWhoWaits(t *testing.T) {
	inShop(t, options{}, func(s *shop) {
		s.stock.available["mug"] = 1000
		open := s.fillCalls()
		waiting := make(chan answer)
		go func() { waiting <- s.place("k", basket("mug", 1)) }()
		synctest.Wait()
		go s.stop()
		synctest.Wait()
		open()
		(<-waiting).Refused(503, errs.CodeUnavailable)
		s.stop()
	})
}

func TestAnInventoryOfTheReleaseBeforeIsAskedOneByOne(t *testing.T) {
	inShop(t, options{}, func(s *shop) {
		s.stock.available["mug"] = 4
		s.stock.old = true
		var placed sync.WaitGroup
		statuses := make([]int, 7)
		for i := range statuses {
			placed.Go(func() { statuses[i] = s.place(fmt.Sprint("k", i), basket("mug", 1)).Status })
		}
		placed.Wait()
		slices.Sort(statuses)
		assert.Equal(t, []int{201, 201, 201, 201, 409, 409, 409}, statuses)
		assert.Equal(t, len(statuses), s.stock.calls)
		p := s.place("k", basket("mug", 1, "hat", 1)).Refused(422, inventoryapi.CodeUnknownSKU)
		assert.Equal(t, []any{"hat"}, p["unknown_skus"])
		s.stock.old = false
		s.stock.available["mug"] = 1
		s.place("k", basket("mug", 1)).order(201)
	})
}

// A call of the largest orders there are stays within what inventory reads.
func TestACallIsBounded(t *testing.T) {
	sku := func(i int) string { return fmt.Sprintf("%064d", i) }
	h := newHolder(nil)
	fill := func(orders, lines int) {
		for range orders {
			w := &holding{ask: inventoryapi.HoldRequest{ID: orderID(inside.Owner(), "k"), HoldSeconds: 86_400}}
			for i := range lines {
				w.ask.Lines = append(w.ask.Lines, inventoryapi.HoldLine{SKU: sku(i), Quantity: orderapi.MaxLineQuantity})
			}
			h.queue <- w
		}
	}
	const bodyBytes = 64 << 10
	for _, lines := range []int{1, 2, 3, 49, orderapi.MaxLines} {
		fill(2*inventoryapi.MaxHolds, lines)
		taken := 0
		for len(h.queue) > 0 {
			var request inventoryapi.HoldsRequest
			for _, w := range h.gather(<-h.queue) {
				request.Holds = append(request.Holds, w.ask)
			}
			taken += len(request.Holds)
			assert.LessOrEqual(t, len(request.Holds), inventoryapi.MaxHolds)
			body, err := json.Marshal(request)
			require.NoError(t, err)
			assert.Less(t, len(body), bodyBytes, "%d lines an order", lines)
		}
		assert.Equal(t, 2*inventoryapi.MaxHolds, taken)
	}
}
