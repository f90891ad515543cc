// Package sidecar is all that sidecart knows of Dapr's API: narrow ports (ports.go, secrets.go) for a state store, a broker,
// output bindings and secrets, and a Client that speaks them to the sidecar over gRPC.
//
// In: keys, JSON documents, events. Out: what the sidecar answered. Every call has a deadline and happens at most
// once: nothing in here or in the connection repeats a call that the sidecar may have seen, because only the caller
// knows whether repeating is safe. A failure of a write therefore leaves its outcome unknown; ErrConflict is the
// one failure that says more. While the sidecar is away, calls fail at once and the connection is tried again
// about every second.
package sidecar
