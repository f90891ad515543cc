package order

import (
	"time"

	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/kit/identity"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/money"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

type look = *archive.Look[orderapi.Order]

// placeOrder records an order that may be paid for PayWithin, but not past PayBefore, since its lines are held until
// some time after that. Answer: placement.
type placeOrder struct {
	OrderID     string
	Fingerprint string
	Customer    string
	Tenant      string // of the customer
	Contact     orderapi.Contact
	Lines       []orderapi.Line
	Total       money.Money
	PayWithin   time.Duration
	PayBefore   time.Time
	Look        look
}

// placement is the order as it was placed; Replayed says that it was there already.
type placement struct {
	Order    orderapi.Order
	Replayed bool
}

// requestPayment starts a payment attempt. Answer: orderapi.Order.
type requestPayment struct {
	OrderID string
	By      identity.Caller
	Method  string
	Look    look
}

// cancelOrder is the customer's wish. Answer: orderapi.Order.
type cancelOrder struct {
	OrderID string
	By      identity.Caller
	Look    look
}

// timeOut cancels orders that have not been paid by a pay_by before Until, up to a bound. Answer: how many.
type timeOut struct{ Until time.Time }

// recordCharge, recordDecline and recordRefund are what payment said; loseStock is what inventory said.
// Answer: nil.
type recordCharge struct {
	OrderID  string
	Attempt  int
	ChargeID string
	Amount   money.Money
	Look     look
}

type recordDecline struct {
	OrderID string
	Attempt int
	Reason  string
	Look    look
}

type recordRefund struct {
	OrderID  string
	ChargeID string
	Look     look
}

type loseStock struct {
	OrderID string
	Look    look
}

// archiveOrders lets settled orders leave memory. Answer: how many.
type archiveOrders struct{ Refs []archive.Ref }

// Each command about one order says which, and takes what the store knows about it.

func (c placeOrder) AggregateID() string     { return c.OrderID }
func (c requestPayment) AggregateID() string { return c.OrderID }
func (c cancelOrder) AggregateID() string    { return c.OrderID }
func (c recordCharge) AggregateID() string   { return c.OrderID }
func (c recordDecline) AggregateID() string  { return c.OrderID }
func (c recordRefund) AggregateID() string   { return c.OrderID }
func (c loseStock) AggregateID() string      { return c.OrderID }

type looked = archive.Look[orderapi.Order]

func (c placeOrder) WithLook(l looked) journal.Command     { c.Look = &l; return c }
func (c requestPayment) WithLook(l looked) journal.Command { c.Look = &l; return c }
func (c cancelOrder) WithLook(l looked) journal.Command    { c.Look = &l; return c }
func (c recordCharge) WithLook(l looked) journal.Command   { c.Look = &l; return c }
func (c recordDecline) WithLook(l looked) journal.Command  { c.Look = &l; return c }
func (c recordRefund) WithLook(l looked) journal.Command   { c.Look = &l; return c }
func (c loseStock) WithLook(l looked) journal.Command      { c.Look = &l; return c }
