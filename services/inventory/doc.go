// Package inventory owns the stock of every SKU: what was received is available, reserved or sold, and no unit is
// promised twice.
//
// In: the public contract (openapi.yaml), holds for orders on an internal route, and the events of order, which it
// follows: a paid order sells its hold, a cancelled one releases it. Out: the events of inventoryapi.
//
// Invariants, for every SKU after every event: received = available + reserved + sold, none of them negative. They
// are asserted where units move (Item.moved). A reservation or a line of a hold is resolved once.
//
// Reservations are for callers of the contract, holds for orders; they share stock and not ids, so no caller can
// resolve what an order holds. A reservation expires by the shard's clock. A hold expires only after everything
// that order had to say until then is applied here: an order that was paid while we were away keeps its stock.
// If a payment comes after that all the same, the units are taken anew, or the order is told that they are gone
// (HoldLost) and refunds.
//
// A failure: a command whose outcome is unknown is 503 and safe to repeat with its id. The lines of an order that
// live in different shards are held one shard after the other; if one refuses, the others are released again, and
// what a crash or an unknown outcome leaves behind expires by itself. Finished reservations and restocks are
// remembered for a day for the sake of repeats, finished holds for a quarter of an hour. Where units would go missing
// by a defect the process stops.
//
// The reader starts with state.go, commands.go, decide.go and apply.go, which are pure.
package inventory
