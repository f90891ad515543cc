package main

import "net/http"

// idleConnsPerHost is how many connections an HTTP binding keeps to one other side between requests; http.DefaultTransport keeps two. A
// payment provider and an SMS gateway are each one host, asked for more than two effects at a time, and every further answer closed its
// connection: opening them took a seventh of the sidecar's CPU time under sales. 64 is the most effects at a time that a setting allows.
const idleConnsPerHost = 64

// keepConnections sets it. bindings.http has no setting for it and copies the default transport when a component is made, so call this
// before. What is idle for 90 s is closed, as by default.
func keepConnections(transport *http.Transport) {
	transport.MaxIdleConnsPerHost = idleConnsPerHost
	transport.MaxIdleConns = 0 // no common bound: each host has its own
}
