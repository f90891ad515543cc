package main

import "runtime/debug"

// sidecarGCPercent lets the heap grow to four times what is alive before it is collected. A sidecar keeps about 20 MB alive and makes garbage
// of everything that passes: by Go's own rule (100) it collected so often that a sixth of its CPU time under load went there. It
// costs up to 40 MB while there is load and nothing when there is none.
const sidecarGCPercent = 300

// collectLater sets it. Somebody who sets GOGC knows better; GOMEMLIMIT bounds the heap whatever this says.
func collectLater(getenv func(string) string) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(sidecarGCPercent)
	}
}
