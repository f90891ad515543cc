package payment

import (
	"time"

	"github.com/sidecart/sidecart/services/kit/money"
)

// The commands of payment, beside those of kit/task. Every one may be repeated: what is in already gives no events.
type (
	// requestCharge asks for a charge, claimed at once by the writer that records it.
	requestCharge struct {
		OrderID string
		Attempt int
		Method  string
		Amount  money.Money
		By      string
		Lease   time.Duration
	}
	// cancelOrder abandons the charges of the order that were never attempted.
	cancelOrder struct{ OrderID string }
	// requestRefund asks for the refund of a charge. It works from its own data alone: the charge need not be known.
	requestRefund struct {
		OrderID  string
		ChargeID string
		Attempt  int
		Amount   money.Money
		Reason   string
		By       string
		Lease    time.Duration
	}
	// forgetOrder lets a settled order leave memory.
	forgetOrder struct{ OrderID string }

	// recordCharged writes down that the provider took the money, even for a charge that is not expected to have been.
	recordCharged struct {
		OrderID  string
		Attempt  int
		ChargeID string
		Amount   money.Money
	}
	// recordDeclined writes down that the provider refused.
	recordDeclined struct {
		OrderID string
		Attempt int
		Reason  string
	}
	// recordRefunded writes down that the provider gave the money back.
	recordRefunded struct {
		OrderID  string
		ChargeID string
		RefundID string
	}
)
