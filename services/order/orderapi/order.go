package orderapi

import (
	"time"

	"github.com/sidecart/sidecart/services/kit/money"
)

// Statuses of an order.
const (
	StatusAwaitingPayment = "awaiting_payment"
	StatusPaid            = "paid"
	StatusCancelled       = "cancelled"
	StatusRefunded        = "refunded"
)

// Statuses of a Charge.
const (
	ChargePending  = "pending"  // asked of payment, no answer yet
	ChargeDeclined = "declined" // refused
	ChargeCharged  = "charged"  // the money is here
	ChargeRefunded = "refunded" // the money went back
)

// Order is the whole of an order: what is kept in memory, in snapshots, in a Restored event and in a view.
// A value that was published is never changed.
type Order struct {
	ID           string      `json:"id"`
	Seq          uint64      `json:"seq"` // of the segment that last changed it, in its shard of the order journal
	Fingerprint  string      `json:"fingerprint"`
	Status       string      `json:"status"`
	Customer     string      `json:"customer"`
	Tenant       string      `json:"tenant,omitzero"` // see Placed
	Contact      Contact     `json:"contact"`
	Lines        []Line      `json:"lines"`
	Total        money.Money `json:"total"`
	PayBy        time.Time   `json:"pay_by"`
	PlacedAt     time.Time   `json:"placed_at"`
	ChangedAt    time.Time   `json:"changed_at"` // segment time of the last event about it
	CancelReason string      `json:"cancel_reason,omitzero"`
	// Charges are the payment attempts, the n-th with Attempt n. At most MaxAttempts.
	Charges []Charge `json:"charges,omitempty"`
}

// Charge is one payment attempt.
type Charge struct {
	Attempt  int    `json:"attempt"`
	Method   string `json:"method"`
	Status   string `json:"status"`
	ChargeID string `json:"charge_id,omitzero"`
	Reason   string `json:"reason,omitzero"` // why it was declined
	// RefundReason is set once a refund was requested; Status then turns refunded when payment says so.
	RefundReason string `json:"refund_reason,omitzero"`
}

// MaxAttempts bounds the payment attempts of one order.
const MaxAttempts = 10
