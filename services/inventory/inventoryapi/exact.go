package inventoryapi

import (
	"github.com/sidecart/sidecart/services/kit/exact"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// The events of a flash sale write themselves. Their times are UTC without a monotonic part, as journal.At's is.
var (
	_ journal.Exact = Reserved{}
	_ journal.Exact = Held{}
)

// AppendJSON appends what json.Marshal would write.
func (e Reserved) AppendJSON(to []byte) ([]byte, error) {
	w := exact.Writer{To: to}
	w.Text(`{"sku":`, e.SKU)
	w.Text(`,"id":`, e.ID)
	w.Number(`,"quantity":`, e.Quantity)
	w.Number(`,"hold_seconds":`, e.HoldSeconds)
	w.Time(`,"expires_at":`, e.ExpiresAt)
	w.Raw(`}`)
	return w.To, w.Err
}

// AppendJSON appends what json.Marshal would write.
func (e Held) AppendJSON(to []byte) ([]byte, error) {
	w := exact.Writer{To: to}
	w.Text(`{"id":`, e.ID)
	w.Text(`,"fingerprint":`, e.Fingerprint)
	w.TextIfAny(`,"claim":`, e.Claim)
	w.List(`,"lines":`, len(e.Lines), func(i int) {
		l := &e.Lines[i]
		w.Text(`{"sku":`, l.SKU)
		w.Text(`,"title":`, l.Title)
		w.Number(`,"quantity":`, l.Quantity)
		w.Money(`,"unit_price":`, l.UnitPrice)
		w.Raw(`}`)
	})
	w.Time(`,"expires_at":`, e.ExpiresAt)
	w.Raw(`}`)
	return w.To, w.Err
}
