package footprint

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestField(t *testing.T) {
	assert.Equal(t, int64(12<<10), field("Rss:  20 kB\nPss:    12 kB\n", "Pss:"))
	assert.Zero(t, field("", "Pss:"))
}
