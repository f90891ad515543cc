package inventoryapi

import (
	"time"
)

// Codes of the errors that inventory answers with.
const (
	CodeUnknownSKU         = "unknown_sku"
	CodeUnknownReservation = "unknown_reservation"
	CodeSoldOut            = "sold_out"
	CodeIDReused           = "id_reused"
	CodeAlreadyConfirmed   = "already_confirmed"
	CodeAlreadyReleased    = "already_released"
	CodeReservationExpired = "reservation_expired"
	CodeStockLimit         = "stock_limit"
	CodeHoldContended      = "hold_contended"
)

// HoldRequest is what one order asks for, and the body of POST /internal/holds, which orders of the release before use
// while they are replaced. Repeating it with the same id is safe and gives the first
// answer; the same id with other lines while the first hold stands is 422 id_reused.
type HoldRequest struct {
	ID          string     `json:"id"`           // the order's, 1 to 128 characters
	Lines       []HoldLine `json:"lines"`        // 1 to MaxHoldLines, no SKU twice
	HoldSeconds int64      `json:"hold_seconds"` // 1 to 86400, counted from the commit
}

// HoldLine asks for units of one SKU.
type HoldLine struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"` // 1 to 1e9
}

// MaxHoldLines bounds the lines of one hold.
const MaxHoldLines = 50

// HoldsRequest is the body of POST /internal/holds/batch: what several orders ask for, each as if it had asked alone.
// The list is 1 to MaxHolds long, and with it the body stays within what a service reads.
type HoldsRequest struct {
	Holds []HoldRequest `json:"holds"`
}

// MaxHolds bounds the holds of one call.
const MaxHolds = 128

// HoldsAnswer has a result for each hold that was asked for, in the order of the request. An order that is refused
// takes nothing from the others. When the call as a whole fails, nobody knows of any of them: repeating is safe.
type HoldsAnswer struct {
	Results []HoldResult `json:"results"`
}

// HoldResult is a hold or why there is none; one of the two.
type HoldResult struct {
	Hold    *Hold    `json:"hold,omitzero"`
	Refusal *Refusal `json:"refusal,omitzero"`
}

// Hold is the answer to a HoldRequest: every line is held, at the price of that moment, in the request's order.
// A refusal is 409 sold_out with the member skus ([]Shortage, every SKU that is short) or 422 unknown_sku with
// the member unknown_skus ([]string, every SKU that does not exist) and leaves nothing held.
type Hold struct {
	ID        string     `json:"id"`
	Lines     []HeldLine `json:"lines"`
	ExpiresAt time.Time  `json:"expires_at"` // of the line that expires first
}

// Shortage is one SKU of a sold_out refusal.
type Shortage struct {
	SKU       string `json:"sku"`
	Requested int64  `json:"requested"`
	Available int64  `json:"available"`
}

// ReleaseRequest is the body of POST /internal/holds/{id}/release, for a hold of which no order came. A hold whose
// order was paid stays as it is.
type ReleaseRequest struct {
	SKUs []string `json:"skus"` // of the hold's lines, 1 to MaxHoldLines
}
