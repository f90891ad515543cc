package order

import (
	"time"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// The refusals of the domain; their codes are part of the contract.

func refuseUnknown(id string) error {
	return errs.Newf(errs.NotFound, orderapi.CodeUnknownOrder, "there is no order %s", id)
}

func refuseReusedKey() error {
	return errs.New(errs.Unprocessable, orderapi.CodeIdempotencyKeyReused,
		"this Idempotency-Key was used for an order with another body")
}

// refuseHoldOver says that the hold was made too long ago to give the customer time to pay. A repeat makes a new one
// once inventory has let go of it.
func refuseHoldOver() error {
	e := errs.New(errs.Unavailable, orderapi.CodeHoldExpired, "placing the order took too long; repeat the request with the same key")
	e.RetryAfter = time.Second
	return e
}

// refuseTenant says that an order of a tenant would become the shop's own: replicas of the release before accounts, which may take the
// next snapshot, know no tenants.
func refuseTenant() error {
	e := errs.New(errs.Unavailable, errs.CodeUnavailable,
		"orders of tenants are taken once the upgrade is over (SIDECART_SEGMENT_VERSION=1 is taken away); nothing was changed")
	e.RetryAfter = time.Minute
	return e
}

func refusePending(c *orderapi.Charge) error {
	return errs.Newf(errs.Conflict, orderapi.CodePaymentPending, "payment attempt %d by %q has no answer yet", c.Attempt, c.Method).
		With("attempt", c.Attempt)
}

func refuseTooManyAttempts() error {
	return errs.Newf(errs.Conflict, orderapi.CodeTooManyAttempts, "all %d payment attempts of this order are used up", orderapi.MaxAttempts)
}

func refuseExpired(o *orderapi.Order) error {
	return errs.Newf(errs.Conflict, orderapi.CodeOrderExpired, "the order had to be paid by %s", o.PayBy.Format(time.RFC3339))
}

// refuseFinished says why nothing can be done with an order that does not await payment.
func refuseFinished(o *orderapi.Order, cancelledCode string) error {
	switch o.Status {
	case orderapi.StatusPaid:
		return errs.New(errs.Conflict, orderapi.CodeAlreadyPaid, "the order is paid")
	case orderapi.StatusRefunded:
		return errs.New(errs.Conflict, orderapi.CodeAlreadyRefunded, "the order was cancelled and its payment refunded")
	}
	return errs.Newf(errs.Conflict, cancelledCode, "the order was cancelled: %s", o.CancelReason).
		With("cancel_reason", o.CancelReason)
}

// The following can only come from a defect or from data that was lost: their events are parked for an operator.

func refuseUnknownAttempt(attempt int) error {
	return errs.Newf(errs.Conflict, "unknown_attempt", "the order has no payment attempt %d", attempt)
}

func refuseUnknownCharge(chargeID string) error {
	return errs.Newf(errs.Conflict, "unknown_charge", "no refund of charge %q was asked for", chargeID)
}

func refuseSecondCharge(attempt int) error {
	return errs.Newf(errs.Conflict, "charge_conflict", "payment attempt %d has another charge already", attempt)
}

func refuseAmount() error {
	return errs.New(errs.Conflict, "charge_amount_mismatch", "the charge is not over the order's total")
}
