package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sidecart/sidecart/e2e/harness"
)

// How long the stock may take to show the sales that customers were told of: inventory follows orders, it does not take part in them.
const (
	settleWithin = 30 * time.Second
	settlePoll   = 100 * time.Millisecond
)

// judgeSales waits until the stock shows every sale as sold, and compares the payment provider's ledger with what customers were told.
func judgeSales(ctx context.Context, running *Running, skus []string, t *Turn) (books Books, err error) {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	tick := time.NewTicker(settlePoll)
	defer tick.Stop()
	for {
		if books, err = running.books(ctx, skus); err != nil {
			return books, err
		}
		if books.Sold >= t.Told[Accepted] {
			break
		}
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
			t.Violation = true
			return books, fmt.Errorf("%d customers were told that they have paid, %d units are sold", t.Told[Accepted], books.Sold)
		}
	}
	entries, err := harness.NewSandbox(running.Sandbox).Ledger(ctx, "")
	if err != nil {
		return books, fmt.Errorf("reading the ledger: %w", err)
	}
	err = judgeLedger(t.Told, entries)
	t.Violation = err != nil
	return books, err
}

// judgeLedger finds orders that were charged more than once, not at all, or without having been placed.
func judgeLedger(told Tally, entries []harness.Entry) error {
	charges := map[string]int64{}
	var wrong []error
	for _, e := range entries {
		if e.Kind != "charge" {
			wrong = append(wrong, fmt.Errorf("the ledger has a %s of order %s", e.Kind, e.OrderID))
			continue
		}
		if charges[e.OrderID]++; charges[e.OrderID] == 2 {
			wrong = append(wrong, fmt.Errorf("order %s was charged twice", e.OrderID))
		}
	}
	charged := int64(len(charges))
	if charged < told[Accepted] {
		wrong = append(wrong, fmt.Errorf("%d customers were told that they have paid, %d orders were charged", told[Accepted], charged))
	}
	if charged > told[Accepted]+told[Unknown] {
		wrong = append(wrong, fmt.Errorf("%d orders were charged, but %d were sold and %d unknown", charged, told[Accepted], told[Unknown]))
	}
	return errors.Join(wrong...)
}
