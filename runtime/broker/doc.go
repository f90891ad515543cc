// Package broker is the message broker of the default component set: a NATS
// server with JetStream inside this process, and one stream per topic.
//
// It owns a folder of stream files and two loopback ports. In: a Config. Out:
// NATS for sidecars (Dapr's pubsub.jetstream creates no streams, so they are
// made here, before anything is told that the broker is ready) and
// GET /healthz, 200 once every stream exists and 503 before.
//
// Nothing depends on what the broker keeps: services take their truth from
// journals, and a message is a hint that there is something new to read. So
// messages are written to files but not synced one by one, and each topic is
// bounded in bytes and in age; beyond either bound the oldest go.
//
// Failure: a port that is taken, a folder that cannot be written or a stream
// that cannot be made end Run with an error that names it. A killed broker
// comes back with its streams and the subscribers' positions.
package broker
