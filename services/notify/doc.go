// Package notify tells customers what happens to their orders, by mail and by text message. It owns which messages
// were made and what became of them.
//
// In: it follows order; placed, paid, cancelled and refunded each make one message a channel that the customer
// gave. Nothing else sends a message, so none is sent for what did not commit. Out: the output bindings "mail"
// (SMTP) and "sms" (HTTP), and the list of an order's notifications.
//
// Every message is sent at least once and carries an id that never changes (UUID v5 of order, template and
// channel), as Idempotency-Key of an SMS and as Message-ID of a mail; in a mail's last line, too, because the SMTP
// binding of a released Dapr sets no headers.
//
// What a failure does: a channel that is down holds up only its own messages. They are repeated after 1, 2, 4 … 32 s
// and then parked; an operator retries or discards them. What the SMS gateway refuses is parked at once. An order
// with nothing left to send leaves memory after a while; its list then comes from a view in the store.
package notify
