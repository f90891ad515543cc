package inventory

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTextsOfAnyLengthComeBack(t *testing.T) {
	var kept texts
	ids := []string{"a", strings.Repeat("é", shortTextBytes/2), strings.Repeat("s", shortTextBytes), strings.Repeat("l", shortTextBytes+1), strings.Repeat("x", 128)}
	for _, id := range ids {
		kept.set(refOf(1, id), id)
	}
	before := kept.clone()
	for n, id := range ids {
		assert.Equal(t, id, kept.get(refOf(1, id)))
		assert.Empty(t, kept.get(refOf(2, id)), "of another SKU")
		kept.delete(refOf(1, id))
		assert.Empty(t, kept.get(refOf(1, id)))
		assert.Equal(t, len(ids)-n-1, kept.len())
	}
	assert.Equal(t, len(ids), before.len(), "a clone is independent")
}
