package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/run"
)

// Bounds of the books.
const (
	bookEvery     = 500 * time.Millisecond
	lateBy        = 20 * time.Second // how long after its limit something may still wait to be cleared away
	compareWithin = time.Minute
	restartWithin = time.Minute
	maxTold       = 50  // violations told one by one
	publicRead    = 200 // orders that are also read through the gateway
)

// Books compares what clients were told, the journals, the provider's ledger and the inboxes.
type Books struct {
	shop    *harness.Shop
	load    *Load
	scribe  *Scribe
	outside *outside
	known   map[string]bool
}

// NewBooks makes the Books of a load; scribe must have read along from the beginning.
func NewBooks(shop *harness.Shop, load *Load, scribe *Scribe) *Books {
	return &Books{shop: shop, load: load, scribe: scribe, outside: newOutside(shop.Stack.URLs().App["sandbox"]), known: map[string]bool{}}
}

// Balance waits until the shop, in which nobody does anything any more, has come to rest and gives what does not
// agree then. Work that is still open after within is a violation: it was lost. With empty set it waits until every
// order has its end too, and wants nothing to be reserved any more.
func (b *Books) Balance(ctx context.Context, within time.Duration, empty bool) []string {
	deadline := time.Now().Add(within)
	for {
		wrong := slices.DeleteFunc(b.compare(ctx, empty), func(w string) bool { return b.known[w] })
		if len(wrong) == 0 || time.Now().After(deadline) || ctx.Err() != nil {
			return wrong[:min(len(wrong), maxTold)]
		}
		wait(ctx, bookEvery)
	}
}

// BalanceCold ends every process at once, starts them again, and compares once more: what a process only had in its
// memory is gone then, and everything is read from the disk.
func (b *Books) BalanceCold(ctx context.Context, within time.Duration, empty bool) []string {
	if err := b.restart(ctx); err != nil {
		return []string{fmt.Sprintf("the shop does not start again: %v", err)}
	}
	if err := b.scribe.Reread(ctx); err != nil {
		return []string{fmt.Sprintf("the journals cannot be read again: %v", err)}
	}
	return b.Balance(ctx, within, empty)
}

func (b *Books) restart(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, restartWithin)
	defer cancel()
	stack := b.shop.Stack
	var held []string
	for _, p := range stack.Processes() {
		if p.State == run.StateHeld {
			continue // a test wants it down
		}
		if err := stack.KillProcess(ctx, p.Name); err != nil {
			return err
		}
		held = append(held, p.Name)
	}
	var g errgroup.Group
	for _, name := range held {
		g.Go(func() error { return stack.StartProcess(ctx, name) })
	}
	return g.Wait()
}

// Accept makes later calls of Balance pass over violations that are told already.
func (b *Books) Accept(wrong []string) {
	for _, w := range wrong {
		b.known[w] = true
	}
}

// compare gives everything that does not agree now.
func (b *Books) compare(ctx context.Context, empty bool) []string {
	ctx, cancel := context.WithTimeout(ctx, compareWithin)
	defer cancel()
	if err := b.shop.Stack.Ready(ctx); err != nil {
		return []string{err.Error()}
	}
	if err := b.scribe.CatchUp(ctx); err != nil {
		return []string{fmt.Sprintf("the journals cannot be read: %v", err)}
	}
	world, err := b.outside.read(ctx)
	if err != nil {
		return []string{fmt.Sprintf("the sandbox cannot be read: %v", err)}
	}
	stock, err := b.publicStock(ctx)
	if err != nil {
		return []string{fmt.Sprintf("the stock cannot be read: %v", err)}
	}
	parked, err := b.shop.Parked(ctx)
	if err != nil {
		return []string{fmt.Sprintf("what is parked cannot be read: %v", err)}
	}
	b.scribe.mu.Lock()
	b.load.told.mu.Lock()
	c := comparison{account: b.scribe.told, told: b.load.told, world: world, stock: stock, now: time.Now(), empty: empty}
	c.wrong = append(slices.Clone(c.account.wrong), c.told.strange...)
	for _, p := range parked.Items {
		c.says("parked: %s %s %s", p.Service, p.ID, p.Reason)
	}
	c.all()
	sample := b.sample()
	b.load.told.mu.Unlock()
	b.scribe.mu.Unlock()
	if len(c.wrong) == 0 {
		c.wrong = b.public(ctx, sample)
	}
	return c.wrong
}

// publicStock is every SKU as the gateway shows it.
func (b *Books) publicStock(ctx context.Context) (map[string]client.Stock, error) {
	all := map[string]client.Stock{}
	for cursor := ""; ; {
		page, err := b.shop.Stocks(ctx, cursor, 200)
		if err != nil {
			return nil, err
		}
		for _, s := range page.Items {
			all[s.SKU] = s
		}
		if cursor = page.NextCursor; cursor == "" {
			return all, nil
		}
	}
}

// sample is some orders with the status that the journal says.
func (b *Books) sample() map[string]string {
	out := map[string]string{}
	for id, o := range b.scribe.told.orders {
		if len(out) == publicRead {
			break
		}
		if rand.IntN(4) == 0 || len(b.scribe.told.orders) < publicRead {
			out[id] = o.status
		}
	}
	return out
}

// public reads orders through the gateway.
func (b *Books) public(ctx context.Context, want map[string]string) (wrong []string) {
	for id, status := range want {
		o, err := b.shop.Order(ctx, id)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("order %s cannot be read: %v", id, err))
		} else if o.Status != status && (status != client.AwaitingPayment || o.Status != client.Cancelled) { // its time ran out meanwhile
			wrong = append(wrong, fmt.Sprintf("order %s is shown as %s, its journal says %s", id, o.Status, status))
		}
	}
	return wrong
}
