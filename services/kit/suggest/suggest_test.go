package suggest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNearestName(t *testing.T) {
	names := []string{"redisHost", "redisPort", "enableTLS"}
	for got, want := range map[string]string{"redisHots": "redisHost", "REDISHOST": "redisHost", "enabletls": "enableTLS", "consumer": "", "": ""} {
		assert.Equal(t, want, Nearest(got, names), got)
	}
	many := slices.Repeat([]string{"name"}, MaxNamed+5)
	assert.Contains(t, Ending("xyz", many), "and 5 more")
}
