// Package harness starts a whole shop for a test: the real binaries, real daprd processes, the real broker and the
// sandbox, on free ports with data of its own, through the same runner and run files that scripts/up uses. What a
// test reads is what an outsider can read: the public contract and the sandbox's ledger and inboxes.
//
// It needs the binaries of .bin/ (scripts/test builds them) and fails with that advice when they are missing. With
// -short every test that would open a shop is skipped and says so.
package harness
