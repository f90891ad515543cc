package money

import (
	"math"
	"math/big"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// edge draws numbers around the places where wrapping arithmetic goes wrong, and any others.
func edge() *rapid.Generator[int64] {
	return rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, -1, 0, 1, math.MaxInt64 - 1, math.MaxInt64}))
}

// agrees checks a result against exact arithmetic: right if it fits, refused if it does not.
func agrees(t *rapid.T, exact *big.Int, got Money, err error) {
	if exact.IsInt64() {
		require.NoError(t, err)
		require.Equal(t, exact.Int64(), got.Amount)
		return
	}
	require.ErrorIs(t, err, ErrOverflow)
}

func TestArithmeticAgreesWithExactArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := edge().Draw(t, "a"), edge().Draw(t, "b")
		sum, err := Of(a, "EUR").Add(Of(b, "EUR"))
		agrees(t, new(big.Int).Add(big.NewInt(a), big.NewInt(b)), sum, err)
		product, err := Of(a, "EUR").Mul(b)
		agrees(t, new(big.Int).Mul(big.NewInt(a), big.NewInt(b)), product, err)
	})
}

func TestSumStartsFromNothingAndRefusesAMix(t *testing.T) {
	total, err := Sum(Of(100, "EUR"), Of(250, "EUR"))
	require.NoError(t, err)
	assert.Equal(t, Of(350, "EUR"), total)
	total, err = Sum()
	require.NoError(t, err)
	assert.Zero(t, total)
	_, err = Sum(Of(100, "EUR"), Of(1, "USD"))
	require.ErrorIs(t, err, ErrCurrency)
	_, err = Sum(Of(math.MaxInt64, "EUR"), Of(1, "EUR"))
	require.ErrorIs(t, err, ErrOverflow)
}

func TestValidate(t *testing.T) {
	require.NoError(t, Of(0, "EUR").Validate())
	require.NoError(t, Of(1, "JPY").Validate())
	require.ErrorIs(t, Of(-1, "EUR").Validate(), ErrNegative)
	for _, code := range []string{"", "eur", "EURO", "XXX", "E R", " EU", "R A"} {
		require.ErrorIs(t, Of(1, code).Validate(), ErrUnknown, code)
	}
}

func TestStringUsesTheCurrencysDigits(t *testing.T) {
	for want, m := range map[string]Money{
		"19.99 EUR": Of(1999, "EUR"), "0.05 EUR": Of(5, "EUR"), "-0.05 EUR": Of(-5, "EUR"),
		"500 JPY": Of(500, "JPY"), "1.250 KWD": Of(1250, "KWD"), "0.00": {},
		"-92233720368547758.08 EUR": Of(math.MinInt64, "EUR"),
	} {
		assert.Equal(t, want, m.String())
	}
}

func TestJSONForm(t *testing.T) {
	b, err := json.Marshal(Of(1999, "EUR"))
	require.NoError(t, err)
	assert.Equal(t, `{"amount":1999,"currency":"EUR"}`, string(b))
}
