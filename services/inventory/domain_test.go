package inventory

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/journal"
)

func TestPutCreatesThenChangesAndARepeatWritesNothing(t *testing.T) {
	s := newShard(t)
	put := PutItem{SKU: "a", Title: "A", Price: eur(100), Quantity: 5}
	assert.True(t, s.must(put).(PutAnswer).Created)
	assert.False(t, s.silent(put).(PutAnswer).Created)
	put.Quantity = 50
	s.silent(put)
	put.Title = "B"
	a := s.must(put).(PutAnswer)
	assert.False(t, a.Created)
	assert.Equal(t, Item{SKU: "a", Title: "B", Price: eur(100), Received: 5, Available: 5, Version: 2}, *a.Item)
	assert.Equal(t, a.Item, s.state.Item("a"))
}

func TestRestockCountsADeliveryOnce(t *testing.T) {
	s := withItems(t, 5)
	first := s.must(AddStock{SKU: "a", ID: "d1", Quantity: 7})
	s.must(Reserve{SKU: "a", ID: "r", Quantity: 1, HoldSeconds: 60})
	assert.Equal(t, first, s.silent(AddStock{SKU: "a", ID: "d1", Quantity: 7}))
	s.refused("id_reused", AddStock{SKU: "a", ID: "d1", Quantity: 8})
	s.refused("unknown_sku", AddStock{SKU: "x", ID: "d1", Quantity: 8})
	s.refused("stock_limit", AddStock{SKU: "a", ID: "d2", Quantity: maxReceivedUnits - 11})
	s.must(AddStock{SKU: "a", ID: "d3", Quantity: maxReceivedUnits - 12})
	s.stock("a", maxReceivedUnits-1, 1, 0)
}

func TestReservationIsResolvedOnceAndEachSecondAttemptHasItsCode(t *testing.T) {
	s := withItems(t, 3)
	r := Reserve{SKU: "a", ID: "r1", Quantity: 1, HoldSeconds: 60}
	first := s.must(r)
	assert.Equal(t, first, s.silent(r))
	s.refused("id_reused", Reserve{SKU: "a", ID: "r1", Quantity: 2, HoldSeconds: 60})
	s.refused("id_reused", Reserve{SKU: "a", ID: "r1", Quantity: 1, HoldSeconds: 61})
	s.must(Confirm{"a", "r1"})
	s.refused("already_confirmed", Confirm{"a", "r1"})
	s.refused("already_confirmed", Release{"a", "r1"})
	assert.Equal(t, first, s.silent(r), "a repeat gets its first answer even when the reservation is resolved")

	s.must(Reserve{SKU: "a", ID: "r2", Quantity: 1, HoldSeconds: 60})
	s.must(Release{"a", "r2"})
	s.refused("already_released", Confirm{"a", "r2"})
	s.refused("already_released", Release{"a", "r2"})

	s.must(Reserve{SKU: "a", ID: "r3", Quantity: 1, HoldSeconds: 60})
	s.pass(60 * time.Second)
	s.refused("reservation_expired", Confirm{"a", "r3"}) // before Expire came by
	s.must(Expire{ReservationsUntil: s.at.Time})
	s.refused("reservation_expired", Confirm{"a", "r3"})
	s.refused("reservation_expired", Release{"a", "r3"})

	s.refused("unknown_reservation", Confirm{"a", "r9"})
	s.refused("unknown_reservation", Release{"a", "r9"})
	s.refused("unknown_sku", Confirm{"x", "r1"})
	s.refused("unknown_sku", Reserve{SKU: "x", ID: "r1", Quantity: 1, HoldSeconds: 1})
	s.stock("a", 2, 0, 1)
	e := s.refused("sold_out", Reserve{SKU: "a", ID: "r4", Quantity: 3, HoldSeconds: 60})
	assert.Equal(t, int64(2), e.Extra["available"])
}

func TestExpireIsBoundedAndSaysWhetherMoreIsDue(t *testing.T) {
	s := withItems(t, 250)
	for i := range 250 {
		s.must(Reserve{SKU: "a", ID: fmt.Sprint(i), Quantity: 1, HoldSeconds: 1})
	}
	s.silent(Expire{ReservationsUntil: s.at.Time.Add(time.Hour)}) // the shard's own time has not come
	s.pass(time.Second)
	assert.Equal(t, true, s.must(Expire{ReservationsUntil: s.at.Time}))
	assert.Equal(t, true, s.must(Expire{ReservationsUntil: s.at.Time}))
	assert.Equal(t, false, s.must(Expire{ReservationsUntil: s.at.Time}))
	s.stock("a", 250, 0, 0)
}

func TestHoldsExpireByTheShardsOwnTime(t *testing.T) {
	s := withItems(t, 1)
	s.must(hold("o1", lines("a", 1)))
	s.silent(Expire{HoldsUntil: s.at.Time.Add(24 * time.Hour)}) // by a replica whose clock is a day ahead
	s.stock("a", 0, 1, 0)
}

func TestHoldTakesAllLinesOrNoneAndNamesEverythingThatIsMissing(t *testing.T) {
	s := withItems(t, 1, 2, 0)
	e := s.refused("sold_out", hold("o1", lines("a", 2, "b", 1, "c", 1)))
	assert.Equal(t, []inventoryapi.Shortage{{SKU: "a", Requested: 2, Available: 1}, {SKU: "c", Requested: 1}}, e.Extra["skus"])
	e = s.refused("unknown_sku", hold("o1", lines("x", 1, "c", 1, "y", 1)))
	assert.Equal(t, []string{"x", "y"}, e.Extra["unknown_skus"])
	s.refused("sold_out", CheckLines{Lines: lines("c", 1)})
	s.silent(CheckLines{Lines: lines("a", 1)})

	first := s.must(hold("o1", lines("a", 1, "b", 2))).(*Hold)
	assert.Equal(t, "Item b", first.Lines[1].Title)
	assert.Equal(t, eur(100), first.Lines[1].UnitPrice)
	s.must(PutItem{SKU: "b", Title: "dearer", Price: eur(900)})
	assert.Equal(t, first, s.silent(hold("o1", lines("a", 1, "b", 2))))
	s.refused("id_reused", hold("o1", lines("a", 1)))
	s.stock("a", 0, 1, 0)
	s.stock("b", 0, 2, 0)
}

func TestPaidOrderSellsItsHoldOnce(t *testing.T) {
	s := withItems(t, 1, 2)
	s.must(hold("o1", lines("a", 1, "b", 2)))
	s.must(ConfirmHold{"o1", "a", 1})
	s.silent(ConfirmHold{"o1", "a", 1})
	s.silent(DropHold{ID: "o1", All: true})
	s.must(ConfirmHold{"o1", "b", 2})
	s.stock("a", 0, 0, 1)
	s.stock("b", 0, 0, 2)
	s.silent(hold("o1", lines("a", 1, "b", 2)))
	s.pass(time.Hour)
	s.silent(Expire{HoldsUntil: s.at.Time})
}

func TestCancelledOrderReleasesItsHoldOnce(t *testing.T) {
	s := withItems(t, 1, 2)
	s.must(hold("o1", lines("a", 1, "b", 2)))
	s.must(ReleaseHold{"o1", "b"})
	s.silent(ReleaseHold{"o1", "b"})
	s.silent(ConfirmHold{"o1", "b", 2})
	s.silent(ReleaseHold{"o9", "b"})
	s.stock("a", 0, 1, 0)
	s.stock("b", 2, 0, 0)
}

func TestPaymentAfterTheHoldExpiredTakesStockAgainOrLosesTheOrder(t *testing.T) {
	s := withItems(t, 2, 1)
	s.must(hold("o1", lines("a", 2, "b", 1)))
	s.pass(time.Minute)
	s.silent(Expire{ReservationsUntil: s.at.Time}) // holds have their own clock
	s.must(Expire{HoldsUntil: s.at.Time})
	s.must(Reserve{SKU: "b", ID: "r", Quantity: 1, HoldSeconds: 60})
	s.must(ConfirmHold{"o1", "a", 2})
	s.must(ConfirmHold{"o1", "b", 1})
	assert.Equal(t, inventoryapi.HoldLost{OrderID: "o1", SKUs: []string{"b"}}, s.log[len(s.log)-1])
	s.silent(ConfirmHold{"o1", "b", 1})
	s.stock("a", 0, 0, 2)
	s.stock("b", 0, 1, 0)
	// The order is cancelled for it: what was sold comes back, what was lost does not.
	s.must(ReleaseHold{"o1", "a"})
	s.silent(ReleaseHold{"o1", "b"})
	s.stock("a", 2, 0, 0)
}

func TestPaymentForAHoldThatIsNotKnownAtAll(t *testing.T) {
	s := withItems(t, 2)
	s.must(ConfirmHold{"o1", "a", 2})
	s.stock("a", 0, 0, 2)
	s.silent(ConfirmHold{"o1", "a", 2})
	s.must(ConfirmHold{"o2", "a", 1})
	s.must(ConfirmHold{"o2", "x", 1})
	assert.Equal(t, inventoryapi.HoldLost{OrderID: "o2", SKUs: []string{"x"}}, s.log[len(s.log)-1])
	s.stock("a", 0, 0, 2)
}

func TestConfirmOfAnotherQuantityThanWasHeld(t *testing.T) {
	s := withItems(t, 3)
	s.must(hold("o1", lines("a", 2)))
	s.must(ConfirmHold{"o1", "a", 3})
	s.stock("a", 0, 0, 3)
	s = withItems(t, 3)
	s.must(hold("o1", lines("a", 2)))
	s.must(ConfirmHold{"o1", "a", 4})
	s.stock("a", 3, 0, 0)
}

func TestHoldIsDroppedWithItsLastClaim(t *testing.T) {
	s := withItems(t, 2)
	h := hold("o1", lines("a", 2))
	h.Claim = "c1"
	s.must(h)
	h.Claim = "c2"
	s.must(h)
	s.silent(h)
	s.silent(DropHold{ID: "o1", Claim: "c9"})
	s.must(DropHold{ID: "o1", Claim: "c1"})
	s.silent(DropHold{ID: "o1", Claim: "c1"})
	s.stock("a", 0, 2, 0)
	s.must(DropHold{ID: "o1", Claim: "c2"})
	s.stock("a", 2, 0, 0)
	// Nothing is left of it: the id is free.
	s.must(hold("o1", lines("a", 1)))
	s.must(DropHold{ID: "o1", All: true})
	s.stock("a", 2, 0, 0)
	for i := range maxClaims {
		h.Claim = fmt.Sprint(i)
		s.must(h)
	}
	h.Claim = "one too many"
	s.refused("hold_contended", h)
}

func TestExpiredHoldIsTakenAnewByTheSameLinesOnly(t *testing.T) {
	s := withItems(t, 1)
	s.must(hold("o1", lines("a", 1)))
	s.pass(time.Minute)
	s.must(Expire{HoldsUntil: s.at.Time})
	s.refused("id_reused", hold("o1", lines("a", 2)))
	again := s.must(hold("o1", lines("a", 1))).(*Hold)
	assert.True(t, again.ExpiresAt.After(s.at.Time))
	s.stock("a", 0, 1, 0)
}

func TestFinishedThingsAreForgottenAfterTheWindow(t *testing.T) {
	s := withItems(t, 100)
	for i := range 10 {
		id := fmt.Sprint(i)
		s.must(Reserve{SKU: "a", ID: id, Quantity: 1, HoldSeconds: 60})
		s.must(Confirm{"a", id})
		s.must(hold(id, lines("a", 1)))
		s.must(ConfirmHold{id, "a", 1})
		s.must(AddStock{SKU: "a", ID: id, Quantity: 1})
	}
	s.must(Reserve{SKU: "a", ID: "open", Quantity: 1, HoldSeconds: 86400})
	s.must(hold("open", lines("a", 1)))
	s.pass(rememberFor)
	s.must(AddStock{SKU: "a", ID: "x0", Quantity: 1})
	assert.Equal(t, 11, s.state.reservations.len(), "not before the window is over")
	s.pass(time.Millisecond)
	for i := 1; i <= 3; i++ {
		s.must(AddStock{SKU: "a", ID: fmt.Sprint("x", i), Quantity: 1})
	}
	assert.Equal(t, 1, s.state.reservations.len())
	assert.Equal(t, 1, s.state.holds.len())
	assert.Equal(t, 4, s.state.restocks.Len())
	s.reload()
}

// Units of one SKU move in place within a segment; who has an item from before must not see that.
func TestItemsThatMoveInPlaceAreNobodyElses(t *testing.T) {
	at := journal.At{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	s := newState()
	reserve := func(s *State, id string) {
		apply(s, at, inventoryapi.Reserved{SKU: "a", ID: id, Quantity: 1, ExpiresAt: at.Time.Add(time.Minute)})
	}
	apply(s, at, inventoryapi.ItemCreated{SKU: "a", Title: "A", Price: eur(1), Quantity: 10})
	reserve(s, "1")
	put := PutItem{SKU: "a", Title: "A", Price: eur(1)}
	answer, _, err := decide(s, at, put)
	require.NoError(t, err)
	apply(s, at, inventoryapi.Restocked{SKU: "a", ID: "d", Quantity: 5})
	moving := s.Item("a")
	reserve(s, "2")
	require.Same(t, moving, s.Item("a"), "in place")
	require.EqualValues(t, 13, s.Item("a").Available)
	require.EqualValues(t, 9, answer.(PutAnswer).Item.Available, "as it was right after")
	repeated, _, err := decide(s, at, AddStock{SKU: "a", ID: "d", Quantity: 5})
	require.NoError(t, err)
	require.EqualValues(t, 14, repeated.(*Item).Available, "the first answer")

	c := s.clone()
	reserve(s, "3")
	reserve(s, "4")
	require.EqualValues(t, 13, c.Item("a").Available)
	reserve(c, "5")
	require.EqualValues(t, 12, c.Item("a").Available)
	require.EqualValues(t, 11, s.Item("a").Available)
	apply(s, at, inventoryapi.ItemChanged{SKU: "a", Title: "B", Price: eur(2)})
	changed := s.Item("a")
	reserve(s, "6")
	require.Equal(t, "B", s.Item("a").Title)
	require.EqualValues(t, 11, changed.Available)
}

func TestImpossibleEventStopsInsteadOfOverselling(t *testing.T) {
	s := withItems(t, 1)
	require.Panics(t, func() {
		apply(s.state.clone(), s.at, inventoryapi.Reserved{SKU: "a", ID: "r", Quantity: 2})
	})
	require.Panics(t, func() { apply(s.state.clone(), s.at, inventoryapi.Confirmed{SKU: "a", ID: "r", Quantity: 1}) })
	require.Panics(t, func() { apply(s.state.clone(), s.at, inventoryapi.HoldDropped{ID: "o"}) })
	require.Panics(t, func() { apply(s.state.clone(), s.at, nil) })
}
