package overload

import (
	"context"
	"hash/maphash"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// CodeTooMany is the code of a 429.
const CodeTooMany = "too_many_requests"

// Deps is what a Guard is given.
type Deps struct {
	Services []string                             // behind the gateway; a request to another one is not limited
	Now      func() time.Time                     // default time.Now
	Ready    func() error                         // nil: ready. Until then a configured warm-up refuses everything
	Jitter   func(n int64) int64                  // 0..n-1, so that callers do not all come back at once; default random
	Wait     func(context.Context, time.Duration) // until then or the context's end; default by the clock
	Metrics  prometheus.Registerer                // nil: none are registered
}

// Guard lets requests in, or not. It is safe for concurrent use.
type Guard struct {
	deps    Deps
	began   time.Time
	seed    maphash.Seed
	buckets *buckets
	limits  map[string]*limit // by service; not changed
	routes  sync.Map          // route → *atomic.Int64, the instant at which the bucket of all clients is full
	total   atomic.Int64      // in flight, of all services
	held    atomic.Int64      // see Room
	ready   atomic.Bool
	rules   atomic.Pointer[rules]
	metrics *metrics
}

// rules is what follows from a Config. It is not changed.
type rules struct {
	Config
	client  pace
	proxies proxies
}

// New makes a guard; Check must find nothing wrong with cfg.
func New(cfg Config, deps Deps) (*Guard, error) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Wait == nil {
		deps.Wait = wait
	}
	if deps.Jitter == nil {
		deps.Jitter = rand.Int64N
	}
	g := &Guard{deps: deps, began: deps.Now(), seed: maphash.MakeSeed(), buckets: newBuckets(), limits: map[string]*limit{}}
	r := rulesOf(cfg)
	for _, name := range deps.Services {
		g.limits[name] = newLimit(r.Config, 0)
	}
	g.keep(r)
	var err error
	g.metrics, err = newMetrics(g)
	return g, err
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func rulesOf(cfg Config) *rules {
	cfg = cfg.withDefaults()
	return &rules{Config: cfg, client: cfg.Client.pace(), proxies: parseProxies(cfg.TrustedProxies)}
}

// Use makes another section hold, one that Check finds nothing wrong with. What was learned stays: limits, buckets, warm-ups.
func (g *Guard) Use(cfg Config) {
	r := rulesOf(cfg)
	g.keep(r)
	for _, l := range g.limits {
		l.reconfigure(r.Config)
	}
}

func (g *Guard) keep(r *rules) {
	g.buckets.perShard.Store(int64(r.MaxClients / shards))
	g.rules.Store(r)
}

// now is the time since the guard was made.
func (g *Guard) now() int64 { return int64(g.deps.Now().Sub(g.began)) }

// Outcome is what became of a request that was let in.
type Outcome uint8

// The outcomes.
const (
	Answered  Outcome = iota // by the service, 2xx to 4xx
	Failed                   // 5xx, or no answer in time
	Pushed                   // the service itself said that it is full (503, code overloaded)
	Abandoned                // the client went away, or the request never came to the service: says nothing about it
)

// OutcomeOf reads an answer's status. A service's own refusal for want of room looks like any other 503: whoever sees its
// code says Pushed.
func OutcomeOf(status int) Outcome {
	if status >= http.StatusInternalServerError {
		return Failed
	}
	return Answered
}

// Ticket is a place among the requests in flight.
type Ticket struct {
	guard *Guard
	limit *limit
	began int64
}

// A request for which there is no place is looked at a second time after holdAtLeast to twice of that, and refused then. Who is
// refused at once is back at once, and to refuse costs a fifth of what an order costs: 1,024 connections that asked again and again
// took most of two processors for nothing (docs/overload.md). So somebody who does not heed Retry-After asks ten times a second for
// each connection, and a burst that is over by then is not refused at all. Held requests hold a connection and no body; beyond maxHeld
// nobody is held.
const (
	holdAtLeast = 75 * time.Millisecond
	maxHeld     = 4096
)

// Room refuses a request for which there is no place, as Admit does, but takes none: so that what will be refused has its body not
// read and its token not looked at, and what is slow to send its body holds nobody's place. It waits as holdAtLeast says.
func (g *Guard) Room(ctx context.Context, service string, p Priority) error {
	why, message := g.lacks(service, p)
	if why == "" {
		return nil
	}
	if g.held.Add(1) <= maxHeld {
		g.deps.Wait(ctx, holdAtLeast+time.Duration(g.deps.Jitter(int64(holdAtLeast))))
		if why, message = g.lacks(service, p); why == "" {
			g.held.Add(-1)
			return nil
		}
	}
	g.held.Add(-1)
	return g.refuse(p, why, message)
}

// lacks names the bound that has no room; "" when all have.
func (g *Guard) lacks(service string, p Priority) (why, message string) {
	r := g.rules.Load()
	if r.WarmUp.Probe > 0 && !g.isReady() {
		return "starting", startingMessage
	}
	if g.total.Load() >= r.most(p) {
		return "full", busyMessage
	}
	if l := g.limits[service]; l != nil && !l.room(p, l.inFlight.Load()+1) {
		return "limit", busyMessage
	}
	return "", ""
}

// Admit gives a request to a service its place, or refuses it at once: 503, code overloaded, with Retry-After of one to three seconds.
// Nothing was done then. A ticket must be given back by Done, once; its time is what the service is judged by.
func (g *Guard) Admit(service string, p Priority) (Ticket, error) {
	r := g.rules.Load()
	if r.WarmUp.Probe > 0 && !g.isReady() {
		return Ticket{}, g.refuse(p, "starting", startingMessage)
	}
	if g.total.Add(1) > r.most(p) {
		g.total.Add(-1)
		return Ticket{}, g.refuse(p, "full", busyMessage)
	}
	l := g.limits[service]
	if l != nil && !l.enter(p) {
		g.total.Add(-1)
		return Ticket{}, g.refuse(p, "limit", busyMessage)
	}
	return Ticket{g, l, g.now()}, nil
}

// most is how many may be in flight to all services when one of this priority is let in.
func (r *rules) most(p Priority) int64 {
	return max(1, int64(float64(r.Concurrency.Max)*shareOf[p]))
}

const (
	startingMessage = "the shop is just opening; try again shortly"
	busyMessage     = "there is more to do than can be done at the moment; nothing was changed; try again shortly"
)

func (g *Guard) isReady() bool {
	if g.ready.Load() {
		return true
	}
	if g.deps.Ready != nil && g.deps.Ready() != nil {
		return false
	}
	g.ready.Store(true)
	return true
}

func (g *Guard) refuse(p Priority, why, message string) error {
	g.metrics.refused(why, p)
	e := errs.New(errs.Unavailable, errs.CodeOverloaded, message)
	e.RetryAfter = time.Second + time.Duration(g.deps.Jitter(3))*time.Second
	return e
}

// Done gives the place back. A ticket of an Admit that refused may be given, too, and does nothing.
func (t Ticket) Done(o Outcome) {
	if t.guard == nil {
		return
	}
	t.guard.total.Add(-1)
	if t.limit == nil {
		return
	}
	t.limit.leave(&t.guard.rules.Load().Config, t.began, t.guard.now(), o)
}

// Address is who asks, X-Forwarded-For considered as limits.trusted_proxies says. The zero address: not known.
func (g *Guard) Address(r *http.Request) netip.Addr { return g.rules.Load().proxies.address(r) }

// ByAddress is the client at an address; all of an IPv6 /64 are one.
func (g *Guard) ByAddress(a netip.Addr) Client {
	return Client(maphash.Comparable(g.seed, httpx.ClientAt(a)))
}

// BySubject is the client with a token.
func (g *Guard) BySubject(tenant, subject string) Client {
	return Client(maphash.Comparable(g.seed, [2]string{tenant, subject}))
}

// Allow takes a token from the buckets of the client and the route, and tells the client in h how it stands. Its error is
// 429 (this client) or 503 (all together), with Retry-After. A token that was taken from one bucket stays taken if the next is empty.
func (g *Guard) Allow(c Client, route string, says Route, p Priority, h http.Header) error {
	now := g.now()
	if perClient := g.rules.Load().client; perClient.interval != 0 {
		if err := g.ofClient(uint64(c), "client", perClient, now, p, h); err != nil {
			return err
		}
	}
	if perRoute := says.Client.pace(); perRoute.interval != 0 {
		if err := g.ofClient(c.with(g.seed, route), route, perRoute, now, p, h); err != nil {
			return err
		}
	}
	if all := says.Limit.pace(); all.interval != 0 && !g.ofAll(route, all, now) {
		return g.refuse(p, "route", busyMessage)
	}
	return nil
}

// ofClient takes from the bucket of a client. The headers are those of draft-ietf-httpapi-ratelimit-headers-10.
func (g *Guard) ofClient(key uint64, policy string, p pace, now int64, of Priority, h http.Header) error {
	left, full, wait := g.buckets.take(key, p, now)
	h["Ratelimit-Policy"] = append(h["Ratelimit-Policy"], `"`+policy+`";q=`+strconv.Itoa(p.burst)+`;w=`+seconds(p.capacity))
	h["Ratelimit"] = append(h["Ratelimit"], `"`+policy+`";r=`+strconv.Itoa(left)+`;t=`+seconds(full-now))
	if wait == 0 {
		return nil
	}
	g.metrics.refused("client", of)
	e := errs.New(errs.TooMany, CodeTooMany, "more requests than are allowed came from here; nothing was changed; wait as long as Retry-After says")
	e.RetryAfter = time.Duration(wait)
	return e
}

// ofAll takes from the bucket that all clients of a route share.
func (g *Guard) ofAll(route string, p pace, now int64) bool {
	v, ok := g.routes.Load(route)
	if !ok {
		v, _ = g.routes.LoadOrStore(route, new(atomic.Int64))
	}
	full := v.(*atomic.Int64)
	for {
		was := full.Load()
		next, wait := p.take(was, now)
		if wait != 0 {
			return false
		}
		if full.CompareAndSwap(was, next) {
			return true
		}
	}
}

// seconds rounds up.
func seconds(nanoseconds int64) string {
	return strconv.FormatInt((nanoseconds+int64(time.Second)-1)/int64(time.Second), 10)
}
