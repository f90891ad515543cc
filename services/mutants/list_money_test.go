package mutants

// moneyMutants break orders and their money.
var moneyMutants = []mutant{
	{
		name: "order-is-not-deduplicated", file: "order/decide.go", suite: "order", run: "^TestPlacingIsRecordedOnce$",
		why:   "a repeated request places a second order",
		edits: []edit{{"if first != nil {", "if first != nil && first.ID == \"\" {"}},
	},
	{
		name: "order-id-is-random", file: "order/request.go", suite: "order", run: "^TestBuyAndPay$",
		why: "the idempotency key is not in the order's id, so no repeat finds its order",
		edits: []edit{{
			"\treturn id.String()",
			"\treturn uuid.NewString()",
		}},
	},
	{
		name: "fingerprint-is-not-compared", file: "order/decide.go", suite: "order", run: "^TestPlacingIsRecordedOnce$",
		why:   "another basket under a used key is answered with the old order",
		edits: []edit{{"first.Fingerprint != c.Fingerprint || ", "first.Fingerprint == \"\" || "}},
	},
	{
		name: "archived-order-is-not-noted", file: "order/apply.go", suite: "order", run: "^TestPlacingIsRecordedOnce$",
		why:   "once an order has left memory, its key is free again",
		edits: []edit{{"s.archived.Add(e.OrderIDs)", "s.archived.Add(nil)"}},
	},
	{
		name: "times-out-before-level", file: "order/service.go", suite: "order", run: "^TestNotPaidInTimeIsCancelled$",
		why:   "after an outage of payment, orders that were paid in time are cancelled (ADR 3)",
		edits: []edit{{"if level := s.payments.LevelAt(); level.Before(until) {", "if level := s.payments.LevelAt(); until.IsZero() {"}},
	},
	{
		name: "second-attempt-while-one-is-pending", file: "order/decide.go", suite: "order", run: "^TestOneAttemptAtATime$",
		why:   "an impatient customer is charged twice",
		edits: []edit{{"if p := pendingCharge(o); p != nil {", "if p := pendingCharge(o); p != nil && p.Attempt == 0 {"}},
	},
	{
		name: "refund-is-asked-for-twice", file: "order/decide_money.go", suite: "order", run: "^TestAChargeAfterCancellingIsRefundedOnce$",
		why:   "a charge that is heard of twice is refunded twice",
		edits: []edit{{"case there == c.ChargeID:", "case there == c.ChargeID && there == \"\":"}, {"case there != \"\":", "case there != \"\" && there != c.ChargeID:"}},
	},
	{
		name: "charge-after-cancel-is-kept", file: "order/decide_money.go", suite: "order", run: "^TestAChargeAfterCancellingIsRefundedOnce$",
		why: "the money of a cancelled order is kept",
		edits: []edit{{
			"return nil, append(events, refundOf(o, c.ChargeID, c.Attempt, orderapi.ReasonPaidAfterCancel)), nil", "return nil, nil, nil",
		}},
	},
	{
		name: "charge-key-changes-per-try", file: "payment/provider.go", suite: "payment", run: "^TestAnswersOfTheProvider$/^lost$",
		why: "every try is another charge to the provider: a lost answer charges twice",
		edits: []edit{{
			"\"/charges\", chargeKey(orderID, c.Attempt), chargeRequest{",
			"\"/charges\", func() string { d, _ := ctx.Deadline(); return fmt.Sprint(chargeKey(orderID, c.Attempt), d) }(), chargeRequest{",
		}},
	},
	{
		name: "refund-key-changes-per-try", file: "payment/provider.go", suite: "payment", run: "^TestARefundWhoseAnswerIsLostIsMadeOnce$",
		why: "a lost answer refunds twice",
		edits: []edit{{
			"\"/refunds\", refundKey(r.ChargeID), refundRequest{",
			"\"/refunds\", func() string { d, _ := ctx.Deadline(); return fmt.Sprint(refundKey(r.ChargeID), d) }(), refundRequest{",
		}},
	},
	{
		name: "charge-is-not-deduplicated", file: "payment/decide.go", suite: "payment", run: "^TestChargeOnce$",
		why:   "a payment request that is heard of twice is two charges",
		edits: []edit{{"if s.account(c.OrderID).charge(c.Attempt) != nil {", "if s.account(c.OrderID).charge(c.Attempt) != nil && c.OrderID == \"\" {"}},
	},
	{
		name: "attempted-charge-is-abandoned", file: "payment/decide.go", suite: "payment", run: "^TestCancelAbandonsOnlyWhatWasNeverAttempted$",
		why:   "a cancelled order's charge with an unknown outcome is forgotten, and the customer's money with it",
		edits: []edit{{"ok && !t.Attempted() {", "ok && t.ID != \"\" {"}},
	},
	{
		name: "timeout-is-a-decline", file: "payment/provider.go", suite: "payment", run: "^TestAnswersOfTheProvider$/^(lost|slow)$",
		why: "a charge whose answer is lost is called declined, and the customer pays again",
		edits: []edit{{
			"\tcase err != nil:\n\t\treturn task.TryAgain(failure(status, err))\n\t}\n\tif answer.Amount",
			"\tcase err != nil:\n\t\treturn task.Recorded(recordDeclined{OrderID: orderID, Attempt: c.Attempt, Reason: failure(status, err)})\n\t}\n\tif answer.Amount",
		}},
	},
	{
		name: "changed-order-is-archived", file: "order/decide.go", suite: "order", run: "^TestArchivingLeavesOutWhatChanged$",
		why:   "an order that changed after its view was written leaves memory with the change lost",
		edits: []edit{{"o.Seq == r.Seq && settled(o)", "settled(o)"}},
	},
	{
		name: "order-outlives-its-hold", file: "order/decide.go", suite: "order", run: "^TestNoOrderOutlivesItsHold$",
		why:   "an order can be paid when its stock is not held any more",
		edits: []edit{{"if c.PayBefore.Before(payBy) {", "if c.PayBefore.IsZero() {"}},
	},
	{
		name: "hold-is-released-on-unknown", file: "order/place.go", suite: "order", run: "^TestUnknownOutcomesAreSafeToRepeat$",
		why: "an order that is recorded although its answer was lost has no stock any more",
		edits: []edit{{
			"result, err := s.journal.Do(ctx, id, cmd)\n\tif err != nil {",
			"result, err := s.journal.Do(ctx, id, cmd)\n\tif err != nil {\n\t\ts.release(ctx, id, hold)",
		}},
	},
	{
		name: "hold-of-another-order-in-the-call", file: "order/holds.go", suite: "order", run: "^TestOrdersThatWaitShareACallAndNothingElse$",
		why:   "an order that shares a call with others is recorded on the first one's stock",
		edits: []edit{{"o.hold = answer.Results[i].Hold", "o.hold = answer.Results[0].Hold"}},
	},
	{
		name: "abandoned-hold-is-asked-for", file: "order/holds.go", suite: "order", run: "^TestAnOrderThatGivesUpWaitingChangedNothing$",
		why:   "a customer who was told that nothing was changed has stock taken away from the others",
		edits: []edit{{"if next.claimed.CompareAndSwap(false, true) {", "if next.claimed.Store(true); true {"}},
	},
	{
		name: "second-charge-of-archived-is-kept", file: "order/decide_money.go", suite: "order", run: "^TestASecondChargeOfAnArchivedOrderIsRefunded$",
		why: "a very late second charge is parked instead of refunded",
		edits: []edit{{
			"return nil, append(events, refundOf(o, c.ChargeID, c.Attempt, orderapi.ReasonChargedTwice)), nil",
			"return nil, []journal.Event{refundOf(o, c.ChargeID, c.Attempt, orderapi.ReasonChargedTwice)}, nil",
		}},
	},
	{
		name: "any-amount-is-a-charge", file: "payment/provider.go", suite: "payment", run: "^TestAChargeOfAnotherAmountWaitsForAnOperator$",
		why:   "an order counts as paid with whatever was charged",
		edits: []edit{{"if answer.Amount != c.Amount.Amount || answer.Currency != c.Amount.Currency {", "if answer.ID == \"\" {"}},
	},
}
