package orderapi

import (
	"time"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/money"
)

// Contact says how the customer can be reached; at least one of the two is set. Personal data: not for logs.
type Contact struct {
	Email string `json:"email,omitzero"`
	Phone string `json:"phone,omitzero"` // as the customer wrote it: 5 to 15 digits, perhaps a plus sign and separators
}

// Line is one line of an order, at the price that held when it was placed. An order has no SKU twice.
type Line struct {
	SKU       string      `json:"sku"`
	Title     string      `json:"title"`
	Quantity  int64       `json:"quantity"`
	UnitPrice money.Money `json:"unit_price"`
}

// Placed says that an order was recorded; inventory holds its lines under the order's id until after PayBy.
type Placed struct {
	OrderID     string      `json:"order_id"`
	Fingerprint string      `json:"fingerprint"` // of the request's body, to tell a repeat from another request
	Customer    string      `json:"customer"`
	Tenant      string      `json:"tenant,omitzero"` // of the customer; empty: the shop itself, as it always was before there were tenants
	Contact     Contact     `json:"contact"`
	Lines       []Line      `json:"lines"`
	Total       money.Money `json:"total"`
	PayBy       time.Time   `json:"pay_by"`
	PlacedAt    time.Time   `json:"placed_at"`
}

// PaymentRequested asks payment to charge the order; (OrderID, Attempt) names the charge for ever.
type PaymentRequested struct {
	OrderID  string      `json:"order_id"`
	Attempt  int         `json:"attempt"` // from 1
	Method   string      `json:"method"`
	Amount   money.Money `json:"amount"`
	Customer string      `json:"customer"`
	Contact  Contact     `json:"contact"`
}

// PaymentDeclined says that the attempt was refused; the customer may try again until the order's pay_by.
type PaymentDeclined struct {
	OrderID string `json:"order_id"`
	Attempt int    `json:"attempt"`
	Reason  string `json:"reason"`
}

// Paid says that the order has its one charge: the hold becomes a sale.
type Paid struct {
	OrderID  string      `json:"order_id"`
	Attempt  int         `json:"attempt"`
	ChargeID string      `json:"charge_id"`
	Customer string      `json:"customer"`
	Tenant   string      `json:"tenant,omitzero"`
	Contact  Contact     `json:"contact"`
	Lines    []Line      `json:"lines"`
	Total    money.Money `json:"total"`
	PaidAt   time.Time   `json:"paid_at"`
}

// Reasons of Cancelled.
const (
	ReasonCustomer      = "customer"         // the customer asked for it
	ReasonNotPaidInTime = "not_paid_in_time" // pay_by passed
	ReasonStockLost     = "stock_lost"       // paid, but the hold had expired and the stock was gone
)

// Cancelled says that the order will not be delivered: what it holds is to be released. A charge that exists or
// turns up later is refunded by a RefundRequested of its own.
type Cancelled struct {
	OrderID     string      `json:"order_id"`
	Reason      string      `json:"reason"`
	Customer    string      `json:"customer"`
	Tenant      string      `json:"tenant,omitzero"`
	Contact     Contact     `json:"contact"`
	Lines       []Line      `json:"lines"`
	Total       money.Money `json:"total"`
	CancelledAt time.Time   `json:"cancelled_at"`
}

// Reasons of RefundRequested beyond those of Cancelled.
const (
	ReasonPaidAfterCancel = "paid_after_cancel" // the charge landed on a cancelled order
	ReasonChargedTwice    = "charged_twice"     // a second charge landed on an order that has one
)

// RefundRequested asks payment to refund one charge in full; ChargeID names the refund, so there is one a charge.
type RefundRequested struct {
	OrderID  string      `json:"order_id"`
	ChargeID string      `json:"charge_id"`
	Attempt  int         `json:"attempt"` // of the charge
	Amount   money.Money `json:"amount"`
	Reason   string      `json:"reason"`
}

// Refunded says that the money of one charge went back. Status is the order's after it: refunded, or still paid
// when a second charge was the one refunded.
type Refunded struct {
	OrderID    string      `json:"order_id"`
	ChargeID   string      `json:"charge_id"`
	Amount     money.Money `json:"amount"`
	Status     string      `json:"status"`
	Customer   string      `json:"customer"`
	Tenant     string      `json:"tenant,omitzero"`
	Contact    Contact     `json:"contact"`
	Lines      []Line      `json:"lines"`
	RefundedAt time.Time   `json:"refunded_at"`
}

// Archived says that these finished orders left the memory of the order service for views in the store. Nothing
// is expected to happen to them any more; whoever keeps something per order may let go of it too.
type Archived struct {
	OrderIDs []string `json:"order_ids"` // at most MaxArchivedOrders
}

// MaxArchivedOrders bounds one Archived event.
const MaxArchivedOrders = 256

// Restored says that an archived order is back in memory because something happened to it after all.
type Restored struct {
	Order Order `json:"order"`
}

// EventType names the event.
func (Placed) EventType() string { return "order.placed" }

// EventType names the event.
func (PaymentRequested) EventType() string { return "order.payment_requested" }

// EventType names the event.
func (PaymentDeclined) EventType() string { return "order.payment_declined" }

// EventType names the event.
func (Paid) EventType() string { return "order.paid" }

// EventType names the event.
func (Cancelled) EventType() string { return "order.cancelled" }

// EventType names the event.
func (RefundRequested) EventType() string { return "order.refund_requested" }

// EventType names the event.
func (Refunded) EventType() string { return "order.refunded" }

// EventType names the event.
func (Archived) EventType() string { return "order.archived" }

// EventType names the event.
func (Restored) EventType() string { return "order.restored" }

// Types lists every event of the order journal.
func Types() journal.Types {
	return journal.NewTypes(Placed{}, PaymentRequested{}, PaymentDeclined{}, Paid{}, Cancelled{}, RefundRequested{},
		Refunded{}, Archived{}, Restored{})
}
