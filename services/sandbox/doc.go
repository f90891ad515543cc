// Package sandbox stands in for the outside world on a developer's machine and in tests: a payment provider with
// a ledger, an inbox for text messages and one for mail, and switches that make each of them fail. It is no
// service and no Dapr app; the product reaches it through output bindings, as it would reach the real ones.
//
// In: POST /charges and /refunds, POST /sms, mail by SMTP, POST /faults. Out: GET /charges, /refunds, /sms, /mail
// and /faults, and a page for people at /. The provider's routes are also under /provider.
//
// It behaves as a good provider does: what it answers to is on disk first (append-only files, synced), the same
// Idempotency-Key gives the same answer, and a restart changes nothing. A line that a crash tore is cut off at the
// next start: nobody was told of it. Memory holds one small index entry a record, not the records.
//
// The failures are chosen: down (the connection breaks, nothing is done), slow (an answer after Slow), error (500 or
// 451, nothing is done), lost_reply (it is done, and the connection breaks before the answer). Switches are not
// kept over a restart.
package sandbox
