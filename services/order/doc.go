// Package order owns what customers ordered: from being placed through payment to paid, cancelled or refunded.
//
// In: requests of customers; payment's events (Charged, Declined, Abandoned, Refunded) and
// inventory's HoldLost. Out: the events of orderapi, which payment, inventory and notify follow. The one call to
// another service is placing's hold of the stock at inventory.
//
// How a sale goes: the order's id follows from the caller and its Idempotency-Key. Inventory holds every line
// under that id for longer than the order may stay unpaid (orders that wait for that together share a call, and all of them wait
// for its slowest hold: holds.go); then the order is recorded, with the prices of the hold. A request to pay records a payment attempt, which payment charges; its answer makes the order paid. An order that is
// not paid by pay_by is cancelled, and its hold released, by the followers of the cancellation.
//
// What always holds:
//   - An order is recorded once for a key, and only while its hold stands; a repeat gets the first answer.
//   - One payment attempt is in flight at a time. A paid order has exactly one charge that is not refunded.
//   - A charge that lands on an order that does not want it is refunded, by exactly one request for that charge.
//   - An order is timed out only once every answer of payment from before its pay_by has been seen.
//
// What failures do: a crash between hold and record leaves a hold that expires by itself. If inventory or the
// store cannot say what happened, the caller gets 503 and repeats with the same key. While payment is away, orders
// are not timed out, since a charge may have landed. Orders that are finished leave memory for the store (kit/archive)
// and come back if something happens to them after all.
package order
