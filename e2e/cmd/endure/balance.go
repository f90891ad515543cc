package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/crowd"
)

// maxTold bounds how many differences are told one by one.
const maxTold = 10

// balance waits until unpaid orders have run out of time and compares the stock of every product with what customers were
// told, the provider's ledger with the number of paid orders, and the sampled visits with the orders as they are now.
func (e *enduring) balance(ctx context.Context) error {
	_ = tell("at rest: waiting until unpaid orders have run out of time")
	var wrong []error
	cs := e.crowd
	for _, line := range cs.unclear {
		wrong = append(wrong, errors.New("no answer: "+line))
	}
	for _, sku := range cs.skus {
		var st client.Stock
		err := crowd.Poll(ctx, func() (done bool, err error) {
			st, err = e.shop.Stock(ctx, sku)
			return err == nil && st.Reserved == 0 && st.Sold == cs.sold[sku], err
		})
		if err != nil || st.Received != plenty || st.Available+st.Sold != plenty {
			wrong = append(wrong, fmt.Errorf("%s: customers paid for %d, stock says %+v: %w", sku, cs.sold[sku], st, err))
		}
	}
	wrong = append(wrong, e.ledger(ctx), e.looks(ctx))
	if err := errors.Join(wrong...); err != nil {
		return fmt.Errorf("the books do not balance:\n%w", err)
	}
	return tell(fmt.Sprintf("the books balance: the stock of %d products, %d charges, %d of %d visits compared one by one",
		len(cs.skus), cs.ends[client.Paid], len(cs.sampled), cs.visits))
}

// ledger checks that there is one charge for each paid order and no refund.
func (e *enduring) ledger(ctx context.Context) error {
	entries, err := e.shop.Sandbox.Ledger(ctx, "")
	if err != nil {
		return err
	}
	orders := map[string]int{}
	for _, entry := range entries {
		switch entry.Kind {
		case "charge":
			orders[entry.OrderID]++
		case "refund":
			return fmt.Errorf("order %s was refunded, and nobody paid a cancelled order", entry.OrderID)
		}
	}
	if len(orders) != e.crowd.ends[client.Paid] {
		return fmt.Errorf("%d orders were charged, %d are paid", len(orders), e.crowd.ends[client.Paid])
	}
	for id, n := range orders {
		if n != 1 {
			return fmt.Errorf("order %s was charged %d times", id, n)
		}
	}
	return nil
}

// looks reads the sampled orders again. One that awaited its payment has run out of time by now.
func (e *enduring) looks(ctx context.Context) error {
	var wrong []error
	for _, v := range e.crowd.sampled {
		if v.ID == "" {
			continue // refused
		}
		want := v.End
		if want == client.AwaitingPayment {
			want = client.Cancelled
		}
		var now client.Order
		err := crowd.Poll(ctx, func() (done bool, err error) {
			now, err = e.shop.Order(ctx, v.ID)
			return err == nil && now.Status == want, err
		})
		if err != nil && len(wrong) < maxTold {
			wrong = append(wrong, fmt.Errorf("order %s ended as %s for its customer and is %s: %w", v.ID, v.End, now.Status, err))
		}
	}
	return errors.Join(wrong...)
}
