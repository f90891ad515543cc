package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
)

// LoadConfig says who comes into the shop.
type LoadConfig struct {
	Customers int           // at a time
	Pause     time.Duration // of a customer between two visits, on average
	Seed      uint64
	Patience  time.Duration // how long a client repeats a call before it gives up; default 60 s
	Shelf     int           // SKUs on sale at a time; default 6
	Units     int64         // of a new SKU; default 40, few enough that it sells out
}

// Load is customers that place, pay, cancel, reserve, and remember what they were told.
type Load struct {
	cfg  LoadConfig
	shop *harness.Shop
	told *told

	mu    sync.Mutex
	rng   *rand.Rand
	next  int // numbers of customers, SKUs and reservations
	shelf []string
}

// NewLoad makes a Load of a shop; nothing happens until Run.
func NewLoad(cfg LoadConfig, shop *harness.Shop) *Load {
	if cfg.Patience == 0 {
		cfg.Patience = time.Minute
	}
	if cfg.Shelf == 0 {
		cfg.Shelf = 6
	}
	if cfg.Units == 0 {
		cfg.Units = 40
	}
	return &Load{cfg: cfg, shop: shop, told: newTold(), rng: rand.New(rand.NewPCG(cfg.Seed, 1))}
}

// Counts says what happened so far.
func (l *Load) Counts() Counts { return l.told.snapshot() }

// Run lets customers come until ctx ends; then each finishes the visit that it is at, with all its patience, so that
// as little as possible is left in doubt. It may be called again.
func (l *Load) Run(ctx context.Context) {
	visits := context.WithoutCancel(ctx)
	var customers sync.WaitGroup
	for range l.cfg.Customers {
		customers.Go(func() {
			for ctx.Err() == nil {
				l.visit(visits)
				wait(ctx, l.pause())
			}
		})
	}
	customers.Wait()
}

// wait waits, unless ctx ends first.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func (l *Load) pause() time.Duration {
	if l.cfg.Pause == 0 {
		return 0
	}
	return time.Duration(l.dice(2 * int(l.cfg.Pause)))
}

func (l *Load) dice(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rng.IntN(n)
}

func (l *Load) number() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	return l.next
}

// visit is one customer's.
func (l *Load) visit(ctx context.Context) {
	if l.dice(100) < 10 {
		l.reserve(ctx)
		return
	}
	name := fmt.Sprintf("c-%d", l.number())
	o := &toldOrder{shop: l.shop.For(name), lines: l.basket(ctx)}
	l.told.with(func() { l.told.orders[name] = o })
	if !l.place(ctx, name, o) {
		return
	}
	switch d := l.dice(100); {
	case d < 20: // pays and looks until it is so
		if l.pay(ctx, o, "card") {
			l.watch(ctx, o)
		}
	case d < 60:
		l.pay(ctx, o, "card")
	case d < 72: // declined; half of them try another card
		if l.pay(ctx, o, "card_declined") && d%2 == 0 {
			l.pay(ctx, o, "card")
		}
	case d < 82:
		l.cancel(ctx, o)
	case d < 90: // the charge and the cancellation race
		l.pay(ctx, o, "card")
		l.cancel(ctx, o)
	default: // walks away; the order runs out of time
	}
}

func (l *Load) place(ctx context.Context, name string, o *toldOrder) bool {
	order := client.NewOrder{
		Customer: name, Lines: o.lines,
		Contact: client.Contact{Email: name + "@example.com", Phone: "+4915112345678"},
	}
	var placed client.Order
	result, code := l.insist(ctx, func(ctx context.Context) (err error) {
		placed, err = o.shop.Place(ctx, name, order)
		return err
	})
	l.told.with(func() {
		o.placed, o.id = result, placed.ID
		switch {
		case result == yes:
			l.told.counts.Orders++
		case result == no:
			l.told.counts.Refusals++
			if code != "sold_out" && code != "hold_expired" {
				l.told.strange = append(l.told.strange, fmt.Sprintf("the order of %s was refused with %s", name, code))
			}
		}
	})
	if code == "sold_out" {
		l.replace(ctx, o.lines)
	}
	return result == yes
}

// pay tells whether the payment was accepted, which is not yet that it is charged.
func (l *Load) pay(ctx context.Context, o *toldOrder, method string) bool {
	result, _ := l.insist(ctx, func(ctx context.Context) error { return o.shop.Pay(ctx, o.id, method) })
	if result == yes {
		l.told.with(func() { o.paying = true; l.told.counts.Payments++ })
	}
	return result == yes
}

func (l *Load) cancel(ctx context.Context, o *toldOrder) {
	result, _ := l.insist(ctx, func(ctx context.Context) error { return o.shop.Cancel(ctx, o.id) })
	if result == yes {
		l.told.with(func() { o.cancelled = true; l.told.counts.Cancellations++ })
	}
}

// watch looks a few times whether the order is paid, as a customer's browser would.
func (l *Load) watch(ctx context.Context, o *toldOrder) {
	for range 10 {
		seen, err := o.shop.Order(ctx, o.id)
		if err == nil && seen.Status == client.Paid {
			l.told.with(func() { o.seenPaid = true })
			return
		}
		wait(ctx, 50*time.Millisecond)
	}
}

// reserve sets stock aside and confirms it, releases it, or lets it run out.
func (l *Load) reserve(ctx context.Context) {
	sku, id := l.sku(ctx), fmt.Sprintf("r-%d", l.number())
	r := &toldReservation{sku: sku, quantity: 1 + int64(l.dice(2))}
	l.told.with(func() { l.told.reservations[id] = r })
	hold := 30 * time.Second
	ending := l.dice(3)
	if ending == 0 {
		hold = 2 * time.Second
	}
	result, code := l.insist(ctx, func(ctx context.Context) error {
		_, err := l.shop.Reserve(ctx, sku, id, r.quantity, hold)
		return err
	})
	l.told.with(func() {
		r.reserved = result
		if result == yes {
			l.told.counts.Reservations++
		}
	})
	if code == "sold_out" {
		l.replace(ctx, []client.Line{{SKU: sku, Quantity: r.quantity}})
	}
	if result != yes || ending == 0 {
		return
	}
	verb, already := "confirm", "already_confirmed"
	if ending == 2 {
		verb, already = "release", "already_released"
	}
	result, code = l.insist(ctx, func(ctx context.Context) error {
		_, err := l.shop.Resolve(ctx, sku, id, verb)
		return err
	})
	if result == yes || code == already { // nobody else knows this reservation
		l.told.with(func() { r.resolved = verb })
	}
}

// insist repeats a call with the same id until its answer is definite or patience ends. code is a refusal's.
func (l *Load) insist(ctx context.Context, call func(context.Context) error) (result outcome, code string) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Patience)
	defer cancel()
	began := time.Now()
	defer func() {
		l.told.with(func() { l.told.counts.Longest = max(l.told.counts.Longest, time.Since(began)) })
	}()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 400*time.Millisecond) {
		err := call(ctx)
		if err == nil {
			return yes, ""
		}
		if p, ok := errors.AsType[*client.Problem](err); ok && p.Definite() && p.Status != http.StatusTooManyRequests {
			return no, p.Code
		}
		if wait(ctx, pause); ctx.Err() != nil {
			l.told.with(func() { l.told.counts.Doubts++ })
			return doubt, ""
		}
		l.told.with(func() { l.told.counts.Repeats++ })
	}
}
