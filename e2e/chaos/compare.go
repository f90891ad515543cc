package chaos

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
)

// comparison is the accounts at one moment at which nobody changes them.
type comparison struct {
	account *account
	told    *told
	world   worldView
	stock   map[string]client.Stock
	now     time.Time
	empty   bool
	wrong   []string
}

func (c *comparison) says(format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

func (c *comparison) all() {
	c.toldOrders()
	c.toldReservations()
	c.ledger()
	c.orderStates()
	c.holds()
	c.stocks()
	c.notices()
}

// toldOrders: what a client was told of is there, what it was refused is not, and nobody has two.
func (c *comparison) toldOrders() {
	for name, t := range c.told.orders {
		ids := c.account.customers[name]
		if len(ids) > 1 {
			c.says("doubled: one request of %s made the orders %v", name, ids)
		}
		switch {
		case t.placed == no && len(ids) > 0:
			c.says("%s was refused and has the order %s", name, ids[0])
		case t.placed == yes && !slices.Contains(ids, t.id):
			c.says("lost: %s was told of the order %s, the journal has %v", name, t.id, ids)
		case t.placed == yes:
			c.toldOrder(t, c.account.orders[t.id])
		}
	}
	for customer, ids := range c.account.customers {
		if c.told.orders[customer] == nil {
			c.says("nobody asked for the orders %v of %s", ids, customer)
		}
	}
}

func (c *comparison) toldOrder(t *toldOrder, o *orderAccount) {
	if !slices.EqualFunc(t.lines, o.lines, func(a, b client.Line) bool { return a == b }) {
		c.says("order %s has the lines %v, asked for were %v", t.id, o.lines, t.lines)
	}
	if t.cancelled && o.status != client.Cancelled && o.status != client.Refunded {
		c.says("lost: the cancellation of %s was accepted and it is %s", t.id, o.status)
	}
	if t.seenPaid && !o.wasPaid {
		c.says("lost: order %s was shown as paid, its journal does not know of it", t.id)
	}
	if t.paying && o.status == client.AwaitingPayment && o.charge == "" && !c.ended(o) {
		c.says("open: order %s waits for its payment", t.id)
	}
}

// ended tells whether every payment attempt of an order has its end.
func (c *comparison) ended(o *orderAccount) bool {
	for attempt := range o.requested {
		if !c.account.declined[fmt.Sprintf("%s/%d", o.id, attempt)] || o.status == client.AwaitingPayment {
			return false
		}
	}
	return true
}

func (c *comparison) toldReservations() {
	want := map[string]string{"confirm": lineConfirmed, "release": lineReleased}
	for id, t := range c.told.reservations {
		r := c.account.reserved[t.sku+"|"+id]
		switch {
		case t.reserved == no && r != nil:
			c.says("reservation %s of %s was refused and is there", id, t.sku)
		case t.reserved == yes && r == nil:
			c.says("lost: reservation %s of %s", id, t.sku)
		case t.reserved == yes && r.quantity != t.quantity:
			c.says("reservation %s of %s has %d units, asked for were %d", id, t.sku, r.quantity, t.quantity)
		case t.resolved != "" && r != nil && r.status != want[t.resolved]:
			c.says("lost: %s of reservation %s of %s was accepted and it is %s", t.resolved, id, t.sku, r.status)
		}
	}
}

// ledger: one charge for a paid order, as many refunds as charges for one that is not, no key twice, nothing of
// orders that do not exist, and payment's own account is the same set.
func (c *comparison) ledger() {
	charges, refunds := map[string][]harness.Entry{}, map[string][]harness.Entry{}
	keys, charged := map[string]bool{}, map[string]bool{}
	for _, e := range slices.Concat(c.world.charges, c.world.refunds) {
		if keys[e.Kind+e.Key] {
			c.says("doubled: the ledger has two entries %s with the key %s", e.Kind, e.Key)
		}
		keys[e.Kind+e.Key] = true
		o := c.account.orders[e.OrderID]
		if o == nil {
			c.says("the ledger has a %s of order %s, which does not exist", e.Kind, e.OrderID)
			continue
		}
		if e.Amount != o.total.Amount {
			c.says("order %s costs %d, the ledger has a %s of %d", o.id, o.total.Amount, e.Kind, e.Amount)
		}
		switch e.Kind {
		case "charge":
			charges[o.id] = append(charges[o.id], e)
			charged[e.ID] = true
			if c.account.charges[e.ID] == nil {
				c.says("open: payment does not know the charge %s of order %s", e.ID, o.id)
			}
		case "refund":
			refunds[o.id] = append(refunds[o.id], e)
		}
	}
	for id, known := range c.account.charges {
		if !charged[id] {
			c.says("payment has the charge %s of order %s, the provider does not", id, known.order)
		}
	}
	for _, o := range c.account.orders {
		kept := len(charges[o.id]) - len(refunds[o.id])
		if o.status == client.Paid && kept != 1 || o.status != client.Paid && kept != 0 {
			c.says("order %s is %s with %d charges and %d refunds", o.id, o.status, len(charges[o.id]), len(refunds[o.id]))
		}
	}
}

// orderStates: nothing is under way any more, and nothing waits beyond its time.
func (c *comparison) orderStates() {
	for _, o := range c.account.orders {
		if !c.ended(o) {
			c.says("open: order %s (%s) has payment attempts without an end", o.id, o.status)
		}
		for charge, done := range o.refunds {
			if !done {
				c.says("open: order %s waits for the refund of %s", o.id, charge)
			}
		}
		if o.status == client.AwaitingPayment && (c.empty || c.now.Sub(o.payBy) > lateBy) {
			c.says("stranded: order %s awaits its payment, which was due at %s", o.id, o.payBy.Format(time.TimeOnly))
		}
		for sku, l := range c.account.holds[o.id] {
			switch o.status {
			case client.AwaitingPayment:
				if l.status != lineReserved && c.now.Before(o.payBy) {
					c.says("order %s awaits its payment and its hold of %s is %s", o.id, sku, l.status)
				}
			case client.Paid:
				if l.status != lineConfirmed {
					c.says("open: order %s is paid and its hold of %s is %s", o.id, sku, l.status)
				}
			default:
				if l.status == lineReserved || l.status == lineConfirmed {
					c.says("stranded: order %s is %s and its hold of %s is %s", o.id, o.status, sku, l.status)
				}
			}
		}
		if len(c.account.holds[o.id]) < len(o.lines) {
			c.says("order %s has %d lines and holds %d", o.id, len(o.lines), len(c.account.holds[o.id]))
		}
	}
}

// holds: what is held for no order, and what is reserved, goes back when its time is over.
func (c *comparison) holds() {
	for order, lines := range c.account.holds {
		for sku, l := range lines {
			if l.status == lineReserved && c.account.orders[order] == nil && (c.empty || c.now.Sub(l.expiresAt) > lateBy) {
				c.says("stranded: %d of %s are held for %s, which was never placed", l.quantity, sku, order)
			}
		}
	}
	for _, r := range c.account.reserved {
		if r.status == lineReserved && (c.empty || c.now.Sub(r.expiresAt) > lateBy) {
			c.says("stranded: reservation %s of %s, which was over at %s", r.id, r.sku, r.expiresAt.Format(time.TimeOnly))
		}
	}
}

// stocks: what the shop shows, what the journal says, and what orders and reservations add up to.
func (c *comparison) stocks() {
	reserved, sold := map[string]int64{}, map[string]int64{}
	for _, lines := range c.account.holds {
		for sku, l := range lines {
			switch l.status {
			case lineReserved:
				reserved[sku] += l.quantity
			case lineConfirmed:
				sold[sku] += l.quantity
			}
		}
	}
	for _, r := range c.account.reserved {
		switch r.status {
		case lineReserved:
			reserved[r.sku] += r.quantity
		case lineConfirmed:
			sold[r.sku] += r.quantity
		}
	}
	for _, sku := range slices.Sorted(maps.Keys(c.account.stock)) {
		a, shown := c.account.stock[sku], c.stock[sku]
		if a.reserved != reserved[sku] || a.sold != sold[sku] {
			c.says("%s: orders and reservations hold %d and bought %d, its stock says %+v", sku, reserved[sku], sold[sku], *a)
		}
		if shown.Received != a.received || shown.Available != a.available || shown.Reserved != a.reserved || shown.Sold != a.sold {
			c.says("%s is shown as %+v, its journal says %+v", sku, shown, *a)
		}
	}
	for sku, received := range c.told.received {
		if a := c.account.stock[sku]; a == nil || received >= 0 && a.received != received {
			c.says("lost: %s received %d, its journal says %+v", sku, received, a)
		}
	}
}

// notices: everything that happened to an order was told by every channel and has arrived, and nothing else has.
func (c *comparison) notices() {
	made := map[string]int{}
	for id, m := range c.account.messages {
		made[m.order+" "+m.template]++
		switch {
		case m.dropped:
		case !m.sent:
			c.says("open: the %s %s of order %s is not sent", m.channel, m.template, m.order)
		case c.world.arrived[id] == 0:
			c.says("lost: the %s %s of order %s is sent and has not arrived", m.channel, m.template, m.order)
		}
	}
	for id := range c.world.arrived {
		if c.account.messages[id] == nil {
			c.says("the message %s arrived and was never queued", id)
		}
	}
	const channels = 2
	for _, o := range c.account.orders {
		want := []string{"order_placed"}
		if o.wasPaid {
			want = append(want, "order_paid")
		}
		if o.status == client.Cancelled {
			want = append(want, "order_cancelled")
		}
		if o.status == client.Refunded {
			want = append(want, "order_refunded")
		}
		for _, template := range want {
			if made[o.id+" "+template] < channels {
				c.says("open: %d of %d notices %s of order %s were made", made[o.id+" "+template], channels, template, o.id)
			}
		}
	}
}
