package chaos

import (
	"context"
	"fmt"
	"slices"

	"github.com/sidecart/sidecart/e2e/client"
)

// basket is one to three lines of what is on the shelf.
func (l *Load) basket(ctx context.Context) []client.Line {
	var lines []client.Line
	for range 1 + l.dice(3) {
		sku := l.sku(ctx)
		if !slices.ContainsFunc(lines, func(line client.Line) bool { return line.SKU == sku }) {
			lines = append(lines, client.Line{SKU: sku, Quantity: 1 + int64(l.dice(2))})
		}
	}
	return lines
}

// sku takes any from the shelf, which is filled when there is room.
func (l *Load) sku(ctx context.Context) string {
	l.mu.Lock()
	if len(l.shelf) >= l.cfg.Shelf {
		defer l.mu.Unlock()
		return l.shelf[l.rng.IntN(len(l.shelf))]
	}
	l.mu.Unlock()
	sku := fmt.Sprintf("sku-%d", l.number())
	l.Stock(ctx, sku, l.cfg.Units)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shelf = append(l.shelf, sku)
	return sku
}

// Stock puts a new SKU on sale, beside the shelf.
func (l *Load) Stock(ctx context.Context, sku string, units int64) {
	result, _ := l.insist(ctx, func(ctx context.Context) error {
		_, _, err := l.shop.Put(ctx, sku, client.Product{
			Title: "A thing", Price: client.Money{Amount: 1990, Currency: "EUR"}, Quantity: units,
		})
		return err
	})
	if result == yes {
		l.told.with(func() { l.told.received[sku] = units })
	}
}

// replace takes one of the SKUs that ran out from the shelf, or has it delivered anew.
func (l *Load) replace(ctx context.Context, lines []client.Line) {
	sku := lines[l.dice(len(lines))].SKU
	if l.dice(4) > 0 {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.shelf = slices.DeleteFunc(l.shelf, func(s string) bool { return s == sku })
		return
	}
	const delivered = 10
	id := fmt.Sprintf("d-%d", l.number())
	result, _ := l.insist(ctx, func(ctx context.Context) error {
		_, err := l.shop.Restock(ctx, sku, id, delivered)
		return err
	})
	l.told.with(func() {
		switch {
		case l.told.received[sku] < 0: // nobody knows
		case result == yes:
			l.told.received[sku] += delivered
		default:
			l.told.received[sku] = -1
		}
	})
}
