package inventoryapi

import (
	"github.com/sidecart/sidecart/services/kit/exact"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// The events of a flash sale write themselves, and the answer to order. Their times are UTC without a monotonic part, as journal.At's is.
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
	appendLines(&w, e.Lines)
	w.Time(`,"expires_at":`, e.ExpiresAt)
	w.Raw(`}`)
	return w.To, w.Err
}

// AppendJSON appends what json.Marshal would write.
func (a HoldsAnswer) AppendJSON(to []byte) ([]byte, error) {
	w := exact.Writer{To: to}
	w.List(`{"results":`, len(a.Results), func(i int) {
		w.Raw(`{`)
		r := &a.Results[i]
		if h := r.Hold; h != nil {
			w.Text(`"hold":{"id":`, h.ID)
			appendLines(&w, h.Lines)
			w.Time(`,"expires_at":`, h.ExpiresAt)
			w.Raw(`}`)
		}
		if r.Refusal != nil {
			if r.Hold != nil {
				w.Raw(`,`)
			}
			w.Value(`"refusal":`, r.Refusal)
		}
		w.Raw(`}`)
	})
	w.Raw(`}`)
	return w.To, w.Err
}

// appendLines appends the member lines.
func appendLines(w *exact.Writer, lines []HeldLine) {
	w.List(`,"lines":`, len(lines), func(i int) {
		l := &lines[i]
		w.Text(`{"sku":`, l.SKU)
		w.Text(`,"title":`, l.Title)
		w.Number(`,"quantity":`, l.Quantity)
		w.Money(`,"unit_price":`, l.UnitPrice)
		w.Raw(`}`)
	})
}
