package mutants

const stockPkg = "inventory"

// stockMutants break the conservation of stock.
var stockMutants = []mutant{
	{
		name: "reservation-is-not-deduplicated", file: "inventory/decide.go", suite: stockPkg, run: "^TestReservationIsResolvedOnce",
		why: "a repeated reservation takes stock again",
		edits: []edit{{
			"if first, ok := s.reservation(c.SKU, c.ID); ok {",
			"if first, ok := s.reservation(c.SKU, c.ID); ok && first.ID == \"\" {",
		}},
	},
	{
		name: "hold-is-not-deduplicated", file: "inventory/decide.go", suite: stockPkg, run: "^TestHoldTakesAllLinesOrNone",
		why:   "a repeated order holds its lines twice, and the first units are stranded",
		edits: []edit{{"if h, ok := s.hold(c.ID); ok {", "if h, ok := s.hold(c.ID); ok && h == nil {"}},
	},
	{
		name: "hold-of-other-lines-is-a-repeat", file: "inventory/decide.go", suite: stockPkg, run: "^TestHoldTakesAllLinesOrNone",
		why:   "an order gets the hold of another basket",
		edits: []edit{{"if h.Fingerprint != c.Fingerprint {", "if h.Fingerprint == \"\" {"}},
	},
	{
		name: "oversold-by-one", file: "inventory/decide.go", suite: stockPkg, run: "^TestReservationIsResolvedOnce",
		why:   "one unit more than there is can be reserved",
		edits: []edit{{"if item.Available < c.Quantity {", "if item.Available+1 < c.Quantity {"}},
	},
	{
		name: "confirmed-reservation-is-released", file: "inventory/decide.go", suite: stockPkg, run: "^TestReservationIsResolvedOnce",
		why:   "a unit that was sold is given back",
		edits: []edit{{"case r.Status == StatusConfirmed:", "case r.Status == StatusConfirmed && r.Quantity == 0:"}},
	},
	{
		name: "sold-hold-is-dropped", file: "inventory/decide.go", suite: stockPkg, run: "^TestPaidOrderSellsItsHoldOnce$",
		why:   "the lines of a paid order that are not confirmed yet go back on sale",
		edits: []edit{{"h.any(StatusConfirmed, StatusReleased, StatusLost)", "h.any(StatusLost)"}},
	},
	{
		name: "expired-hold-sells-without-stock", file: "inventory/decide.go", suite: stockPkg, run: "^TestPaymentAfterTheHoldExpired",
		why:   "a payment after the expiry sells a unit that somebody else has",
		edits: []edit{{"case StatusReserved:\n\t\t\t\tfromReserved", "case StatusReserved, StatusExpired:\n\t\t\t\tfromReserved"}},
	},
	{
		name: "late-confirmation-is-accepted", file: "inventory/decide.go", suite: stockPkg, run: "^TestReservationIsResolvedOnce",
		why:   "a reservation can be confirmed after its limit, until somebody happens to expire it",
		edits: []edit{{"case r.Status == StatusExpired || !at.Time.Before(r.ExpiresAt):", "case r.Status == StatusExpired:"}},
	},
	{
		name: "clones-share-an-item", file: "inventory/state.go", suite: stockPkg, run: "^TestItemsThatMoveInPlaceAreNobodyElses$",
		why:   "a state that was given up for its clone, or the other way round, moves units of both",
		edits: []edit{{"s.own = nil\n", "\n"}},
	},
	{
		name: "refused-hold-keeps-its-first-part", file: "inventory/holds.go", suite: stockPkg,
		run:   "^TestHoldRefusedInALaterShardIsReleasedInTheEarlierOnes$",
		why:   "a refused order strands the lines that it had got in other shards",
		edits: []edit{{"for _, p := range h.parts[:h.held] {", "for _, p := range h.parts[:0] {"}},
	},
	{
		name: "holds-expire-before-level", file: "inventory/expire.go", suite: stockPkg, run: "^TestHoldOfAPaidOrderOutlivesAnOutage$",
		why:   "after an outage of order, the stock of paid orders is sold again (ADR 3)",
		edits: []edit{{"HoldsUntil: earlier(now, s.orders.LevelAt())", "HoldsUntil: now"}},
	},
	{
		name: "holds-expire-by-any-clock", file: "inventory/decide.go", suite: stockPkg, run: "^TestHoldsExpireByTheShardsOwnTime$",
		why:   "a replica whose clock is ahead sells what is held for orders that can still be paid",
		edits: []edit{{"s.dueHolds(earlier(c.HoldsUntil, at.Time),", "s.dueHolds(c.HoldsUntil,"}},
	},
}
