package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// minHeapGrowthBytes is how much a process may allocate at least from one garbage collection to the next. By Go's own
// rule (as much as was left alive) services of a small shop, with 5 to 10 MB alive, collected 25 times a second under
// load, which took 15 % of their CPU time; with this it takes 5 %. It costs that much memory while there is load.
const minHeapGrowthBytes = 64 << 20

// usualGCPercent is Go's own rule. A heap that is larger than minHeapGrowthBytes is ruled by it, as everywhere.
const usualGCPercent = 100

// collectLate lets a small heap grow by minHeapGrowthBytes before it is collected. The rule is set anew after every
// collection, by what that left alive, for as long as the process lives. Somebody who sets GOGC knows better and
// is left alone; GOMEMLIMIT bounds the heap whatever this says.
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
	return int(min(max(minHeapGrowthBytes*100/liveBytes, usualGCPercent), maxPercent))
}

// afterEachGC calls f now and, on a goroutine of the runtime, after every garbage collection, never twice at a time.
// What tells of a collection is garbage of our own, made anew each time.
func afterEachGC(f func()) {
	f()
	type canary struct{ _ *byte } // with a pointer, so that it is not put into one block with other small things
	runtime.AddCleanup(&canary{}, func(f func()) { afterEachGC(f) }, f)
}
