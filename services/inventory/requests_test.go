package inventory

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

// The contract says it with a pattern, the code without: matching one costs each request more than the rest of its checks.
func TestSKUsAreThoseOfTheContract(t *testing.T) {
	pattern := regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	assert.Contains(t, string(contract), strings.Trim(pattern.String(), "^$"))
	rapid.Check(t, func(t *rapid.T) {
		sku := rapid.OneOf(
			rapid.StringMatching(`[A-Za-z0-9._-]{0,70}`), rapid.StringOfN(rapid.RuneFrom([]rune("@AZ[`az{/09:.-_ \x00é�")), 0, 4, -1), rapid.String(),
			rapid.Just("."), rapid.Just(".."), rapid.Just("\xff"),
		).Draw(t, "sku")
		assert.Equal(t, pattern.MatchString(sku) && sku != "." && sku != "..", checkSKU("sku", sku) == nil, "%q", sku)
	})
}

func TestReservationsAppendWhatWouldBeEncoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String()
		journaltest.RequireAppends(t, reservationAnswer{
			ID: text.Draw(t, "id"), SKU: text.Draw(t, "sku"), Quantity: rapid.Int64().Draw(t, "quantity"),
			Status: Status(text.Draw(t, "status")), ExpiresAt: time.Unix(0, rapid.Int64Range(0, 1<<62).Draw(t, "expires")).UTC(),
		})
	})
}
