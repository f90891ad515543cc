package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// How much a heap grows from one garbage collection to the next: by as much as was left alive, as is Go's own rule, but by
// minHeapGrowthBytes at least, and twice as far while that is within roomyGrowthBytes. Services of a small shop, with 5 to 10 MB
// alive, collected 25 times a second under load by Go's rule, which took 15 % of their CPU time; with this it takes 3 %.
// Both are memory that a loaded process uses beside what lives, on machines that have 2 GB.
const (
	minHeapGrowthBytes = 64 << 20
	roomyGrowthBytes   = 256 << 20
)

// usualGCPercent is Go's own rule.
const usualGCPercent = 100

// collectLate sets the rule above anew after every collection, by what that left alive, for as long as the process
// lives. Somebody who sets GOGC knows better and is left alone; GOMEMLIMIT bounds the heap whatever this says.
func collectLate(getenv func(string) string) {
	if getenv("GOGC") != "" {
		return
	}
	percent := usualGCPercent
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	afterEachGC(func() {
		metrics.Read(live)
		// Setting it stops the world for a moment, which small changes are not worth.
		if want := gcPercent(live[0].Value.Uint64()); want < percent*9/10 || want > percent*11/10 {
			percent = want
			debug.SetGCPercent(percent)
		}
	})
}

// gcPercent is how far a heap may grow, in percent of the bytes that are alive; 0 of them says that none were counted yet.
func gcPercent(liveBytes uint64) int {
	// The runtime multiplies its least heap of 4 MiB by the percentage, too: more than this would let it grow further.
	const maxPercent = usualGCPercent * minHeapGrowthBytes / (4 << 20)
	if liveBytes == 0 {
		return usualGCPercent
	}
	growth := max(liveBytes, min(2*liveBytes, roomyGrowthBytes), minHeapGrowthBytes)
	return int(min(growth*100/liveBytes, maxPercent))
}

// afterEachGC calls f now and, on a goroutine of the runtime, after every garbage collection, never twice at a time.
// What tells of a collection is garbage of our own, made anew each time.
func afterEachGC(f func()) {
	f()
	type canary struct{ _ *byte } // with a pointer, so that it is not put into one block with other small things
	runtime.AddCleanup(&canary{}, func(f func()) { afterEachGC(f) }, f)
}
