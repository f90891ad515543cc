package inventoryapi

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecart/sidecart/services/kit/journal"
)

// The events of a flash sale write themselves. Their times are UTC without a monotonic part, as journal.At's is.
var (
	_ journal.Exact = Reserved{}
	_ journal.Exact = Held{}
)

// AppendJSON appends what json.Marshal would write.
func (e Reserved) AppendJSON(to []byte) ([]byte, error) {
	w := writer{to: to}
	w.text(`{"sku":`, e.SKU)
	w.text(`,"id":`, e.ID)
	w.number(`,"quantity":`, e.Quantity)
	w.number(`,"hold_seconds":`, e.HoldSeconds)
	w.time(`,"expires_at":`, e.ExpiresAt)
	w.raw(`}`)
	return w.to, w.err
}

// AppendJSON appends what json.Marshal would write.
func (e Held) AppendJSON(to []byte) ([]byte, error) {
	w := writer{to: to}
	w.text(`{"id":`, e.ID)
	w.text(`,"fingerprint":`, e.Fingerprint)
	if e.Claim != "" {
		w.text(`,"claim":`, e.Claim)
	}
	w.raw(`,"lines":[`)
	for i, l := range e.Lines {
		if i > 0 {
			w.raw(`,`)
		}
		w.text(`{"sku":`, l.SKU)
		w.text(`,"title":`, l.Title)
		w.number(`,"quantity":`, l.Quantity)
		w.number(`,"unit_price":{"amount":`, l.UnitPrice.Amount)
		w.text(`,"currency":`, l.UnitPrice.Currency)
		w.raw(`}}`)
	}
	w.time(`],"expires_at":`, e.ExpiresAt)
	w.raw(`}`)
	return w.to, w.err
}

// writer appends members of an object, each with what goes before its value, and keeps the first error.
type writer struct {
	to  []byte
	err error
}

func (w *writer) raw(text string) { w.to = append(w.to, text...) }

func (w *writer) text(before, value string) {
	to, err := jsontext.AppendQuote(append(w.to, before...), value)
	if w.err == nil {
		w.err = err
	}
	w.to = to
}

func (w *writer) number(before string, value int64) {
	w.to = strconv.AppendInt(append(w.to, before...), value, 10)
}

func (w *writer) time(before string, value time.Time) {
	w.raw(before)
	w.to = append(w.to, '"')
	w.to = value.AppendFormat(w.to, time.RFC3339Nano)
	w.to = append(w.to, '"')
}
