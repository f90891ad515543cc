package orderapi

import (
	"github.com/sidecart/sidecart/services/kit/exact"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// Placed is what a rush of customers writes, so it writes itself.
var _ journal.Exact = Placed{}

// AppendJSON appends what json.Marshal would write.
func (e Placed) AppendJSON(to []byte) ([]byte, error) {
	w := exact.Writer{To: to}
	w.Text(`{"order_id":`, e.OrderID)
	w.Text(`,"fingerprint":`, e.Fingerprint)
	w.Text(`,"customer":`, e.Customer)
	w.TextIfAny(`,"tenant":`, e.Tenant)
	w.Raw(`,"contact":{`)
	switch c := e.Contact; {
	case c.Email != "":
		w.Text(`"email":`, c.Email)
		w.TextIfAny(`,"phone":`, c.Phone)
	case c.Phone != "":
		w.Text(`"phone":`, c.Phone)
	}
	w.List(`},"lines":`, len(e.Lines), func(i int) {
		l := &e.Lines[i]
		w.Text(`{"sku":`, l.SKU)
		w.Text(`,"title":`, l.Title)
		w.Number(`,"quantity":`, l.Quantity)
		w.Money(`,"unit_price":`, l.UnitPrice)
		w.Raw(`}`)
	})
	w.Money(`,"total":`, e.Total)
	w.Time(`,"pay_by":`, e.PayBy)
	w.Time(`,"placed_at":`, e.PlacedAt)
	w.Raw(`}`)
	return w.To, w.Err
}
