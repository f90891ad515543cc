// Package payment moves money: it charges orders and gives money back, through the output binding
// "payment-provider". It owns which charges were asked for and what came of them.
//
// In: it follows order. order.payment_requested asks for a charge, order.refund_requested for a refund,
// order.cancelled abandons a charge that was never attempted, order.archived lets it forget a finished order.
// Out: every charge ends in exactly one of payment.charged, payment.declined and payment.abandoned, and every
// refund in payment.refunded; order follows these.
//
// A charge is known to the provider by the idempotency key "{order_id}:{attempt}" and a refund by
// "refund:{charge_id}", so however often one is sent, money moves once.
//
// What a failure does: a provider that is down, slow or answers nonsense leaves the outcome unknown, and the
// same request is repeated after 1, 2, 4 … 32 s and then parked for an operator. A charge with an unknown
// outcome is never given up by itself: if it lands on an order that was cancelled meanwhile, order asks for the
// refund. A crash between asking the provider and recording its answer repeats the request when the claim's lease ends.
package payment
