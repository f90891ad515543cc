package fault

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAPlaceIsAPointer(t *testing.T) {
	assert.Equal(t, "/ios/getOrder/drop/0", At("ios", "getOrder", "drop", 0))
	assert.Equal(t, "/a~1b/c~0d", At("a/b", "c~d"))
	assert.Empty(t, At())
	assert.Equal(t, "/ios: is empty", Fault{Place: At("ios"), Message: "is empty"}.Error())
	assert.Equal(t, "is empty", Fault{Message: "is empty"}.Error())
	assert.Panics(t, func() { At(1.5) })
}
