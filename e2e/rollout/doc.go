// Package rollout replaces the replicas of a running shop, one after the other within each app, as a Deployment of Kubernetes
// with maxSurge 1 and maxUnavailable 0 does: start a new one, wait until it is ready and gets calls; take the old one from the
// endpoints; tell its sidecar to end, which waits for the app (dapr.io/block-shutdown-duration); let the preStop pause pass;
// SIGTERM to the app; SIGKILL to what is left after the grace period.
//
// What stands in for what: a Service before the gateways' listeners; the sidecars' table of names, which a sidecar
// enters when its app is ready and leaves when it is told to end, for the endpoints of the other apps; a spare place in the runner's stack for the new replica.
package rollout
