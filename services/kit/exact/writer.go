// Package exact writes JSON by hand, for events that are written so often that reflection is what they cost most
// (see journal.Exact). It writes what encoding by tags would, so that nobody sees which of the two it was.
package exact

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecart/sidecart/services/kit/money"
)

// Writer appends to To, each value with what goes before it, such as `,"name":`. It keeps the first error, which can
// only be text that is not UTF-8 or a Value that does not encode.
type Writer struct {
	To  []byte
	Err error
}

// Raw appends text as it is.
func (w *Writer) Raw(text string) { w.To = append(w.To, text...) }

// Text appends a string, quoted.
func (w *Writer) Text(before, value string) {
	to, err := jsontext.AppendQuote(append(w.To, before...), value)
	if w.Err == nil {
		w.Err = err
	}
	w.To = to
}

// TextIfAny appends a member that is left out when it is empty.
func (w *Writer) TextIfAny(before, value string) {
	if value != "" {
		w.Text(before, value)
	}
}

// Number appends a whole number.
func (w *Writer) Number(before string, value int64) {
	w.To = strconv.AppendInt(append(w.To, before...), value, 10)
}

// Count appends a whole number that is not negative.
func (w *Writer) Count(before string, value uint64) {
	w.To = strconv.AppendUint(append(w.To, before...), value, 10)
}

// NumberIfAny appends a member that is left out when it is 0.
func (w *Writer) NumberIfAny(before string, value int64) {
	if value != 0 {
		w.Number(before, value)
	}
}

// Time appends an instant, which must be in UTC and from the year 0 to 9999.
func (w *Writer) Time(before string, value time.Time) {
	w.To = append(append(w.To, before...), '"')
	w.To = append(value.AppendFormat(w.To, time.RFC3339Nano), '"')
}

// TimeIfAny appends a member that is left out when it is the zero time.
func (w *Writer) TimeIfAny(before string, value time.Time) {
	if !value.IsZero() {
		w.Time(before, value)
	}
}

// Money appends an amount with its currency.
func (w *Writer) Money(before string, value money.Money) {
	w.Raw(before)
	w.Number(`{"amount":`, value.Amount)
	w.Text(`,"currency":`, value.Currency)
	w.Raw(`}`)
}

// Value appends what is too rare to be written by hand, encoded by its tags.
func (w *Writer) Value(before string, value any) {
	encoded, err := json.Marshal(value)
	if w.Err == nil {
		w.Err = err
	}
	w.To = append(append(w.To, before...), encoded...)
}

// List appends an array; each appends its value at an index.
func (w *Writer) List(before string, values int, each func(i int)) {
	w.Raw(before)
	w.Raw(`[`)
	for i := range values {
		if i > 0 {
			w.Raw(`,`)
		}
		each(i)
	}
	w.Raw(`]`)
}
