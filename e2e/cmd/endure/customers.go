package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/crowd"
)

const (
	names       = 20_000     // different customers, who come again and again
	plenty      = 50_000_000 // of each product
	maxSampled  = 2_000      // visits that are looked at again at the end, chosen evenly from all
	patience    = 90 * time.Second
	declinePart = 6 // in 100 visits
	cancelPart  = 6
)

// customers visit one after the other without a pause. They remember sums, and some visits whole.
type customers struct {
	shop *client.Client
	cfg  config
	skus []string

	mu      sync.Mutex
	rng     *rand.Rand
	ends    map[string]int   // by how the visit ended
	sold    map[string]int64 // units of paid orders, by SKU
	sampled []*crowd.Visit
	visits  int
	unclear []string
	seconds []float64 // how long visits took, a ring
}

// maxSeconds is how many of the latest visits the report's percentiles are about.
const maxSeconds = 20_000

// newCustomers puts the products on sale.
func newCustomers(ctx context.Context, shop *client.Client, c config) (*customers, error) {
	cs := &customers{shop: shop, cfg: c, rng: rand.New(rand.NewPCG(c.seed, 3)), ends: map[string]int{}, sold: map[string]int64{}}
	for i := range c.products {
		sku := fmt.Sprintf("endure-%03d", i+1)
		_, _, err := shop.Put(ctx, sku, client.Product{
			Title: fmt.Sprintf("Product %d", i+1), Price: client.Money{Amount: 490 + int64(i)*100, Currency: "EUR"}, Quantity: plenty,
		})
		if err != nil {
			return nil, err
		}
		cs.skus = append(cs.skus, sku)
	}
	return cs, nil
}

// run lets customers come until ctx ends; each finishes the visit that it is at.
func (cs *customers) run(ctx context.Context) {
	var busy sync.WaitGroup
	for range cs.cfg.customers {
		busy.Go(func() {
			for ctx.Err() == nil {
				visiting, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
				v := cs.next()
				v.Make(visiting, cs.shop)
				cancel()
				cs.remember(v)
			}
		})
	}
	busy.Wait()
}

// next is what the next customer wants.
func (cs *customers) next() *crowd.Visit {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	name := fmt.Sprintf("customer-%05d", cs.rng.IntN(names))
	v := &crowd.Visit{Key: uuid.NewString(), Method: crowd.Card, Order: client.NewOrder{
		Customer: name, Contact: client.Contact{Email: name + "@example.com"},
	}}
	first := cs.rng.IntN(len(cs.skus))
	v.Order.Lines = []client.Line{{SKU: cs.skus[first], Quantity: 1}}
	if second := cs.rng.IntN(len(cs.skus)); second != first {
		v.Order.Lines = append(v.Order.Lines, client.Line{SKU: cs.skus[second], Quantity: 2})
	}
	switch draw := cs.rng.IntN(100); {
	case draw < declinePart:
		v.Method = crowd.Declined
	case draw < declinePart+cancelPart:
		v.Method = crowd.Never
	}
	return v
}

// remember counts a visit, and keeps it whole with the chance that every visit so far has.
func (cs *customers) remember(v *crowd.Visit) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.visits++
	if v.Unclear() {
		cs.ends["no answer"]++
		cs.unclear = append(cs.unclear[:min(len(cs.unclear), 9)], fmt.Sprintf("key %s, order %s: %s", v.Key, v.ID, v.End))
	} else {
		cs.ends[v.End]++
	}
	if v.End == client.Paid {
		for _, l := range v.Order.Lines {
			cs.sold[l.SKU] += l.Quantity
		}
	}
	if len(cs.sampled) < maxSampled {
		cs.sampled = append(cs.sampled, v)
	} else if i := cs.rng.IntN(cs.visits); i < maxSampled {
		cs.sampled[i] = v
	}
	if len(cs.seconds) < maxSeconds {
		cs.seconds = append(cs.seconds, v.Took.Seconds())
	} else {
		cs.seconds[cs.visits%maxSeconds] = v.Took.Seconds()
	}
}

// count is how many visits have ended, and how many of them with an order.
func (cs *customers) count() (visits, orders int) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, end := range []string{client.Paid, client.AwaitingPayment, client.Cancelled, client.Refunded} {
		orders += cs.ends[end]
	}
	return cs.visits, orders
}
