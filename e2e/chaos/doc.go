// Package chaos is the proof that nothing is oversold, lost or doubled: customers (Load) who remember what they were
// told, faults that befall the shop meanwhile (Killer, and whatever a test does), a Scribe that keeps its own account
// from the journals, and Books, which compares the four accounts that must agree as sets: what clients were told, the
// journals, the payment provider's ledger, and the inboxes.
//
// What comes in: a running shop of the harness. What goes out: a list of violations, each one line that names the order,
// reservation or segment; an empty list is the proof. Nothing here knows how a service is made: it reads the public
// contract, the journals' routes, and the sandbox.
//
// Failure: a call that the shop does not answer is repeated with the same id, as the contract says; a client that runs
// out of patience leaves its outcome in doubt, and Books then accepts both ends of it, but never two.
package chaos
