package inventory

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/exact"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/money"
)

// Bounds of requests; openapi.yaml says the same.
const (
	maxUnits       = 1_000_000_000
	maxPriceAmount = 1_000_000_000_000 // minor units
	maxTitleRunes  = 200
	maxHoldSeconds = 86_400
)

// checkSKU names the field and repeats nothing of what was sent.
func checkSKU(field, sku string) error {
	if !inventoryapi.IsSKU(sku) {
		return errs.InvalidField(field, "must be 1 to 64 of the characters A-Z a-z 0-9 . _ -")
	}
	return nil
}

func checkRange(field string, value, low, high int64) error {
	if value < low || value > high {
		return errs.InvalidField(field, "must be from %d to %d", low, high)
	}
	return nil
}

// firstError is the first error of several checks: a caller mends one thing at a time.
func firstError(checks ...error) error {
	for _, err := range checks {
		if err != nil {
			return err
		}
	}
	return nil
}

type putItemRequest struct {
	Title    string       `json:"title"`
	Price    *money.Money `json:"price"`
	Quantity *int64       `json:"quantity"`
}

func (r putItemRequest) check() error {
	if r.Price == nil {
		return errs.InvalidField("/price", "must be given")
	}
	if r.Quantity == nil {
		return errs.InvalidField("/quantity", "must be given")
	}
	return firstError(
		checkTitle("/title", r.Title),
		checkRange("/price/amount", r.Price.Amount, 0, maxPriceAmount),
		checkCurrency("/price/currency", r.Price.Currency),
		checkRange("/quantity", *r.Quantity, 0, maxUnits),
	)
}

func checkTitle(field, title string) error {
	switch {
	case strings.TrimSpace(title) == "":
		return errs.InvalidField(field, "must not be empty")
	case utf8.RuneCountInString(title) > maxTitleRunes:
		return errs.InvalidField(field, "is over %d characters", maxTitleRunes)
	case strings.ContainsFunc(title, unicode.IsControl):
		return errs.InvalidField(field, "must not contain control characters")
	}
	return nil
}

func checkCurrency(field, code string) error {
	if !money.KnownCurrency(code) {
		return errs.InvalidField(field, "must be a currency code of ISO 4217 in capitals")
	}
	return nil
}

type restockRequest struct {
	ID       string `json:"id"`
	Quantity int64  `json:"quantity"`
}

func (r restockRequest) check() error {
	return firstError(httpx.CheckID("/id", r.ID), checkRange("/quantity", r.Quantity, 1, maxUnits))
}

type reserveRequest struct {
	ID          string `json:"id"`
	Quantity    int64  `json:"quantity"`
	HoldSeconds int64  `json:"hold_seconds"`
}

func (r reserveRequest) check() error {
	return firstError(
		httpx.CheckID("/id", r.ID),
		checkRange("/quantity", r.Quantity, 1, maxUnits),
		checkRange("/hold_seconds", r.HoldSeconds, 1, maxHoldSeconds),
	)
}

// reservationAnswer is a reservation on the wire.
type reservationAnswer struct {
	ID        string    `json:"id"`
	SKU       string    `json:"sku"`
	Quantity  int64     `json:"quantity"`
	Status    Status    `json:"status"`
	ExpiresAt time.Time `json:"expires_at"`
}

// AppendJSON appends what json.Marshal would write.
func (a reservationAnswer) AppendJSON(to []byte) ([]byte, error) {
	w := exact.Writer{To: to}
	w.Text(`{"id":`, a.ID)
	w.Text(`,"sku":`, a.SKU)
	w.Number(`,"quantity":`, a.Quantity)
	w.Text(`,"status":`, string(a.Status))
	w.Time(`,"expires_at":`, a.ExpiresAt)
	w.Raw(`}`)
	return w.To, w.Err
}

func wireReservation(r *Reservation) reservationAnswer {
	return reservationAnswer{ID: r.ID, SKU: r.SKU, Quantity: r.Quantity, Status: r.Status, ExpiresAt: r.ExpiresAt}
}

func checkHold(r inventoryapi.HoldRequest) error {
	err := firstError(
		httpx.CheckID("/id", r.ID),
		checkRange("/hold_seconds", r.HoldSeconds, 1, maxHoldSeconds),
		checkCount("/lines", len(r.Lines), inventoryapi.MaxHoldLines),
	)
	if err != nil {
		return err
	}
	for i, l := range r.Lines {
		err := firstError(checkSKU("/sku", l.SKU), checkRange("/quantity", l.Quantity, 1, maxUnits))
		if err == nil && slices.ContainsFunc(r.Lines[:i], func(before inventoryapi.HoldLine) bool { return before.SKU == l.SKU }) {
			err = errs.InvalidField("/sku", "is in an earlier line already")
		}
		if err != nil {
			return below(fmt.Sprintf("/lines/%d", i), err)
		}
	}
	return nil
}

// below names the field of err as that of a part of the body.
func below(path string, err error) error {
	f := errs.From(err).Fields[0]
	return errs.InvalidField(path+f.Field, "%s", f.Message)
}

func checkRelease(r inventoryapi.ReleaseRequest) error {
	err := checkCount("/skus", len(r.SKUs), inventoryapi.MaxHoldLines)
	for i, sku := range r.SKUs {
		if err != nil {
			return err
		}
		err = checkSKU(fmt.Sprintf("/skus/%d", i), sku)
	}
	return err
}

func checkCount(field string, n, most int) error {
	if n < 1 || n > most {
		return errs.InvalidField(field, "must have 1 to %d entries", most)
	}
	return nil
}
