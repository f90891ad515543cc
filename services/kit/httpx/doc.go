// Package httpx is how sidecart speaks HTTP: the Echo that every listener uses, strict decoding of requests, and
// problem documents (RFC 9457) for every failure.
//
// In: requests, of which nothing is believed: paths, queries and bodies are bounded and checked here, and a
// refusal names the field. Out: JSON answers or a problem document with a code and a trace id.
//
// A request belongs to the trace that its caller names (W3C or B3), or to one that is made here, and so does whatever it causes: Propagate
// takes it to other services, TraceMark to whoever acts on the caller's behalf later. On the public listener the caller is told
// (X-Trace-Id), requests are measured by the app that answered (AnsweredBy), and a share of them leaves a line in the log (access.go).
//
// An error of a handler meets HTTP in exactly one place (writeError), which also logs it, once: a defect of ours
// at error level, what passes (503) as a warning, what is the caller's at debug level. A panic becomes a 500 and
// a log line with its stack.
//
// docs/adr/0012-http-server.md says why the server is net/http's, and what a request costs.
package httpx
