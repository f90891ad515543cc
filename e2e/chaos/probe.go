package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/runtime/run"
)

const (
	probeEvery  = 200 * time.Millisecond
	probeWithin = 5 * time.Second
	probeSKU    = "probe"
	probeUnits  = 100_000_000
)

// The routes that the Prober knocks at.
const (
	RoutePlace   = "POST /v1/orders"
	RouteReserve = "POST /v1/inventory/{sku}/reservations"
	RouteTell    = "GET /v1/orders/{id}/notifications"
)

// routesOf are the routes that need a process, by the name of its app.
var routesOf = map[string][]string{
	"sidecart":  {RoutePlace, RouteReserve, RouteTell},
	"gateway":   {RoutePlace, RouteReserve, RouteTell},
	"order":     {RoutePlace},
	"inventory": {RoutePlace, RouteReserve},
	"notify":    {RouteTell},
}

// Prober knocks at the routes at a fixed rate, whether or not it was answered before, and so measures how long a
// route is gone after a kill: until the end of the first call that began after it and was answered. What it orders
// and reserves is remembered with the rest of the load.
type Prober struct {
	load *Load

	mu      sync.Mutex
	pending []*outage
	ended   []Recovery
}

// Recovery is how long after a kill a route worked again.
type Recovery struct {
	Victim, Route string
	At            time.Time
	Took          time.Duration
	// Disturbed says that another process on the same route was killed before it worked again, so that Took is not
	// how long it takes to recover from this kill.
	Disturbed bool
}

// outage is a route that has not worked since a kill.
type outage struct {
	victim, route string
	at            time.Time
	disturbed     bool
}

// NewProber makes a Prober whose orders belong to load.
func NewProber(load *Load) *Prober { return &Prober{load: load} }

// Killed notes that a process was killed just now.
func (p *Prober) Killed(process run.Process) {
	routes := routesOf[process.App]
	if len(routes) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.pending {
		o.disturbed = o.disturbed || slices.Contains(routes, o.route)
	}
	for _, route := range routes {
		p.pending = append(p.pending, &outage{victim: process.Name, route: route, at: time.Now()})
	}
}

// Run knocks until ctx ends and then waits for the last answers.
func (p *Prober) Run(ctx context.Context) {
	if p.load.told.unheard(probeSKU) {
		p.load.Stock(ctx, probeSKU, probeUnits)
	}
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	var calls sync.WaitGroup
	defer calls.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for route, call := range map[string]func(context.Context) outcome{RoutePlace: p.place, RouteReserve: p.reserve, RouteTell: p.tell} {
			calls.Go(func() {
				within, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeWithin)
				defer cancel()
				began := time.Now()
				if call(within) != doubt {
					p.answered(route, began)
				}
			})
		}
	}
}

// answered ends the outages of a route that began before a call did.
func (p *Prober) answered(route string, began time.Time) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = slices.DeleteFunc(p.pending, func(o *outage) bool {
		over := o.route == route && o.at.Before(began)
		if over {
			p.ended = append(p.ended, Recovery{o.victim, route, o.at, now.Sub(o.at), o.disturbed})
		}
		return over
	})
}

// Recoveries gives all that were measured, the longest first, and how many routes are still out.
func (p *Prober) Recoveries() (all []Recovery, out int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all = slices.Clone(p.ended)
	slices.SortFunc(all, func(a, b Recovery) int { return int(b.Took - a.Took) })
	return all, len(p.pending)
}

func answer(err error) outcome {
	if err == nil {
		return yes
	}
	if problem, ok := errors.AsType[*client.Problem](err); ok && problem.Definite() {
		return no
	}
	return doubt
}

func (p *Prober) place(ctx context.Context) outcome {
	l, name := p.load, fmt.Sprintf("p-%d", p.load.number())
	o := &toldOrder{shop: l.shop.For(name), lines: []client.Line{{SKU: probeSKU, Quantity: 1}}}
	l.told.with(func() { l.told.orders[name] = o })
	placed, err := o.shop.Place(ctx, name, client.NewOrder{Customer: name, Lines: o.lines, Contact: client.Contact{Email: name + "@example.com", Phone: "+4915112345678"}})
	result := answer(err)
	l.told.with(func() {
		o.placed, o.id = result, placed.ID
		if result == yes {
			l.told.counts.Orders++
			l.told.lastOrder = placed.ID
		}
	})
	return result
}

func (p *Prober) reserve(ctx context.Context) outcome {
	const hold = 2 * time.Second
	l, id := p.load, fmt.Sprintf("r-%d", p.load.number())
	r := &toldReservation{sku: probeSKU, quantity: 1}
	l.told.with(func() { l.told.reservations[id] = r })
	_, err := l.shop.Reserve(ctx, probeSKU, id, 1, hold)
	result := answer(err)
	l.told.with(func() { r.reserved = result })
	return result
}

func (p *Prober) tell(ctx context.Context) outcome {
	var order string
	p.load.told.with(func() { order = p.load.told.lastOrder })
	if order == "" {
		return doubt
	}
	_, err := p.load.shop.Notifications(ctx, order)
	return answer(err)
}
