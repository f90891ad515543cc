package garbage

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"testing"

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
	CollectLate(func(name string) string { return map[string]string{"GOGC": "100"}[name] })
	runtime.GC()
	require.Equal(t, usualGCPercent, gcPercentNow(), "GOGC goes first")

	stop := CollectLate(func(string) string { return "" })
	defer stop() // before the percentage is put back
	collectedUntil(t, func() bool { return gcPercentNow() >= 2*usualGCPercent })
	held := make([]byte, roomyGrowthBytes)
	collectedUntil(t, func() bool { return gcPercentNow() == usualGCPercent })
	runtime.KeepAlive(held)
	collectedUntil(t, func() bool { return gcPercentNow() >= 2*usualGCPercent })

	stop()
	debug.SetGCPercent(usualGCPercent)
	for range 3 {
		collectAndClean(t)
		require.Equal(t, usualGCPercent, gcPercentNow(), "stopped")
	}
}

// collectAndClean collects garbage and returns when what follows a collection has run.
func collectAndClean(t *testing.T) {
	t.Helper()
	cleaned := make(chan struct{})
	afterEachGC(func() func() bool {
		calls := 0
		return func() bool {
			if calls++; calls == 2 {
				close(cleaned)
			}
			return calls < 2
		}
	}())
	runtime.GC()
	<-cleaned
}

// The runtime takes the percentage of stacks, too: thousands of connections have many, and must not move the bound.
func TestStacksDoNotLetTheHeapGrowFurther(t *testing.T) {
	before := debug.SetGCPercent(usualGCPercent)
	defer debug.SetGCPercent(before)
	leave := make(chan struct{})
	var entered, left sync.WaitGroup
	for range 512 { // 32 MiB, which let the heap grow by several times 64 MiB if they do not count
		entered.Add(1)
		left.Go(func() { deep(&entered, leave) })
	}
	entered.Wait()
	defer left.Wait()
	defer close(leave)

	defer CollectLate(func(string) string { return "" })()
	of := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}}
	var growth, stacks uint64
	collectedUntil(t, func() bool {
		metrics.Read(of)
		growth, stacks = of[0].Value.Uint64()-of[1].Value.Uint64(), of[2].Value.Uint64()
		return growth >= minHeapGrowthBytes*9/10 && growth <= 2*minHeapGrowthBytes
	})
	require.Greater(t, stacks, uint64(16<<20), "%d bytes of growth", growth)
}

// deep waits with 64 KiB on its stack.
//
//go:noinline
func deep(entered *sync.WaitGroup, leave chan struct{}) byte {
	var frame [64 << 10]byte
	entered.Done()
	<-leave
	return frame[len(leave)]
}

// collectedUntil collects garbage until it is as wanted. What follows a collection runs on goroutines of its own, in any order: so it may
// take some collections, however slow the machine is.
func collectedUntil(t *testing.T, wanted func() bool) {
	t.Helper()
	const most = 100
	for range most {
		collectAndClean(t)
		if wanted() {
			return
		}
	}
	require.FailNow(t, "not as wanted", "after %d collections: percentage %d", most, gcPercentNow())
}

func gcPercentNow() int {
	now := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(now)
	return int(now[0].Value.Uint64())
}
