// Package task is the shared lifecycle of an external effect that a service's journal records: charge a card, send
// a mail. The outside world takes no part in our commits, so an effect is made in three steps:
//
//	claim (a commit) → do it in the outside world → record what came of it (a commit)
//
// The claim has a lease, longer than the time an execution may take: while it lasts no other replica does the
// same. A crash between the steps leaves a claim whose lease ends; then somebody does the effect again. It is
// therefore done at least once, under an id that never changes, and the receiver drops the repeat.
//
// Task, Decide and Set are pure and live inside the service's own domain (its events wrap a Task). Worker is the
// part that acts: it looks at the committed Sets of every shard, claims what is due, executes with bounded
// concurrency and a deadline, and records.
//
// What a failure does: an execution that failed, or whose outcome is unknown, is repeated after 1, 2, 4 … 32 s
// and then parked with its reason; a parked task waits for an operator who retries or discards it. A definite
// refusal of the other side is an answer and not a failure: the service turns it into a command of its domain. Where the sidecar's
// circuit breaker sends nothing, nothing has failed: the task waits for the breaker as long as it takes.
// A journal that cannot commit stops new claims; what was executed waits to be recorded, and a bounded number of such
// outcomes stops new executions.
package task
