// Package paymentapi is what other services may import of payment: the events of its journal. Order follows
// Charged, Declined, Abandoned and Refunded; everything else is payment's own book-keeping, which a follower passes over.
package paymentapi
