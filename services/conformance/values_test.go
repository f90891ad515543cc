package conformance

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDocumentsHaveTheirSize(t *testing.T) {
	for _, n := range []int{1, 2, 3, 100, 200_000} {
		value := document64(1, n)
		assert.Len(t, value, n)
		assert.True(t, json.Valid(value))
	}
	assert.NotEqual(t, document64(1, 100), document64(2, 100))
}
