package inventory

import (
	"time"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/money"
)

// The commands. All but Expire, HoldLines, CheckLines and DropHold concern one SKU, which says their shard.

// PutItem creates a SKU or changes its title and price. Answer: PutAnswer.
type PutItem struct {
	SKU      string
	Title    string
	Price    money.Money
	Quantity int64 // first stock; without meaning for a SKU that exists
}

// PutAnswer is the SKU after a PutItem.
type PutAnswer struct {
	Item    *Item
	Created bool
}

// AddStock counts a delivery, once for each ID. Answer: *Item, as it was right after.
type AddStock struct {
	SKU, ID  string
	Quantity int64
}

// Reserve sets units of a SKU aside. Answer: *Reservation, as it was right after.
type Reserve struct {
	SKU, ID     string
	Quantity    int64
	HoldSeconds int64
}

// Confirm turns a reservation into a sale. Answer: *Reservation.
type Confirm struct{ SKU, ID string }

// Release gives the units of a reservation back. Answer: *Reservation.
type Release struct{ SKU, ID string }

// Expire gives back what was set aside until one of the two instants or earlier, MaxExpiredPerEvent of each at a
// time. Time that has not come for the shard does not expire anything. Answer: bool, whether more is due.
type Expire struct {
	ReservationsUntil time.Time
	// HoldsUntil is apart because an order may have been paid in time without our having heard of it yet.
	HoldsUntil time.Time
}

// HoldLines sets the lines of one order aside that live in this shard: all of them or none. Answer: *Hold.
type HoldLines struct {
	ID          string
	Fingerprint string // of all lines of the order, in every shard
	Claim       string // this request, when the order has lines in other shards too: see DropHold
	Lines       []inventoryapi.HoldLine
	HoldSeconds int64
}

// CheckLines is refused as HoldLines would be and changes nothing. Answer: nil.
type CheckLines struct{ Lines []inventoryapi.HoldLine }

// DropHold takes a claim on a hold back because the order was refused in another shard; with the last claim the
// hold goes. An order that was made of it keeps it. Answer: nil.
type DropHold struct {
	ID    string
	Claim string
	All   bool // whatever claims there are
}

// ConfirmHold sells a line of a paid order: out of its hold, or if that is over out of what is available, or if
// there is not enough the line is lost. Answer: nil.
type ConfirmHold struct {
	OrderID, SKU string
	Quantity     int64
}

// ReleaseHold makes a line of a cancelled order available again. Answer: nil.
type ReleaseHold struct{ OrderID, SKU string }

// Bounds of the domain.
const (
	maxReceivedUnits     = 1_000_000_000_000 // of one SKU over its life; far from overflow
	maxClaims            = 16                // requests at once for one order
	maxForgottenPerEvent = 4                 // of each sort; more than one, so that forgetting overtakes making
	rememberFor          = 24 * time.Hour    // finished reservations and restocks, by segment time; equals the journal's idempotency window
	// rememberHoldsFor is shorter, because nobody repeats a finished hold: order asks again only for an order that it
	// never recorded, and its events come once. What is left is an order that loses a line in another shard after its
	// line here was sold (ReasonStockLost): it has this long to say so. At 600 orders a second this bounds holds to some 130 MB.
	rememberHoldsFor = 15 * time.Minute
)
