// Package failpoint lets a test kill a process with SIGKILL at a named line, which no signal from outside can hit.
//
// What comes in: the name that the code passes to Hit, and in a build with the tag failpoints the environment:
//
//	SIDECART_FAILPOINT=NAME        the first hit of that name kills
//	SIDECART_FAILPOINT=NAME:20     the 20th does
//	SIDECART_FAILPOINT=A:20,B,C:3  each life of the process takes the first entry that has not struck yet
//	SIDECART_FAILPOINT_ONCE=FILE   required; FILE.0, FILE.1, … are created when entry 0, 1, … strikes, so that the
//	                               process that is started next goes on
//	SIDECART_EVENT_FAULTS=30       percent of the broker's messages that Deliver drops, doubles or reorders
//
// What goes out: a line on stderr and the end of the process. In an ordinary build Hit is empty and costs nothing.
//
// Failure: a malformed SIDECART_FAILPOINT kills nothing, and neither does a marker file that cannot be created; the test
// that asked for the kill then finds no marker.
package failpoint

// The names, each a moment between two steps that no store makes one.
const (
	BeforeCommit   = "journal/before-commit"   // a batch is decided, nothing is written
	AfterCommit    = "journal/after-commit"    // the segment is written, nobody was answered
	BeforePublish  = "journal/before-publish"  // the segment is committed, the broker does not have it
	SnapshotChunk  = "journal/snapshot-chunk"  // a chunk is written, the set is not complete
	SnapshotHeader = "journal/snapshot-header" // every chunk is written, the header does not say so
	Trim           = "journal/trim"            // a segment is deleted, others that the header gave up are not
	BeforeCall     = "task/before-call"        // an effect is claimed and not made
	AfterCall      = "task/after-call"         // an effect (a charge, a mail) is made and not recorded
	AfterViews     = "archive/after-views"     // views are written, the aggregates are still in memory
)
