package main

import (
	"net/http"
	"net/http/pprof"
	"runtime"
)

// lockSamples is that one in so many waits for a lock is looked at.
const lockSamples = 100

// withProfiles serves Go's profiles beside h, and has the runtime sample waits for locks. A peer listens on loopback alone.
func withProfiles(h http.Handler) http.Handler {
	runtime.SetMutexProfileFraction(lockSamples)
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.Handle("/", h)
	return mux
}
