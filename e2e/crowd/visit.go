package crowd

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sidecart/sidecart/e2e/client"
)

// The ways to pay that a visit knows; whatever else is given goes to the shop as it is.
const (
	Card     = "card"
	Declined = "card_declined"
	Never    = "" // the customer changes their mind and cancels
)

// pollEvery is the pause between two looks, and before a call is repeated.
const pollEvery = 100 * time.Millisecond

// noAnswer begins the End of a visit whose last call never got a definite answer.
const noAnswer = "no answer: "

// Visit is one customer's visit: what they want, and after Make what came of it.
type Visit struct {
	Order  client.NewOrder
	Method string
	Key    string // the idempotency key

	ID   string // of the order, once it is placed
	End  string // a status of the order, or the code of the refusal
	Took time.Duration
}

// Unclear tells whether the visit got no definite answer before its context ended.
func (v *Visit) Unclear() bool { return strings.HasPrefix(v.End, noAnswer) }

// Make, as its customer, places the order, then pays or cancels it, and waits for the end of that. An order whose payment was declined is
// left awaiting its payment.
func (v *Visit) Make(ctx context.Context, shop *client.Client) {
	began := time.Now()
	v.End = v.make(ctx, shop.For(v.Order.Customer))
	v.Took = time.Since(began)
}

func (v *Visit) make(ctx context.Context, shop *client.Client) string {
	err := Poll(ctx, func() (bool, error) {
		o, err := shop.Place(ctx, v.Key, v.Order)
		v.ID = o.ID
		return err == nil, err
	})
	if err != nil {
		return reason(err)
	}
	step := func() error { return shop.Pay(ctx, v.ID, v.Method) }
	if v.Method == Never {
		step = func() error { return shop.Cancel(ctx, v.ID) }
	}
	err = Poll(ctx, func() (bool, error) {
		err := step()
		return err == nil, err
	})
	switch {
	case err != nil:
		return reason(err)
	case v.Method == Declined:
		return client.AwaitingPayment
	}
	return v.settled(ctx, shop)
}

// settled waits until the order no longer awaits its payment.
func (v *Visit) settled(ctx context.Context, shop *client.Client) string {
	status := client.AwaitingPayment
	err := Poll(ctx, func() (bool, error) {
		o, err := shop.Order(ctx, v.ID)
		if err != nil {
			return false, err
		}
		status = o.Status
		return status != client.AwaitingPayment, nil
	})
	if err != nil {
		return reason(err)
	}
	return status
}

// Poll calls check until it is done, fails for a reason that repeating does not mend, or ctx ends. An unknown outcome and
// a request to come later (429) are such that repeating may mend, as the contract allows.
func Poll(ctx context.Context, check func() (done bool, err error)) error {
	for {
		done, err := check()
		if done {
			return nil
		}
		if p, ok := errors.AsType[*client.Problem](err); ok && p.Definite() && p.Status != 429 {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(pollEvery):
		}
	}
}

// reason is a refusal's code.
func reason(err error) string {
	if p, ok := errors.AsType[*client.Problem](err); ok && p.Definite() {
		return p.Code
	}
	return noAnswer + err.Error()
}
