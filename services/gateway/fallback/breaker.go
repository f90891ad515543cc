package fallback

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// breaker is a route's: it counts what ended within a span of time that moves on in steps of a tenth of it.
type breaker struct {
	*gobreaker.TwoStepCircuitBreaker[any]
	opens   time.Duration
	opened  atomic.Pointer[time.Time] // when it last opened
	retired atomic.Bool               // other rules hold: attempts under way still end here, and tell nobody
}

// How gobreaker is told of ends that are no success.
var (
	errFailed   = errors.New("the service failed")
	errUnjudged = errors.New("nothing is known of the service")
)

// newBreaker makes the breaker of a rule.
func newBreaker(name string, b Breaker, gauge prometheus.Gauge, log *slog.Logger) *breaker {
	b = b.withDefaults()
	gauge.Set(0)
	made := &breaker{opens: b.Open}
	made.TwoStepCircuitBreaker = gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Name: name, MaxRequests: uint32(b.Probes), Interval: b.Within, BucketPeriod: b.Within / 10, Timeout: b.Open,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			ended := c.TotalSuccesses + c.TotalFailures // Requests has those on their way, too
			return ended >= uint32(b.Of) && float64(c.TotalFailures) >= b.Failing*float64(ended)
		},
		IsExcluded: func(err error) bool { return errors.Is(err, errUnjudged) },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			if made.retired.Load() {
				return
			}
			if to == gobreaker.StateOpen {
				now := time.Now()
				made.opened.Store(&now)
			}
			gauge.Set(map[gobreaker.State]float64{gobreaker.StateOpen: 1, gobreaker.StateHalfOpen: 2}[to])
			log.Warn("a circuit breaker changed", "route", name, "from", from.String(), "to", to.String())
		},
	})
	return made
}

// remaining is the rest of the time for which nothing is asked.
func (b *breaker) remaining() time.Duration {
	if opened := b.opened.Load(); opened != nil {
		return max(0, b.opens-time.Since(*opened))
	}
	return 0
}

// End is what an attempt has shown of the service.
type End uint8

// Ends of an attempt.
const (
	Succeeded End = iota // also by a refusal (4xx)
	Failed
	Unjudged // its caller went away too early to tell: neither the service's success nor its failure
)

// Attempt is a request that was let through to a service.
type Attempt struct {
	done func(error) // nil: nobody counts
}

// Ask says whether the service may be asked; the error is a 503 with the rest of the breaker's time as Retry-After, and nothing was
// done. An Attempt must be told its end, once.
func (f *Fallbacks) Ask(routeName string) (Attempt, error) {
	r := (*f.routes.Load())[routeName]
	if r == nil || r.breaker == nil {
		return Attempt{}, nil
	}
	done, err := r.breaker.Allow()
	if err == nil {
		return Attempt{done}, nil
	}
	e := errs.New(errs.Unavailable, errs.CodeUnavailable, "this part of the shop has failed too often just now; nothing was changed; try again shortly")
	e.RetryAfter = max(r.breaker.remaining(), time.Second)
	return Attempt{}, e
}

// Done counts the attempt. One that is unjudged leaves its place among the probes to another.
func (a Attempt) Done(end End) {
	switch {
	case a.done == nil:
	case end == Succeeded:
		a.done(nil)
	case end == Unjudged:
		a.done(errUnjudged)
	default:
		a.done(errFailed)
	}
}
