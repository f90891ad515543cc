// Package conformance tells whether sidecart is safe on a state store and a broker, by trying the properties that sidecart
// stands on, each under a name, and saying in words what breaks without it.
//
// In: the ports of kit/sidecar, so that the suite runs through any daprd and over any store that daprd can reach; with
// options also a second sidecar on the same store, a way to restart, a plain write and a broker. Out: a Result for each
// property as soon as it is known, and a Verdict over all of them.
//
// Of a broker sidecart needs nothing but that its component starts (followers pull what it loses), so the worst
// that a broker does otherwise is to make effects late.
//
// What it does to the store: it writes below a prefix of its own, conformance/{run}/…, some ten thousand keys with about
// 40 MB in all, at up to 16 writes at a time, and deletes them at the end, also when it is ended early. To a broker: it publishes some
// sixty events on one topic that nobody else uses; a broker that keeps a queue for an app keeps one afterwards.
//
// What it cannot see: whether an acknowledged write survives a power cut (that is the store's fsync), replicas of the
// store that fail over, and anything that happens rarely. A pass is the absence of a counterexample in some twenty seconds.
//
// Ideas from: Dapr's certification tests for components, and the conformance suite that Watermill exports for brokers.
package conformance
