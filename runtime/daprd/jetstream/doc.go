// Package jetstream is Dapr's pubsub.jetstream, made to outlive its
// connection.
//
// contrib's component (v1.18.3) leaves reconnecting to the NATS client and its
// defaults: 60 attempts, two seconds apart. After that the client closes for
// good. The sidecar then answers every publication with "connection closed"
// and its app receives nothing more, while both look healthy, until somebody
// restarts the sidecar (seen after a broker had been away for 135 s). Here a
// closed connection is noticed and replaced, subscriptions included.
//
// With a released daprd: restart the sidecars after the broker has been away
// for two minutes. Followers pull what they missed either way.
//
// In: the metadata, publications and subscriptions of pubsub.jetstream. Out:
// its deliveries and errors, as they are.
//
// Failure: while the broker is away publications fail, as they do with
// contrib; within checkEvery of its return they work again. Init, too, waits
// for a broker until its context ends (package latebroker, around this one,
// ends it after three seconds and lets the sidecar start without).
package jetstream
