// Package client speaks sidecart's public contract as an outside program would: over HTTP, knowing nothing but
// the gateway's address. The journeys, the fault tests and the demo share it. It never retries by itself: what the
// shop answered is what the caller sees.
package client
