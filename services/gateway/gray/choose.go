package gray

import (
	"errors"
	"net/http"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/sidecart/sidecart/services/kit/httpx"
)

// Caller is what is known of who asks.
type Caller struct {
	Header  http.Header
	Tenant  string
	Subject string // "" when nobody has said who asks
	Groups  []string
}

// What decided, for metrics.
type by uint8

const (
	byDefault by = iota
	byHeader
	byGroup
	byUser
	byPercent
	byWeight
	bySecondTry
	reasons // how many there are
)

var byNames = [reasons]string{"default", "header", "group", "user", "percent", "weight", "second_try"}

// Outcome is how a request went.
type Outcome uint8

// The outcomes. Failed is no answer, one with a status of 500 or more, or one that its contract does not allow. Unjudged is a request
// that says nothing of the release: its caller went away, or the gateway refused it before it was sent.
const (
	Succeeded Outcome = iota
	Failed
	Unjudged
)

// Choice is where a request goes. Call Done exactly once.
type Choice struct {
	App string // the app id to ask; the service's own name is the service as the host finds it

	service string
	router  *Router
	route   *route
	target  *target // nil without a rule
	by      by
	era     uint64
}

// Stage is the name of the chosen stage.
func (c *Choice) Stage() string {
	if c.target == nil {
		return Stable
	}
	return c.target.stage
}

// Version is what the rules say is the version of the chosen release, or nothing.
func (c *Choice) Version() string {
	if c.target == nil {
		return ""
	}
	return c.target.version
}

// Trial tells whether the release is one to look at closely: not stable.
func (c *Choice) Trial() bool { return c.target != nil && c.target.stage != Stable }

// Choose decides for one request of an operation of a service.
func (r *Router) Choose(operation, service string, who Caller) Choice {
	routes := r.routes.Load()
	at := (*routes)[operation]
	if at == nil {
		return Choice{App: service}
	}
	target, why := at.pick(r, who)
	return r.choice(at, target, why, service)
}

func (r *Router) choice(at *route, target *target, why by, service string) Choice {
	target.trust.inFlight.Add(1)
	target.chosen[why].Inc()
	c := Choice{App: target.app, service: service, router: r, route: at, target: target, by: why}
	if c.App == "" {
		c.App = service
	}
	if target.stage != Stable {
		_, c.era = target.trust.look()
	}
	return c
}

// pick applies the rules in their order. A stage that has lost its trust is passed over for stable, but for a header.
func (at *route) pick(r *Router, who Caller) (*target, by) {
	if at.header {
		if t := at.named(who.Header); t != nil {
			return t, byHeader
		}
	}
	if t, why := at.assigned(who); t != nil {
		if t.trust.admit(r.now) {
			return t, why
		}
		return at.stable(), why
	}
	if at.weighted {
		return at.weigh(r), byWeight
	}
	return at.stable(), byDefault
}

// named is the stage that a header asks for. A stage or version that the route does not have is no reason to refuse: the same
// header goes with all of a client's requests.
func (at *route) named(h http.Header) *target {
	for _, name := range [...]string{"X-Release-Stage", "X-Env"} {
		if v := h[name]; len(v) > 0 {
			for _, t := range at.targets {
				if t.stage == v[0] {
					return t
				}
			}
		}
	}
	if v := h["X-Release-Version"]; len(v) > 0 && v[0] != "" {
		for i := len(at.targets) - 1; i >= 0; i-- { // stable last, if its version is another's, too
			if at.targets[i].version == v[0] {
				return at.targets[i]
			}
		}
	}
	return nil
}

// assigned is the stage of a known caller.
func (at *route) assigned(who Caller) (*target, by) {
	for _, g := range who.Groups {
		if t := at.groups[g]; t != nil {
			return t, byGroup
		}
	}
	if who.Subject == "" {
		return nil, byDefault
	}
	if t := at.users[who.Subject]; t != nil {
		return t, byUser
	}
	if at.byPercent {
		p := place(at.salt, who.Tenant, who.Subject)
		for _, t := range at.targets {
			if p >= t.from && p < t.to {
				return t, byPercent
			}
		}
		return at.stable(), byPercent
	}
	return nil, byDefault
}

// place is a user's place among 10,000, for ever: xxhash and not Go's own hash, which each process seeds anew. A percentage p is the
// places below 100p for canary and those from 10,000-100p for preview, so that raising either moves nobody out of it.
func place(salt, tenant, subject string) int {
	var d xxhash.Digest
	d.Reset()
	for _, s := range [...]string{salt, "\x00", tenant, "\x00", subject} {
		_, _ = d.WriteString(s)
	}
	return int(d.Sum64() % whole)
}

// Elsewhere gives a second try at stable to a request that failed at another stage, where that is safe: nothing was sent, or the
// method changes nothing. err is nil if there was an answer. Who asked for the stage by a header gets what it answered. Call it
// before Done; the second Choice has a Done of its own.
func (c *Choice) Elsewhere(method string, err error) (Choice, bool) {
	safe := method == http.MethodGet || method == http.MethodHead || errors.Is(err, httpx.ErrNotSent)
	if !c.Trial() || c.by == byHeader || !safe {
		return Choice{}, false
	}
	return c.router.choice(c.route, c.route.stable(), bySecondTry, c.service), true
}

// Done says how the request went and how long the answer took.
func (c *Choice) Done(how Outcome, took time.Duration) {
	t := c.target
	if t == nil {
		return
	}
	t.trust.inFlight.Add(-1)
	if how == Unjudged || c.by == byHeader {
		return
	}
	if t.stage == Stable {
		t.trust.note(how == Succeeded, took)
		return
	}
	stable, _ := c.route.stable().trust.look()
	if why := t.trust.judge(c.era, how == Succeeded, took, stable, c.route.judge, c.router.now); why != "" {
		c.router.fell(c.route, t, why)
	}
}
