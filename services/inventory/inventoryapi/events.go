package inventoryapi

import (
	"time"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/money"
)

// ItemCreated says that a SKU exists from now on, with its first stock.
type ItemCreated struct {
	SKU      string      `json:"sku"`
	Title    string      `json:"title"`
	Price    money.Money `json:"price"`
	Quantity int64       `json:"quantity"`
}

// ItemChanged gives a SKU another title or price. Holds keep the price they were made at.
type ItemChanged struct {
	SKU   string      `json:"sku"`
	Title string      `json:"title"`
	Price money.Money `json:"price"`
}

// Restocked adds stock; ID names the delivery, so that it is counted once.
type Restocked struct {
	SKU      string `json:"sku"`
	ID       string `json:"id"`
	Quantity int64  `json:"quantity"`
}

// Reserved sets units aside until ExpiresAt.
type Reserved struct {
	SKU         string    `json:"sku"`
	ID          string    `json:"id"`
	Quantity    int64     `json:"quantity"`
	HoldSeconds int64     `json:"hold_seconds"`
	ExpiresAt   time.Time `json:"expires_at"`
}

// Confirmed turns a reservation into a sale.
type Confirmed struct {
	SKU      string `json:"sku"`
	ID       string `json:"id"`
	Quantity int64  `json:"quantity"`
}

// Released gives the units of a reservation back because its holder said so.
type Released struct {
	SKU      string `json:"sku"`
	ID       string `json:"id"`
	Quantity int64  `json:"quantity"`
}

// Expired gives the units of reservations back because their time was over.
type Expired struct {
	Reservations []ReservationRef `json:"reservations"` // at most MaxExpiredPerEvent
}

// ReservationRef names a reservation; its id is unique within its SKU.
type ReservationRef struct {
	SKU      string `json:"sku"`
	ID       string `json:"id"`
	Quantity int64  `json:"quantity"`
}

// HeldLine is one line of a hold with what the SKU was called and cost when it was made.
type HeldLine struct {
	SKU       string      `json:"sku"`
	Title     string      `json:"title"`
	Quantity  int64       `json:"quantity"`
	UnitPrice money.Money `json:"unit_price"`
}

// Held sets the lines of one order aside that live in one shard: all of them.
type Held struct {
	ID          string     `json:"id"`             // the order's
	Fingerprint string     `json:"fingerprint"`    // of all lines of the order, in every shard
	Claim       string     `json:"claim,omitzero"` // the request that asked, when the order has lines in several shards
	Lines       []HeldLine `json:"lines"`
	ExpiresAt   time.Time  `json:"expires_at"`
}

// HoldClaimed says that another request for the same hold now relies on it too: it is dropped only when every
// request that relies on it has let go.
type HoldClaimed struct {
	ID    string `json:"id"`
	Claim string `json:"claim"`
}

// HoldDropped takes back one claim on a hold because the order was refused in another shard; Gone says that it
// was the last one and that the units are available again.
type HoldDropped struct {
	ID    string `json:"id"`
	Claim string `json:"claim"`
	Gone  bool   `json:"gone"`
}

// HoldConfirmed turns a line of a paid order into a sale. FromReserved is all that was still reserved for the line;
// it is 0 when the hold had expired, and then the units come out of what is available.
type HoldConfirmed struct {
	OrderID      string `json:"order_id"`
	SKU          string `json:"sku"`
	Quantity     int64  `json:"quantity"`
	FromReserved int64  `json:"from_reserved"`
}

// HoldReleased makes the units of a line of a cancelled order available again: FromReserved or FromSold (a paid
// order that was cancelled because another of its lines was lost); one of the two is 0.
type HoldReleased struct {
	OrderID      string `json:"order_id"`
	SKU          string `json:"sku"`
	FromReserved int64  `json:"from_reserved"`
	FromSold     int64  `json:"from_sold"`
}

// HoldsExpired gives the units of holds back whose time was over before their order was paid.
type HoldsExpired struct {
	IDs []string `json:"ids"` // at most MaxExpiredPerEvent
}

// HoldLost says that an order was paid after its hold had expired and that there is not enough stock left for the
// SKUs: the order cannot be delivered. Nothing is held for these SKUs any more.
type HoldLost struct {
	OrderID string   `json:"order_id"`
	SKUs    []string `json:"skus"`
}

// MaxExpiredPerEvent bounds Expired and HoldsExpired.
const MaxExpiredPerEvent = 100

// EventType names the event.
func (ItemCreated) EventType() string { return "inventory.item_created" }

// EventType names the event.
func (ItemChanged) EventType() string { return "inventory.item_changed" }

// EventType names the event.
func (Restocked) EventType() string { return "inventory.restocked" }

// EventType names the event.
func (Reserved) EventType() string { return "inventory.reserved" }

// EventType names the event.
func (Confirmed) EventType() string { return "inventory.confirmed" }

// EventType names the event.
func (Released) EventType() string { return "inventory.released" }

// EventType names the event.
func (Expired) EventType() string { return "inventory.expired" }

// EventType names the event.
func (Held) EventType() string { return "inventory.held" }

// EventType names the event.
func (HoldClaimed) EventType() string { return "inventory.hold_claimed" }

// EventType names the event.
func (HoldDropped) EventType() string { return "inventory.hold_dropped" }

// EventType names the event.
func (HoldConfirmed) EventType() string { return "inventory.hold_confirmed" }

// EventType names the event.
func (HoldReleased) EventType() string { return "inventory.hold_released" }

// EventType names the event.
func (HoldsExpired) EventType() string { return "inventory.holds_expired" }

// EventType names the event.
func (HoldLost) EventType() string { return "inventory.hold_lost" }

// Types lists every event of the inventory journal.
func Types() journal.Types {
	return journal.NewTypes(ItemCreated{}, ItemChanged{}, Restocked{}, Reserved{}, Confirmed{}, Released{}, Expired{},
		Held{}, HoldClaimed{}, HoldDropped{}, HoldConfirmed{}, HoldReleased{}, HoldsExpired{}, HoldLost{})
}
