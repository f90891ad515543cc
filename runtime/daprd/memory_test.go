package main

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestGarbageIsCollectedLaterUnlessToldOtherwise(t *testing.T) {
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	collectLater(func(name string) string { return map[string]string{"GOGC": "150"}[name] })
	assert.Equal(t, 100, debug.SetGCPercent(100), "the runtime has read GOGC by itself")
	collectLater(func(string) string { return "" })
	assert.Equal(t, sidecarGCPercent, debug.SetGCPercent(100))
}
