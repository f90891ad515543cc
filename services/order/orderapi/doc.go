// Package orderapi is what other services may import of order: the events of its journal. Every event carries all
// that a follower needs, so following never calls back. Contact is personal data and must stay out of logs.
//
// Followers: inventory (Paid confirms the hold, Cancelled releases it), payment (PaymentRequested charges,
// RefundRequested refunds, Cancelled abandons a charge never attempted), notify (Placed, Paid, Cancelled, Refunded).
// Archived and Restored say where the order service keeps an order and change nothing about it.
package orderapi
