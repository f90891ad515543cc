package overload

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// clock is moved by hand.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func guardOf(t *testing.T, cfg Config, deps Deps) (*Guard, *clock) {
	t.Helper()
	c := &clock{time.Unix(1, 0)}
	deps.Now = c.now
	g, err := New(cfg, deps)
	require.NoError(t, err)
	return g, c
}

func TestAClientGetsItsRateAndIsToldSo(t *testing.T) {
	g, c := guardOf(t, Config{Client: Rate{PerSecond: 2, Burst: 3}}, Deps{})
	ada, bob := g.BySubject("", "ada"), g.BySubject("", "bob")
	h := http.Header{}
	for range 3 {
		h = http.Header{}
		require.NoError(t, g.Allow(ada, "placeOrder", Route{}, High, h))
	}
	assert.Equal(t, `"client";q=3;w=2`, h.Get("RateLimit-Policy"))
	assert.Equal(t, `"client";r=0;t=2`, h.Get("RateLimit"))
	err := g.Allow(ada, "placeOrder", Route{}, High, h)
	e := errs.From(err)
	assert.Equal(t, http.StatusTooManyRequests, e.Kind.Status())
	assert.Equal(t, 500*time.Millisecond, e.RetryAfter)
	require.NoError(t, g.Allow(bob, "placeOrder", Route{}, High, h), "another client is not touched")
	c.at = c.at.Add(e.RetryAfter)
	assert.NoError(t, g.Allow(ada, "placeOrder", Route{}, High, h))
}

func TestARouteHasBoundsOfItsOwn(t *testing.T) {
	g, c := guardOf(t, Config{}, Deps{})
	says := Route{Limit: Rate{PerSecond: 1, Burst: 2}, Client: Rate{PerSecond: 1, Burst: 1}}
	ada, bob, eve := g.BySubject("", "ada"), g.BySubject("", "bob"), g.BySubject("", "eve")
	require.NoError(t, g.Allow(ada, "a", says, High, http.Header{}))
	assert.Equal(t, errs.TooMany, errs.From(g.Allow(ada, "a", says, High, http.Header{})).Kind)
	require.NoError(t, g.Allow(ada, "b", says, High, http.Header{}), "another route")
	require.NoError(t, g.Allow(bob, "a", says, High, http.Header{}))
	err := errs.From(g.Allow(eve, "a", says, High, http.Header{}))
	assert.Equal(t, errs.Unavailable, err.Kind, "all together asked for too much, which is not hers to mend")
	c.at = c.at.Add(time.Second)
	assert.NoError(t, g.Allow(bob, "a", says, High, http.Header{}))
}

func TestOneServiceDoesNotTakeThePlacesOfAnother(t *testing.T) {
	g, _ := guardOf(t, Config{Concurrency: Concurrency{Start: 10, Max: 1000}}, Deps{Services: []string{"order", "inventory"}})
	for range 9 {
		_, err := g.Admit("order", High)
		require.NoError(t, err)
	}
	_, err := g.Admit("order", High)
	e := errs.From(err)
	assert.Equal(t, errs.CodeOverloaded, e.Code)
	assert.GreaterOrEqual(t, e.RetryAfter, time.Second)
	assert.LessOrEqual(t, e.RetryAfter, 3*time.Second)
	_, err = g.Admit("order", Critical)
	require.NoError(t, err, "the last place is for who pays")
	_, err = g.Admit("inventory", Low)
	require.NoError(t, err)
	assert.Error(t, g.Room(t.Context(), "order", High), "what would be refused can be told beforehand")
	assert.NoError(t, g.Room(t.Context(), "inventory", High))
	assert.EqualValues(t, 10, g.limits["order"].inFlight.Load(), "and takes no place")
	assert.EqualValues(t, 11, g.total.Load())
}

func TestWhoFindsNoPlaceIsLookedAtOnceMore(t *testing.T) {
	var held []time.Duration
	var during func()
	g, _ := guardOf(t, Config{Concurrency: Concurrency{Start: 1, Max: 1000}}, Deps{
		Services: []string{"order"}, Jitter: func(n int64) int64 { return n - 1 },
		Wait: func(_ context.Context, d time.Duration) { held = append(held, d); during() },
	})
	ticket, err := g.Admit("order", High)
	require.NoError(t, err)
	during = func() { ticket.Done(Answered) }
	require.NoError(t, g.Room(t.Context(), "order", High), "the burst is over")
	ticket, err = g.Admit("order", High)
	require.NoError(t, err)
	during = func() {}
	require.Error(t, g.Room(t.Context(), "order", High))
	assert.Equal(t, []time.Duration{2*holdAtLeast - 1, 2*holdAtLeast - 1}, held)
	g.held.Store(maxHeld)
	require.Error(t, g.Room(t.Context(), "order", High))
	assert.Len(t, held, 2, "no more than so many are held")
	assert.EqualValues(t, maxHeld, g.held.Load())
	ticket.Done(Answered)
}

func TestAllServicesTogetherHaveABound(t *testing.T) {
	g, _ := guardOf(t, Config{Concurrency: Concurrency{Start: 10, Max: 10}}, Deps{Services: []string{"a", "b"}})
	var tickets []Ticket
	for i := range 10 {
		ticket, err := g.Admit([]string{"a", "b"}[i%2], Critical)
		require.NoError(t, err)
		tickets = append(tickets, ticket)
	}
	_, err := g.Admit("a", Critical)
	require.Error(t, err)
	for _, ticket := range tickets {
		ticket.Done(Answered)
	}
	assert.Zero(t, g.total.Load())
	Ticket{}.Done(Answered) // of a refusal
	assert.Zero(t, g.total.Load())
}

// TestWarmUp goes through refuse, probe, ramp and steady, and back to probe when the service goes away.
func TestWarmUp(t *testing.T) {
	ready := errors.New("not yet")
	g, c := guardOf(t, Config{WarmUp: WarmUp{Probe: 4, Step: time.Second}}, Deps{Services: []string{"order"}, Ready: func() error { return ready }})
	l := g.limits["order"]
	_, err := g.Admit("order", Critical)
	require.True(t, errs.HasCode(err, errs.CodeOverloaded), "refuse")
	ready = nil
	// window answers n requests, as many at a time as are let in, and ends.
	window := func(n int, o Outcome) {
		for n > 0 {
			var in []Ticket
			for len(in) < n {
				ticket, err := g.Admit("order", Critical)
				if err != nil {
					break
				}
				in = append(in, ticket)
			}
			require.NotEmpty(t, in)
			n -= len(in)
			c.at = c.at.Add(time.Millisecond)
			if n == 0 {
				c.at = c.at.Add(2 * time.Duration(windowAtMost))
			}
			for _, ticket := range in {
				ticket.Done(o)
			}
		}
	}
	assert.EqualValues(t, 4, l.allowed.Load(), "probe")
	window(12, Answered)
	assert.Equal(t, ramp, l.snapshot().phase)
	assert.EqualValues(t, 8, l.allowed.Load())
	window(12, Answered)
	assert.EqualValues(t, 16, l.allowed.Load(), "a step later twice as many")
	for range 10 {
		window(200, Answered)
	}
	assert.Equal(t, steady, l.snapshot().phase)
	window(12, Failed) // begins with what was left of the last
	window(12, Failed)
	assert.Equal(t, probe, l.snapshot().phase, "it is away")
	assert.EqualValues(t, 4, l.allowed.Load())
}

func TestANewSectionKeepsWhatWasLearned(t *testing.T) {
	g, _ := guardOf(t, Config{Client: Rate{PerSecond: 1, Burst: 1}}, Deps{Services: []string{"order"}})
	ada := g.BySubject("", "ada")
	require.NoError(t, g.Allow(ada, "", Route{}, High, http.Header{}))
	g.limits["order"].limit = 77
	g.Use(Config{Client: Rate{PerSecond: 1, Burst: 1}, MaxClients: 128})
	assert.Error(t, g.Allow(ada, "", Route{}, High, http.Header{}), "the bucket is as empty as it was")
	assert.EqualValues(t, 77, g.limits["order"].allowed.Load())
	g.Use(Config{Concurrency: Concurrency{Max: 50}})
	assert.EqualValues(t, 50, g.limits["order"].allowed.Load())
}

func TestChecksNameThePlace(t *testing.T) {
	for place, c := range map[string]Config{
		"/client/per_second": {Client: Rate{Burst: 3}},
		"/client/burst":      {Client: Rate{PerSecond: 1, Burst: -1}},
		"/trusted_proxies/1": {TrustedProxies: []string{"10.0.0.0/8", "10.0.0.1"}},
		"/max_clients":       {MaxClients: 3},
		"/concurrency/goal":  {Concurrency: Concurrency{Goal: time.Hour}},
		"/concurrency/max":   {Concurrency: Concurrency{Max: 1 << 20}},
		"/concurrency/start": {Concurrency: Concurrency{Max: 10, Start: 11}},
		"/concurrency/min":   {Concurrency: Concurrency{Min: -1}},
		"/warm_up/probe":     {WarmUp: WarmUp{Probe: -1}},
		"/warm_up/step":      {WarmUp: WarmUp{Step: time.Hour}},
	} {
		wrong := c.Check()
		require.Len(t, wrong, 1, place)
		assert.Equal(t, place, wrong[0].Place)
	}
	assert.Empty(t, Config{}.Check())
	wrong := Route{Priority: "urgent", Limit: Rate{PerSecond: 1e9}, Client: Rate{PerSecond: -1}}.Check()
	require.Len(t, wrong, 3)
	assert.Equal(t, "/priority", wrong[0].Place)
	assert.Contains(t, wrong[0].Message, "low, normal, high, critical")
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	g, _ := guardOf(t, Config{Concurrency: Concurrency{Start: 1, Max: 50}}, Deps{Services: []string{"order", "inventory"}, Metrics: reg})
	_, err := g.Admit("order", High)
	require.NoError(t, err)
	_, err = g.Admit("order", Low)
	require.Error(t, err)
	require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP gateway_overload_in_flight Requests in flight to the service.
# TYPE gateway_overload_in_flight gauge
gateway_overload_in_flight{target="inventory"} 0
gateway_overload_in_flight{target="order"} 1
`), "gateway_overload_in_flight"))
	assert.EqualValues(t, 1, testutil.ToFloat64(g.metrics.refusals[Low]["limit"]))
}

// TestManyAtATime is for the race detector, and for the sums.
func TestManyAtATime(t *testing.T) {
	g, err := New(Config{Client: Rate{PerSecond: 1000}}, Deps{Services: []string{"order"}})
	require.NoError(t, err)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			c := g.BySubject("", strconv.Itoa(i%3))
			for range 2000 {
				_ = g.Allow(c, "placeOrder", Route{Limit: Rate{PerSecond: 500}}, High, http.Header{})
				ticket, err := g.Admit("order", Priority(i%int(priorities)))
				if err == nil {
					ticket.Done(Outcome(i % 4))
				}
			}
		})
	}
	all.Wait()
	assert.Zero(t, g.total.Load())
	assert.Zero(t, g.limits["order"].inFlight.Load())
}

func BenchmarkAdmit(b *testing.B) {
	g, err := New(Config{}, Deps{Services: []string{"order"}})
	require.NoError(b, err)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			ticket, err := g.Admit("order", High)
			if err == nil {
				ticket.Done(Answered)
			}
		}
	})
}

func BenchmarkAllow(b *testing.B) {
	g, err := New(Config{Client: Rate{PerSecond: 1e6}}, Deps{})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		h := make(http.Header, 2)
		_ = g.Allow(g.BySubject("", "ada"), "placeOrder", Route{}, High, h)
	}
}
