// Package run reads a Dapr multi-app run file and runs what it says on one machine: every app, a Dapr
// sidecar beside each app that wants one, and the infrastructure processes they need.
//
// It owns the processes it starts, the ports it gives them, their log files and the data folder while the
// stack runs. In: a run file (the very format of `dapr run -f`), Options, and calls from tests or a command.
// Out: running processes, Events, log files and the state file run.json.
//
// An app id may be listed more than once: each entry is a replica, an app process and a sidecar of its own, called id, id-2, …
// after their order in the file. All replicas of a run share its tokens, as everything in it does.
//
// A component set that takes its servers' addresses from variables that nobody has set gets private servers (package servers).
// They are processes of the stack like the others: listed, logged, restarted, killable.
//
// Order: apps marked with the environment entry SIDECART_SIDECAR: "none" are infrastructure. Servers
// start first, together; then infrastructure, in file order, each waited for. Then every other app and its sidecar start together. Ready means that the app
// answers its health path (and SIDECART_READY_PATH, if the file names one) and that its sidecar answers /v1.0/healthz/outbound, not that a process exists.
//
// Failure: a process that dies before it was ever ready ends the start with the last thing it logged. One that dies later is
// started again on the same ports after a back-off; at the fifth death within a minute the whole stack is stopped
// and Err says why. Stopping takes apps first, then sidecars, then infrastructure and servers, and kills what does not stop in time.
// If the runner itself is killed, the kernel kills its children (Linux).
package run
