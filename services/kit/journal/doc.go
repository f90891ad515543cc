// Package journal is where sidecart's state changes: an append-only log of numbered segments per shard, held by
// any state store that can create a key only if it does not exist. It owns the committed state of every shard
// in memory, the segments and snapshots in the store, the offsets of followed sources and the parked events.
//
// In: commands (Do, DoShard, DoEach), segments that other writers of the same shard committed, acknowledgements of followers.
// Out: answers, immutable states (State), segments (Segments, the routes of Register, Deps.Publish).
//
// # How a command becomes a commit
//
// Each shard has one goroutine (shard.go). It takes what waits, clones the committed state, and decides and applies
// command after command on the clone (trial.go). The events become segment head+1, created with one create-only
// write (commit.go). Won: the clone becomes the committed state by one atomic store, so readers never lock and never
// see what is not committed. Lost: the clone is dropped, the winner's segment is applied, the batch is decided again.
// What is applied is the event as it reads back from its record, so that every replica applies the same value; an event that
// writes itself exactly (Exact) is applied as it is.
//
// An answer that writes nothing (a refusal, a repeat) is given only from a head that was looked at after the
// command was taken: another replica may have decided that very command. After an unknown outcome such an answer first
// writes an empty segment, which keeps the late write from landing behind it.
//
// Commands of many callers share a segment, and each of its events says on whose behalf it is, or nothing: the segment's trace is said only
// where all have one cause (callers.go). Decide is told the caller's trace, for what it asks to be done later; Apply is not.
//
// # Why numbers can be believed
//
// Trimming makes holes, and a hole would win a create-only write. A writer or reader that has not known the head
// for Config.StaleAfter therefore looks at the snapshot's header after whatever it learned about the number after
// its head (head.go). Trimming records its intent in the header before the first delete: a header that does not
// yet intend to trim the number proves that no delete of it had begun.
//
// # What a failure does
//
//   - The store fails or is slow: retried with back-off until CommitWithin, then errs.OutcomeUnknown if a write was tried
//     and errs Unavailable if not; either way repeating with the same id is safe. Ready says so.
//   - Decide or Apply panics on a command: that command is answered with an internal error, nothing of it is kept.
//   - A committed segment cannot be read or applied: Run returns an error that names the key and what to do. A
//     process must not go on from half of its state.
//   - The broker fails: counted; followers pull what they miss.
//   - A snapshot or trim fails or the process dies in it: what is in the store stays loadable, the next pass goes on.
//
// # How a domain's state is to be built
//
// Machine.Clone must take constant time and Machine.Apply must leave the original alone. Maps of kit/trie do both, for what
// there are millions of. So does a struct of tidwall/btree Maps: Map.Copy is O(1) and copies nodes when either side is written. Hold Maps by pointer, copy every
// Map in Clone, and treat the values in them as immutable: put a changed copy, never change through a pointer. Read a
// committed state with the plain methods only (Get, Scan, Ascend, Iter); the …Mut methods, Copy and Load write to
// the tree, and only the journal may do that. State hands out one state to every reader.
package journal
