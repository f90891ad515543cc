// Package latebroker lets a sidecar start while its broker is away.
//
// Dapr ends a sidecar whose broker does not answer when the sidecar starts, and with it everything else that the sidecar is for:
// a shop whose broker takes a minute to restart would not sell in that minute, if a sidecar died in it. sidecart needs nothing of a
// broker to sell (followers pull), so here the sidecar comes up without it, and the broker joins when it is there.
//
// In: the metadata, publications and subscriptions of any pub/sub component. Out: its deliveries and errors, as they are.
//
// Failure: a broker that does not answer within firstWithin is tried again every retryEvery, with a warning in the log now and then.
// Until it answers publications fail, and subscriptions are kept for later. What is wrong with the metadata itself, a
// password for example, is reported at once and ends the sidecar, as ever. A wrong address looks like a broker that is away: see
// the log, and sidecart_journal_publish_failures_total. A RabbitMQ whose address swallows packets is not noticed within
// firstWithin, because its component heeds no deadline: Dapr's initTimeout ends that sidecar.
//
// With a released daprd: whatever supervises sidecars starts them again until the broker is there.
package latebroker
