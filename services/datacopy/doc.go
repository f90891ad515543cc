// Package datacopy moves a shop's data from one state store to another while it sells, with a short pause at the end.
//
// In: two stores as sidecar.State, and what the services are called. Out: a target that holds the same journals, views,
// lists and catalogues under the same keys, and a Report. It writes to a store through the port only and knows none.
//
// # How a move goes
//
//  1. begin: the target must be empty or that of an earlier run of this very copy. A record (key sidecart/copy, in the
//     target) claims it, and every journal there is marked incoming: no shop can start on half of it.
//  2. copy: shard by shard the snapshot, the catalogue, the segments, and the views and lists that these name; again and
//     again until a pass is short. Every write is create-only or by ETag and is read back. The source is only read.
//  3. close: a last segment, journal.Moved, goes into each shard of the source, create-only. It is ordered with what others
//     write like any segment; from then on nobody commits there, however late it was started or woken. The pause begins.
//  4. the rest is copied and both stores are loaded and compared: heads, states by digest, totals.
//  5. switch: the record says so, by ETag. This is the point of no return; undoing goes by the same record, so only one
//     of the two happens. Then journal.Reopened goes into each shard of the target and the journals are no longer incoming.
//
// Numbers, identities and offsets are the same in both stores, so followers, open tasks, claims and parked events go on.
//
// # What a failure does
//
// A run that ends anywhere can be repeated: it goes on from what the record and the target say. Two runs at a time do the
// same work twice. Until the switch Undo opens the source again; after it the source stays closed.
package datacopy
