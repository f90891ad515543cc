package chaos

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/sidecart/sidecart/e2e/client"
)

// account is what the journals say, folded by rules of its own: an independent second opinion on the services.
type account struct {
	orders    map[string]*orderAccount
	customers map[string][]string // customer → orders; a customer of the load orders once
	stock     map[string]*stockAccount
	shardOf   map[string]int                  // of a SKU
	holds     map[string]map[string]*holdLine // order → SKU
	reserved  map[string]*reservation         // SKU|id
	charges   map[string]*chargeAccount       // charge id, as payment recorded it
	declined  map[string]bool                 // order/attempt
	messages  map[string]*message             // message id
	paySecs   []float64                       // from a payment's request to the order's being paid
	wrong     []string
}

type orderAccount struct {
	id, customer string
	lines        []client.Line
	total        client.Money
	payBy        time.Time
	status       string
	requested    map[int]time.Time // attempts without an end
	refunds      map[string]bool   // charge ids to be refunded; true: done
	charge       string
	wasPaid      bool
}

type stockAccount struct{ received, available, reserved, sold int64 }

type holdLine struct {
	quantity  int64
	status    string // reserved, confirmed, released, expired, lost
	expiresAt time.Time
}

type reservation struct {
	sku, id   string
	quantity  int64
	status    string
	expiresAt time.Time
}

type chargeAccount struct {
	order    string
	attempt  int
	amount   int64
	refunded bool
}

type message struct {
	order, template, channel string
	sent, dropped            bool
}

func newAccount() *account {
	return &account{
		orders: map[string]*orderAccount{}, customers: map[string][]string{}, stock: map[string]*stockAccount{}, shardOf: map[string]int{},
		holds: map[string]map[string]*holdLine{}, reserved: map[string]*reservation{}, charges: map[string]*chargeAccount{},
		declined: map[string]bool{}, messages: map[string]*message{},
	}
}

func (a *account) violation(format string, args ...any) {
	a.wrong = append(a.wrong, fmt.Sprintf(format, args...))
}

// apply folds one segment.
func (a *account) apply(s segment) error {
	for i, e := range s.Events {
		var err error
		switch s.Service {
		case "order":
			var v orderEvent
			if err = json.Unmarshal(e.Data, &v); err == nil {
				a.orderEvent(e.Type, v, s)
			}
		case "inventory":
			var v stockEvent
			if err = json.Unmarshal(e.Data, &v); err == nil {
				a.stockEvent(e.Type, v, s)
			}
		case "payment":
			var v orderEvent
			if err = json.Unmarshal(e.Data, &v); err == nil {
				a.paymentEvent(e.Type, v)
			}
		case "notify":
			var v noticeEvent
			if err = json.Unmarshal(e.Data, &v); err == nil {
				a.noticeEvent(e.Type, v)
			}
		}
		if err != nil {
			return fmt.Errorf("segment %s/%d/%d, event %d (%s): %w", s.Service, s.Shard, s.Seq, i, e.Type, err)
		}
	}
	return nil
}

func (a *account) orderEvent(kind string, e orderEvent, s segment) {
	if kind == "order.placed" {
		if a.orders[e.OrderID] != nil {
			a.violation("order %s was placed twice", e.OrderID)
		}
		a.orders[e.OrderID] = &orderAccount{
			id: e.OrderID, customer: e.Customer, lines: e.Lines, total: e.Total, payBy: e.PayBy, status: client.AwaitingPayment,
			requested: map[int]time.Time{}, refunds: map[string]bool{},
		}
		a.customers[e.Customer] = append(a.customers[e.Customer], e.OrderID)
		return
	}
	o := a.orders[e.OrderID]
	if o == nil {
		if e.OrderID != "" {
			a.violation("%s of order %s, which was never placed", kind, e.OrderID)
		}
		return // archived, restored: where an order is kept, not what it is
	}
	switch kind {
	case "order.payment_requested":
		o.requested[e.Attempt] = s.At
	case "order.payment_declined":
		delete(o.requested, e.Attempt)
	case "order.paid":
		if o.status != client.AwaitingPayment {
			a.violation("order %s became paid when it was %s", o.id, o.status)
		}
		if asked, ok := o.requested[e.Attempt]; ok {
			a.paySecs = append(a.paySecs, s.At.Sub(asked).Seconds())
		}
		delete(o.requested, e.Attempt)
		o.status, o.charge, o.wasPaid = client.Paid, e.ChargeID, true
	case "order.cancelled":
		if o.status != client.AwaitingPayment && o.status != client.Paid {
			a.violation("order %s was cancelled when it was %s", o.id, o.status)
		}
		o.status = client.Cancelled
	case "order.refund_requested":
		if _, twice := o.refunds[e.ChargeID]; twice {
			a.violation("order %s asks twice for the refund of %s", o.id, e.ChargeID)
		}
		o.refunds[e.ChargeID] = false
		delete(o.requested, e.Attempt)
	case "order.refunded":
		o.refunds[e.ChargeID] = true
		o.status = e.Status
	}
}

func (a *account) paymentEvent(kind string, e orderEvent) {
	switch kind {
	case "payment.charged":
		if a.charges[e.ChargeID] != nil {
			a.violation("payment recorded the charge %s twice", e.ChargeID)
		}
		a.charges[e.ChargeID] = &chargeAccount{order: e.OrderID, attempt: e.Attempt, amount: e.Amount.Amount}
	case "payment.declined", "payment.abandoned":
		a.declined[fmt.Sprintf("%s/%d", e.OrderID, e.Attempt)] = true
	case "payment.refunded":
		if c := a.charges[e.ChargeID]; c == nil {
			a.violation("payment refunded %s, which it never charged", e.ChargeID)
		} else {
			c.refunded = true
		}
	}
}

func (a *account) noticeEvent(kind string, e noticeEvent) {
	switch kind {
	case "notify.queued":
		for _, m := range e.Messages {
			if a.messages[m.ID] != nil {
				a.violation("message %s of order %s was queued twice", m.ID, e.OrderID)
			}
			a.messages[m.ID] = &message{order: e.OrderID, template: m.Template, channel: m.Channel}
		}
	case "notify.sent", "notify.discarded":
		m := a.messages[e.MessageID]
		if m == nil {
			a.violation("message %s was sent and never queued", e.MessageID)
			return
		}
		m.sent, m.dropped = kind == "notify.sent", kind == "notify.discarded"
	}
}
