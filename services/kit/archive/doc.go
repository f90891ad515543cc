// Package archive lets finished aggregates leave memory. An aggregate that nothing is expected to happen to any more
// (a paid order) is written to a view key of its own and then dropped from the state of its shard, so that memory
// holds what is going on and the store holds what has been.
//
//	{service}/view/{kind}/{id}         the aggregate, with the (shard, seq) of the segment that last changed it
//	{service}/list/{kind}/{owner}      the newest archived ids of an owner, newest first, and references to
//	{service}/list/{kind}/{owner}/{n}  older ones, in pages that never change
//	{service}/archived/{kind}/{shard}/{n}  ids whose archived event was trimmed, in pages that never change
//
// How an aggregate is archived: its view is written first (create-only, then by ETag, never over a view of a later
// segment), its owner's list next, and only then a command asks the journal for an archived event, which is decided
// only if the aggregate has not changed since its view was made. Applying the event drops the aggregate and enters
// its id in the shard's Index. A crash anywhere leaves the aggregate in memory and the archiver does it again.
//
// How an archived aggregate is found: an id that is not in memory and not in the Index was never there, which costs
// nothing. An id that the Index may hold is looked up in the store, outside of Decide, and the command is decided
// again with what was found (a Look). A Look carries the generation of the Index that it was made at; archiving moves
// the generation, so a Look that has become old is refused (ErrLookAgain) and made again. Journal does the looking for
// commands of callers and of followers alike. A command that has to change an archived aggregate brings it back by
// an event of the service's own.
//
// The Index is part of a shard's state: it follows from the events, is copied in constant time and stands in
// snapshots. It costs about 8 bytes an archived id at 100,000 ids and 3 at a million (docs/adr/0005-archive.md).
package archive
