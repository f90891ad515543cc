package paymentapi

import (
	"time"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/money"
	"github.com/sidecart/sidecart/services/kit/task"
)

// Requested says that a charge is to be made: it is known under (OrderID, Attempt) from now on.
type Requested struct {
	OrderID string      `json:"order_id"`
	Attempt int         `json:"attempt"` // from 1
	Method  string      `json:"method"`
	Amount  money.Money `json:"amount"`
	Task    task.Task   `json:"task"`
}

// Charged says that the provider took the money, once, whatever was repeated on the way.
type Charged struct {
	OrderID   string      `json:"order_id"`
	Attempt   int         `json:"attempt"`
	ChargeID  string      `json:"charge_id"` // the provider's
	Amount    money.Money `json:"amount"`
	ChargedAt time.Time   `json:"charged_at"` // when we recorded it
}

// Declined says that this attempt took no money and never will.
type Declined struct {
	OrderID string `json:"order_id"`
	Attempt int    `json:"attempt"`
	Reason  string `json:"reason"` // a short code such as "card_declined", or DeclinedByOperator
}

// DeclinedByOperator is the reason of a parked charge that an operator discarded after looking at the
// provider's books.
const DeclinedByOperator = "discarded_by_operator"

// Abandoned says that the order was cancelled before the charge was attempted: no money was taken or will be.
type Abandoned struct {
	OrderID string `json:"order_id"`
	Attempt int    `json:"attempt"`
	Reason  string `json:"reason"` // AbandonedOrderCancelled
}

// AbandonedOrderCancelled is the reason of an Abandoned charge.
const AbandonedOrderCancelled = "order_cancelled"

// RefundRequested says that the money of a charge is to go back.
type RefundRequested struct {
	OrderID  string      `json:"order_id"`
	ChargeID string      `json:"charge_id"`
	Attempt  int         `json:"attempt"`
	Amount   money.Money `json:"amount"`
	Reason   string      `json:"reason"`
	Task     task.Task   `json:"task"`
}

// RefundedByOperator is the RefundID of a parked refund that an operator discarded because it was settled in
// another way.
const RefundedByOperator = "settled_by_operator"

// Refunded says that the money of the charge went back, once.
type Refunded struct {
	OrderID    string      `json:"order_id"`
	ChargeID   string      `json:"charge_id"`
	Attempt    int         `json:"attempt"`
	Amount     money.Money `json:"amount"`
	RefundID   string      `json:"refund_id"` // the provider's, or RefundedByOperator
	RefundedAt time.Time   `json:"refunded_at"`
}

// TaskChanged says where the work on a charge or refund stands: claimed, failed, parked, retried.
type TaskChanged struct {
	OrderID string    `json:"order_id"`
	Task    task.Task `json:"task"`
}

// Forgotten says that nothing is kept in memory about the order any more.
type Forgotten struct {
	OrderID string `json:"order_id"`
}

// EventType names the event.
func (Requested) EventType() string { return "payment.requested" }

// EventType names the event.
func (Charged) EventType() string { return "payment.charged" }

// EventType names the event.
func (Declined) EventType() string { return "payment.declined" }

// EventType names the event.
func (Abandoned) EventType() string { return "payment.abandoned" }

// EventType names the event.
func (RefundRequested) EventType() string { return "payment.refund_requested" }

// EventType names the event.
func (Refunded) EventType() string { return "payment.refunded" }

// EventType names the event.
func (TaskChanged) EventType() string { return "payment.task_changed" }

// EventType names the event.
func (Forgotten) EventType() string { return "payment.forgotten" }

// Types lists every event of the payment journal.
func Types() journal.Types {
	return journal.NewTypes(Requested{}, Charged{}, Declined{}, Abandoned{}, RefundRequested{}, Refunded{},
		TaskChanged{}, Forgotten{})
}
