package money

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// What arithmetic and Validate refuse. Test with errors.Is.
var (
	ErrOverflow = errors.New("money: the amount is out of range")
	ErrCurrency = errors.New("money: the currencies differ")
	ErrUnknown  = errors.New("money: not a currency code of ISO 4217")
	ErrNegative = errors.New("money: the amount is negative")
)

// Money is an amount of one currency. The zero value is no money of no currency; Add takes it as nothing, so
// that sums can start from it.
type Money struct {
	Amount   int64  `json:"amount"`   // minor units: cents of EUR, whole JPY, fils of KWD
	Currency string `json:"currency"` // ISO 4217, three capitals
}

// Of is shorthand for a Money literal.
func Of(amount int64, currency string) Money { return Money{Amount: amount, Currency: currency} }

// Add is m plus o. Both must have the same currency, unless one of them is the zero value.
func (m Money) Add(o Money) (Money, error) {
	switch {
	case m == Money{}:
		return o, nil
	case o == Money{}:
		return m, nil
	case m.Currency != o.Currency:
		return Money{}, fmt.Errorf("%w: %q and %q", ErrCurrency, m.Currency, o.Currency)
	}
	sum := m.Amount + o.Amount
	// Two's complement wraps: the sum of two numbers of one sign must keep that sign.
	if (m.Amount >= 0) == (o.Amount >= 0) && (sum >= 0) != (m.Amount >= 0) {
		return Money{}, ErrOverflow
	}
	return Money{Amount: sum, Currency: m.Currency}, nil
}

// Mul is m taken n times.
func (m Money) Mul(n int64) (Money, error) {
	if m.Amount == 0 || n == 0 {
		return Money{Currency: m.Currency}, nil
	}
	product := m.Amount * n
	// The division finds every wrapped product but this one, which divides back to itself.
	if (m.Amount == math.MinInt64 && n == -1) || (n == math.MinInt64 && m.Amount == -1) || product/n != m.Amount {
		return Money{}, ErrOverflow
	}
	return Money{Amount: product, Currency: m.Currency}, nil
}

// Sum adds up amounts of one currency; the sum of nothing is the zero value.
func Sum(amounts ...Money) (Money, error) {
	var total Money
	for _, a := range amounts {
		var err error
		if total, err = total.Add(a); err != nil {
			return Money{}, err
		}
	}
	return total, nil
}

// Validate accepts a price: not negative, in a currency that ISO 4217 lists.
func (m Money) Validate() error {
	if m.Amount < 0 {
		return ErrNegative
	}
	if !KnownCurrency(m.Currency) {
		return fmt.Errorf("%w: %q", ErrUnknown, m.Currency)
	}
	return nil
}

// String is for people: "19.99 EUR", "500 JPY", "1.250 KWD".
func (m Money) String() string {
	digits := Digits(m.Currency)
	number := strconv.FormatInt(m.Amount, 10)
	sign := ""
	if m.Amount < 0 {
		sign, number = "-", number[1:]
	}
	if digits > 0 {
		if missing := digits + 1 - len(number); missing > 0 {
			number = strings.Repeat("0", missing) + number
		}
		number = number[:len(number)-digits] + "." + number[len(number)-digits:]
	}
	if m.Currency == "" {
		return sign + number
	}
	return sign + number + " " + m.Currency
}
