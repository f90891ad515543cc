package fallback

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Header marks an answer that was given in a service's place: "last-good" (Age says how old it is) or "fixed".
const Header = "Sidecart-Fallback"

const contentType = "application/json"

// Deps is what New is given.
type Deps struct {
	Now          func() time.Time // of ages; default time.Now
	Log          *slog.Logger     // default discards
	Metrics      prometheus.Registerer
	MaxKeptBytes int64 // of all answers that are kept; default 16 MiB
}

// Fallbacks are those of all routes. It is safe for concurrent use.
type Fallbacks struct {
	deps   Deps
	kept   *kept
	routes atomic.Pointer[map[string]*route]
	given  *prometheus.CounterVec
	state  *prometheus.GaugeVec
}

// route is what holds for one. It is not changed, but its breaker moves.
type route struct {
	Route
	breaker *breaker // nil: always closed
}

// New makes fallbacks without a rule.
func New(deps Deps) (*Fallbacks, error) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	deps.MaxKeptBytes = cmp.Or(deps.MaxKeptBytes, 16<<20)
	f := &Fallbacks{
		deps: deps, kept: newKept(deps.MaxKeptBytes),
		given: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_fallback_answers_total", Help: "Answers that were given in a service's place: last-good or fixed.",
		}, []string{"route", "kind"}),
		state: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gateway_breaker_state", Help: "Of a route's circuit breaker: 0 closed, 1 open, 2 half-open.",
		}, []string{"route"}),
	}
	f.routes.Store(&map[string]*route{})
	if deps.Metrics == nil {
		return f, nil
	}
	return f, errors.Join(deps.Metrics.Register(f.given), deps.Metrics.Register(f.state), deps.Metrics.Register(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "gateway_fallback_kept_bytes", Help: "Of good answers that are kept for bad times."},
			func() float64 { return float64(f.kept.size()) })))
}

// Use makes other rules hold, by operationId; they must have been checked. What is kept stays, and so does a breaker whose rule
// has not changed.
func (f *Fallbacks) Use(rules map[string]Route) {
	was := *f.routes.Load()
	next := make(map[string]*route, len(rules))
	for name, old := range was {
		if old.breaker != nil && old.Breaker != rules[name].Breaker {
			old.breaker.retired.Store(true)
		}
	}
	for name, r := range rules {
		if r == (Route{}) {
			continue
		}
		if old, ok := was[name]; ok && old.Breaker == r.Breaker {
			next[name] = &route{r, old.breaker}
			continue
		}
		next[name] = &route{Route: r}
		if r.Breaker != (Breaker{}) {
			next[name].breaker = newBreaker(name, r.Breaker, f.state.WithLabelValues(name), f.deps.Log)
		}
	}
	for name := range was {
		if n, stays := next[name]; !stays || n.breaker == nil {
			f.state.DeleteLabelValues(name)
		}
	}
	f.routes.Store(&next)
}

// Has tells whether there may be an answer in the service's place.
func (f *Fallbacks) Has(routeName string) bool {
	r := (*f.routes.Load())[routeName]
	return r != nil && r.Fallback != Config{}
}

// Request is what a kept answer answers: path and query, and whose it is.
type Request struct {
	Route           string   // operationId
	Tenant, Subject string   // both empty where an operation says the same to anyone
	Roles           []string // an operator who is one no more must not be told again what only operators see
	PathAndQuery    string
}

// key is unambiguous: a role is a word, and a path has neither a NUL nor does it begin with anything but a slash.
func (r Request) key() string {
	roles := strings.Join(r.Roles, ",")
	return strings.Join([]string{r.Route, strconv.Itoa(len(r.Tenant)), r.Tenant, strconv.Itoa(len(r.Subject)), r.Subject, roles, r.PathAndQuery}, "\x00")
}

// Keep remembers a service's good answer (200) if the route has a use for it. body must not be changed afterwards.
func (f *Fallbacks) Keep(r Request, contentType string, body []byte) {
	rule := (*f.routes.Load())[r.Route]
	if rule == nil || rule.Fallback.LastGood == 0 {
		return
	}
	f.kept.put(r.key(), contentType, body, f.deps.Now())
}

// Answer is given in a service's place; its status is 200.
type Answer struct {
	ContentType string
	Body        []byte // shared: not to be changed
	Kind        string // for Header
	Age         time.Duration
}

// Mark says in h what the answer is.
func (a Answer) Mark(h http.Header) {
	h.Set(Header, a.Kind)
	h.Set("Cache-Control", "no-store")
	if a.Kind == kindLastGood {
		h.Set("Age", strconv.Itoa(int(a.Age.Seconds())))
	}
}

const (
	kindLastGood = "last-good"
	kindFixed    = "fixed"
)

// Instead gives the answer to a request that the service does not answer, if there is one.
func (f *Fallbacks) Instead(r Request) (Answer, bool) {
	rule := (*f.routes.Load())[r.Route]
	if rule == nil {
		return Answer{}, false
	}
	if rule.Fallback.LastGood > 0 {
		now := f.deps.Now()
		if e, ok := f.kept.get(r.key(), rule.Fallback.LastGood, now); ok {
			f.given.WithLabelValues(r.Route, kindLastGood).Inc()
			return Answer{e.contentType, e.body, kindLastGood, now.Sub(e.at)}, true
		}
	}
	if rule.Fallback.Body != "" {
		f.given.WithLabelValues(r.Route, kindFixed).Inc()
		return Answer{contentType, []byte(rule.Fallback.Body), kindFixed, 0}, true
	}
	return Answer{}, false
}
