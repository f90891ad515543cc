package orderapi

import (
	"github.com/sidecart/sidecart/services/kit/exact"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// Placed is what a rush of customers writes, so it writes itself; so do the answer to them, and orders for snapshots.
var _ journal.Exact = Placed{}

// AppendJSON appends what json.Marshal would write.
func (e Placed) AppendJSON(to []byte) ([]byte, error) {
	w := exact.Writer{To: to}
	w.Text(`{"order_id":`, e.OrderID)
	w.Text(`,"fingerprint":`, e.Fingerprint)
	w.Text(`,"customer":`, e.Customer)
	w.TextIfAny(`,"tenant":`, e.Tenant)
	appendContact(&w, e.Contact)
	appendLines(&w, e.Lines)
	w.Money(`,"total":`, e.Total)
	w.Time(`,"pay_by":`, e.PayBy)
	w.Time(`,"placed_at":`, e.PlacedAt)
	w.Raw(`}`)
	return w.To, w.Err
}

// AppendJSON appends what json.Marshal would write.
func (o *Order) AppendJSON(to []byte) ([]byte, error) {
	w := exact.Writer{To: to}
	w.Text(`{"id":`, o.ID)
	w.Count(`,"seq":`, o.Seq)
	w.Text(`,"fingerprint":`, o.Fingerprint)
	w.Text(`,"status":`, o.Status)
	w.Text(`,"customer":`, o.Customer)
	w.TextIfAny(`,"tenant":`, o.Tenant)
	appendContact(&w, o.Contact)
	appendLines(&w, o.Lines)
	w.Money(`,"total":`, o.Total)
	w.Time(`,"pay_by":`, o.PayBy)
	w.Time(`,"placed_at":`, o.PlacedAt)
	w.Time(`,"changed_at":`, o.ChangedAt)
	w.TextIfAny(`,"cancel_reason":`, o.CancelReason)
	if len(o.Charges) > 0 {
		w.List(`,"charges":`, len(o.Charges), func(i int) {
			c := &o.Charges[i]
			w.Number(`{"attempt":`, int64(c.Attempt))
			w.Text(`,"method":`, c.Method)
			w.Text(`,"status":`, c.Status)
			w.TextIfAny(`,"charge_id":`, c.ChargeID)
			w.TextIfAny(`,"reason":`, c.Reason)
			w.TextIfAny(`,"refund_reason":`, c.RefundReason)
			w.Raw(`}`)
		})
	}
	w.Raw(`}`)
	return w.To, w.Err
}

// AppendJSON appends what json.Marshal would write.
func (a OrderAnswer) AppendJSON(to []byte) ([]byte, error) {
	w := exact.Writer{To: to}
	w.Text(`{"id":`, a.ID)
	w.Text(`,"status":`, a.Status)
	w.Text(`,"customer":`, a.Customer)
	appendLines(&w, a.Lines)
	w.Money(`,"total":`, a.Total)
	w.Time(`,"pay_by":`, a.PayBy)
	w.Time(`,"placed_at":`, a.PlacedAt)
	w.TextIfAny(`,"cancel_reason":`, a.CancelReason)
	if p := a.Payment; p != nil {
		w.Text(`,"payment":{"method":`, p.Method)
		w.Text(`,"status":`, p.Status)
		w.Number(`,"attempt":`, int64(p.Attempt))
		w.TextIfAny(`,"reason":`, p.Reason)
		w.Raw(`}`)
	}
	w.Raw(`}`)
	return w.To, w.Err
}

// appendContact appends the member contact.
func appendContact(w *exact.Writer, c Contact) {
	w.Raw(`,"contact":{`)
	switch {
	case c.Email != "":
		w.Text(`"email":`, c.Email)
		w.TextIfAny(`,"phone":`, c.Phone)
	case c.Phone != "":
		w.Text(`"phone":`, c.Phone)
	}
	w.Raw(`}`)
}

// appendLines appends the member lines.
func appendLines(w *exact.Writer, lines []Line) {
	w.List(`,"lines":`, len(lines), func(i int) {
		l := &lines[i]
		w.Text(`{"sku":`, l.SKU)
		w.Text(`,"title":`, l.Title)
		w.Number(`,"quantity":`, l.Quantity)
		w.Money(`,"unit_price":`, l.UnitPrice)
		w.Raw(`}`)
	})
}
