package orderapi

import (
	"time"

	"github.com/sidecart/sidecart/services/kit/money"
)

// Codes of the errors that order answers with; sold_out and unknown_sku come from inventory as they are.
const (
	CodeUnknownOrder         = "unknown_order"
	CodeIdempotencyKeyReused = "idempotency_key_reused"
	CodeHoldExpired          = "hold_expired"
	CodePaymentPending       = "payment_pending"
	CodeTooManyAttempts      = "too_many_attempts"
	CodeOrderExpired         = "order_expired"
	CodeOrderCancelled       = "order_cancelled"
	CodeAlreadyCancelled     = "already_cancelled"
	CodeAlreadyPaid          = "already_paid"
	CodeAlreadyRefunded      = "already_refunded"
	CodeMixedCurrencies      = "mixed_currencies"
	CodeTotalTooLarge        = "total_too_large"
)

// Bounds of a PlaceRequest.
const (
	MaxLines          = 50
	MaxLineQuantity   = 1000
	MaxCustomerChars  = 128
	MaxEmailBytes     = 254
	MaxPhoneBytes     = 32
	MaxMethodBytes    = 64
	MaxIdempotencyKey = 128 // bytes
	HeaderIdempotency = "Idempotency-Key"
	HeaderReplayed    = "Idempotent-Replayed" // "true" on an answer that was given before
)

// PlaceRequest is the body of POST /v1/orders. A customer orders as themselves and may leave out who that is; operators say
// for whom they order.
type PlaceRequest struct {
	Customer string        `json:"customer,omitzero"`
	Contact  Contact       `json:"contact"`
	Lines    []LineRequest `json:"lines"`
}

// LineRequest asks for units of one SKU.
type LineRequest struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// PayRequest is the body of POST /v1/orders/{id}/payment.
type PayRequest struct {
	Method string `json:"method"`
}

// OrderAnswer is how an order is shown. The contact is left out: whoever placed the order has it.
type OrderAnswer struct {
	ID           string         `json:"id"`
	Status       string         `json:"status"`
	Customer     string         `json:"customer"`
	Lines        []Line         `json:"lines"`
	Total        money.Money    `json:"total"`
	PayBy        time.Time      `json:"pay_by"`
	PlacedAt     time.Time      `json:"placed_at"`
	CancelReason string         `json:"cancel_reason,omitzero"`
	Payment      *PaymentAnswer `json:"payment,omitzero"`
}

// PaymentAnswer shows the payment attempt that counts: the one that was charged, else the latest.
type PaymentAnswer struct {
	Method  string `json:"method"`
	Status  string `json:"status"` // pending, declined, charged, refund_pending, refunded
	Attempt int    `json:"attempt"`
	Reason  string `json:"reason,omitzero"` // why it was declined
}

// PaymentRefundPending is the status of a charge whose refund was asked for and has not come yet.
const PaymentRefundPending = "refund_pending"

// Answer shows o.
func (o Order) Answer() OrderAnswer {
	a := OrderAnswer{
		ID: o.ID, Status: o.Status, Customer: o.Customer, Lines: o.Lines, Total: o.Total,
		PayBy: o.PayBy, PlacedAt: o.PlacedAt, CancelReason: o.CancelReason,
	}
	if len(o.Charges) == 0 {
		return a
	}
	shown := o.Charges[len(o.Charges)-1]
	for _, c := range o.Charges {
		if c.ChargeID != "" && c.RefundReason != ReasonChargedTwice {
			shown = c
		}
	}
	a.Payment = &PaymentAnswer{Method: shown.Method, Status: shown.Status, Attempt: shown.Attempt, Reason: shown.Reason}
	if shown.Status == ChargeCharged && shown.RefundReason != "" {
		a.Payment.Status = PaymentRefundPending
	}
	return a
}
