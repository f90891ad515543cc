package chaos

// The statuses of a line of a hold and of a reservation, as this account names them.
const (
	lineReserved  = "reserved"
	lineConfirmed = "confirmed"
	lineReleased  = "released"
	lineExpired   = "expired"
	lineLost      = "lost"
)

// move changes a SKU's stock; nothing may ever be below zero, at no segment of the history.
func (a *account) move(sku string, received, available, reserved, sold int64, why string, s segment) {
	st := a.stock[sku]
	if st == nil {
		a.violation("%s of %s, which does not exist (inventory/%d/%d)", why, sku, s.Shard, s.Seq)
		return
	}
	st.received, st.available, st.reserved, st.sold = st.received+received, st.available+available, st.reserved+reserved, st.sold+sold
	if st.available < 0 || st.reserved < 0 || st.sold < 0 || st.received != st.available+st.reserved+st.sold {
		a.violation("oversold: after %s of %s (inventory/%d/%d) it has %+v", why, sku, s.Shard, s.Seq, *st)
	}
}

func (a *account) stockEvent(kind string, e stockEvent, s segment) {
	switch kind {
	case "inventory.item_created":
		if a.stock[e.SKU] != nil {
			a.violation("%s was created twice", e.SKU)
		}
		a.shardOf[e.SKU] = s.Shard
		a.stock[e.SKU] = &stockAccount{received: e.Quantity, available: e.Quantity}
	case "inventory.restocked":
		a.move(e.SKU, e.Quantity, e.Quantity, 0, 0, kind, s)
	case "inventory.reserved":
		if a.reserved[e.SKU+"|"+e.ID] != nil {
			a.violation("reservation %s of %s was made twice", e.ID, e.SKU)
		}
		a.move(e.SKU, 0, -e.Quantity, e.Quantity, 0, kind, s)
		a.reserved[e.SKU+"|"+e.ID] = &reservation{sku: e.SKU, id: e.ID, quantity: e.Quantity, status: lineReserved, expiresAt: e.ExpiresAt}
	case "inventory.confirmed":
		a.move(e.SKU, 0, 0, -e.Quantity, e.Quantity, kind, s)
		a.resolve(e.SKU, e.ID, lineConfirmed)
	case "inventory.released":
		a.move(e.SKU, 0, e.Quantity, -e.Quantity, 0, kind, s)
		a.resolve(e.SKU, e.ID, lineReleased)
	case "inventory.expired":
		for _, r := range e.Reservations {
			a.move(r.SKU, 0, r.Quantity, -r.Quantity, 0, kind, s)
			a.resolve(r.SKU, r.ID, lineExpired)
		}
	default:
		a.holdEvent(kind, e, s)
	}
}

func (a *account) resolve(sku, id, status string) {
	r := a.reserved[sku+"|"+id]
	if r == nil || r.status != lineReserved {
		a.violation("reservation %s of %s became %s when it was %+v", id, sku, status, r)
		return
	}
	r.status = status
}

func (a *account) holdEvent(kind string, e stockEvent, s segment) {
	switch kind {
	case "inventory.held":
		lines := a.lines(e.ID)
		for _, l := range e.Lines {
			a.move(l.SKU, 0, -l.Quantity, l.Quantity, 0, kind, s)
			if was := lines[l.SKU]; was != nil && was.status == lineReserved {
				a.violation("%s is held twice for order %s", l.SKU, e.ID)
			}
			lines[l.SKU] = &holdLine{quantity: l.Quantity, status: lineReserved, expiresAt: e.ExpiresAt}
		}
	case "inventory.hold_dropped":
		if e.Gone { // only the lines of this shard: an order's other lines have a hold of their own
			a.endHold(e.ID, lineReleased, s)
		}
	case "inventory.holds_expired":
		for _, id := range e.IDs {
			a.endHold(id, lineExpired, s)
		}
	case "inventory.hold_confirmed":
		a.move(e.SKU, 0, e.FromReserved-e.Quantity, -e.FromReserved, e.Quantity, kind, s)
		a.settle(e.OrderID, e.SKU, e.Quantity, lineConfirmed)
	case "inventory.hold_released":
		a.move(e.SKU, 0, e.FromReserved+e.FromSold, -e.FromReserved, -e.FromSold, kind, s)
		a.settle(e.OrderID, e.SKU, 0, lineReleased)
	case "inventory.hold_lost":
		for _, sku := range e.SKUs {
			if l := a.lines(e.OrderID)[sku]; l != nil && l.status == lineReserved {
				a.move(sku, 0, l.quantity, -l.quantity, 0, kind, s)
			}
			a.settle(e.OrderID, sku, 0, lineLost)
		}
	}
}

func (a *account) lines(order string) map[string]*holdLine {
	if a.holds[order] == nil {
		a.holds[order] = map[string]*holdLine{}
	}
	return a.holds[order]
}

// endHold ends what is reserved for an order in the shard of s. Which SKUs live there is known from where their
// segments came from.
func (a *account) endHold(order, status string, s segment) {
	for sku, l := range a.lines(order) {
		if l.status == lineReserved && a.shardOf[sku] == s.Shard {
			a.move(sku, 0, l.quantity, -l.quantity, 0, status, s)
			l.status = status
		}
	}
}

func (a *account) settle(order, sku string, quantity int64, status string) {
	lines := a.lines(order)
	if lines[sku] == nil {
		lines[sku] = &holdLine{}
	}
	lines[sku].status = status
	if quantity > 0 {
		lines[sku].quantity = quantity
	}
}
