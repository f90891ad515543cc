package chaos

import (
	"context"
	"fmt"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
)

// Audit compares what any outsider can read, of a shop that Books does not know from the beginning: for every SKU
// received = available + reserved + sold and what is reserved and sold is exactly what the orders say; for every order
// one charge if it was paid and one refund if it was charged and is not paid. It gives the first thing that is wrong.
func Audit(ctx context.Context, s *harness.Shop, skus, orders []string) error {
	reserved, sold := map[string]int64{}, map[string]int64{}
	ledger, err := s.Sandbox.Ledger(ctx, "")
	if err != nil {
		return err
	}
	charges, refunds := map[string]int{}, map[string]int{}
	for _, entry := range ledger {
		switch entry.Kind {
		case "refund":
			refunds[entry.OrderID]++
		case "charge":
			charges[entry.OrderID]++
		}
	}
	for _, id := range orders {
		o, err := s.Order(ctx, id)
		if err != nil {
			return fmt.Errorf("order %s, which a client was told of: %w", id, err)
		}
		if err := balanced(o, charges[id], refunds[id]); err != nil {
			return err
		}
		for _, line := range o.Lines {
			switch o.Status {
			case client.AwaitingPayment:
				reserved[line.SKU] += line.Quantity
			case client.Paid:
				sold[line.SKU] += line.Quantity
			}
		}
	}
	for _, sku := range skus {
		st, err := s.Stock(ctx, sku)
		if err != nil {
			return err
		}
		if st.Received != st.Available+st.Reserved+st.Sold || min(st.Available, st.Reserved, st.Sold) < 0 {
			return fmt.Errorf("conservation is broken: %+v", st)
		}
		if st.Reserved != reserved[sku] || st.Sold != sold[sku] {
			return fmt.Errorf("%s: orders say %d reserved and %d sold, stock says %+v", sku, reserved[sku], sold[sku], st)
		}
	}
	return nil
}

// balanced checks one order against the provider's ledger.
func balanced(o client.Order, charges, refunds int) error {
	wantCharges, wantRefunds := 0, 0
	switch o.Status {
	case client.Paid:
		wantCharges = 1
	case client.Refunded:
		wantCharges, wantRefunds = 1, 1
	case client.AwaitingPayment, client.Cancelled:
	default:
		return fmt.Errorf("order %s has the unknown status %q", o.ID, o.Status)
	}
	if charges != wantCharges || refunds != wantRefunds {
		return fmt.Errorf("order %s is %s with %d charges and %d refunds", o.ID, o.Status, charges, refunds)
	}
	return nil
}
