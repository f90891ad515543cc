package inventory

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
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
