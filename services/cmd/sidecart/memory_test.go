package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSmallHeapsGrowFurtherThanLargeOnes(t *testing.T) {
	for live, want := range map[uint64]int{
		0: 100, 1: 1600, 1 << 20: 1600, 8 << 20: 800, 16 << 20: 400, 32 << 20: 200, 128 << 20: 200, 160 << 20: 160, 256 << 20: 100, 1 << 40: 100,
	} {
		assert.Equal(t, want, gcPercent(live), "%d bytes alive", live)
	}
}

func TestCollectingFollowsWhatIsAlive(t *testing.T) {
	before := debug.SetGCPercent(usualGCPercent)
	defer debug.SetGCPercent(before)
	collectLate(func(name string) string { return map[string]string{"GOGC": "100"}[name] })
	runtime.GC()
	require.Equal(t, usualGCPercent, gcPercentNow(), "GOGC goes first")

	collectLate(func(string) string { return "" })
	collectedUntil(t, func(percent int) bool { return percent >= 2*usualGCPercent })
	held := make([]byte, roomyGrowthBytes)
	collectedUntil(t, func(percent int) bool { return percent == usualGCPercent })
	runtime.KeepAlive(held)
	collectedUntil(t, func(percent int) bool { return percent >= 2*usualGCPercent })
}

// collectedUntil collects garbage until the rule is as wanted: what follows a collection runs on another goroutine.
func collectedUntil(t *testing.T, wanted func(percent int) bool) {
	t.Helper()
	require.Eventually(t, func() bool { runtime.GC(); return wanted(gcPercentNow()) }, 10*time.Second, time.Millisecond)
}

func gcPercentNow() int {
	now := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(now)
	return int(now[0].Value.Uint64())
}
