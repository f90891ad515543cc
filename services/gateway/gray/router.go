package gray

import (
	"cmp"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const maxStages = 3

// Deps is what a Router is given. Zero fields take the defaults that are named.
type Deps struct {
	Now     func() time.Time // time.Now in UTC
	Draw    func() uint64    // random bits, safe for concurrent use; math/rand/v2
	Log     *slog.Logger     // none
	Metrics prometheus.Registerer
}

// Router chooses releases by the rules that it was last given.
type Router struct {
	now  func() time.Time
	draw func() uint64
	log  *slog.Logger

	routes  atomic.Pointer[map[string]*route]
	choices *prometheus.CounterVec
	falls   *prometheus.CounterVec
}

// route is a rule, ready to be applied. It is not changed once it is made, but for the targets' trust.
type route struct {
	operation string
	targets   []*target
	header    bool
	weighted  bool
	byPercent bool
	salt      string
	groups    map[string]*target
	users     map[string]*target
	judge     Judge
}

func (at *route) stable() *target { return at.targets[0] }

// target is a stage of a route.
type target struct {
	stage, app, version string
	percent             float64
	weight              int
	from, to            int // places of users: from ≤ place < to
	chosen              [reasons]prometheus.Counter
	trust               *trust
}

// New makes a Router without rules. It has no effect but registering metrics.
func New(d Deps) (*Router, error) {
	r := &Router{now: d.Now, draw: d.Draw, log: d.Log,
		choices: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_gray_choices_total", Help: "Requests of routes with gray rules, by the stage they went to and the rule that decided.",
		}, []string{"route", "stage", "by"}),
		falls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_gray_falls_total", Help: "How often a stage lost its traffic because it did worse than stable.",
		}, []string{"route", "stage"}),
	}
	if r.now == nil {
		r.now = func() time.Time { return time.Now().UTC() }
	}
	if r.draw == nil {
		r.draw = rand.Uint64
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.routes.Store(&map[string]*route{})
	if d.Metrics == nil {
		return r, nil
	}
	return r, errors.Join(d.Metrics.Register(r.choices), d.Metrics.Register(r.falls), d.Metrics.Register(shares{r}))
}

// Use puts rules, which Check has found good, in the place of those before, by operation. What a
// stage has shown so far stays while its app and version do. Not to be called twice at once.
func (r *Router) Use(rules map[string]Rule) {
	before := *r.routes.Load()
	next := make(map[string]*route, len(rules))
	for operation, rule := range rules {
		next[operation] = r.compile(operation, rule, before[operation])
	}
	r.routes.Store(&next)
	for operation, was := range before {
		r.forget(was, next[operation])
	}
}

func (r *Router) compile(operation string, rule Rule, before *route) *route {
	at := &route{
		operation: operation, header: rule.Header != "off", salt: rule.Salt, judge: rule.Judge.withDefaults(),
		groups: map[string]*target{}, users: map[string]*target{},
	}
	stable := rule.Stable
	stable.Weight = cmp.Or(stable.Weight, 100)
	add := func(name string, s Stage, from, to int) {
		t := &target{stage: name, app: s.App, version: s.Version, percent: s.Percent, weight: s.Weight, from: from, to: to, trust: newTrust()}
		if was := before.find(name); was != nil && was.app == t.app && was.version == t.version {
			t.trust = was.trust
		}
		for why := range reasons {
			t.chosen[why] = r.choices.WithLabelValues(operation, name, byNames[why])
		}
		at.targets = append(at.targets, t)
		for _, g := range s.Groups {
			at.groups[g] = t
		}
		for _, u := range s.Users {
			at.users[u] = t
		}
		at.byPercent = at.byPercent || from < to
		at.weighted = at.weighted || name != Stable && s.Weight > 0
	}
	add(Stable, stable, 0, 0)
	if rule.Canary != nil {
		add(Canary, *rule.Canary, 0, places(rule.Canary.Percent))
	}
	if rule.Preview != nil {
		add(Preview, *rule.Preview, whole-places(rule.Preview.Percent), whole)
	}
	return at
}

func places(percent float64) int { return int(math.Round(percent * whole / 100)) }

// find is the target of a stage, or nil. It takes a nil route.
func (at *route) find(stage string) *target {
	if at == nil {
		return nil
	}
	for _, t := range at.targets {
		if t.stage == stage {
			return t
		}
	}
	return nil
}

// forget drops the metrics of stages that are no more.
func (r *Router) forget(was, now *route) {
	for _, t := range was.targets {
		if now.find(t.stage) == nil {
			labels := prometheus.Labels{"route": was.operation, "stage": t.stage}
			r.choices.DeletePartialMatch(labels)
			r.falls.DeletePartialMatch(labels)
		}
	}
}

// fell tells that a stage lost its traffic.
func (r *Router) fell(at *route, t *target, why string) {
	r.falls.WithLabelValues(at.operation, t.stage).Inc()
	r.log.Warn("a release loses its traffic", slog.String("route", at.operation), slog.String("stage", t.stage),
		slog.String("app", t.app), slog.String("version", t.version), slog.String("why", why))
}

// shares gives each stage's share when metrics are read.
type shares struct{ r *Router }

var shareDesc = prometheus.NewDesc("gateway_gray_share", "The part of its configured traffic that a stage gets, 0 to 1.", []string{"route", "stage"}, nil)

// Describe implements prometheus.Collector.
func (s shares) Describe(ch chan<- *prometheus.Desc) { ch <- shareDesc }

// Collect implements prometheus.Collector.
func (s shares) Collect(ch chan<- prometheus.Metric) {
	for _, at := range *s.r.routes.Load() {
		for _, t := range at.targets[1:] {
			ch <- prometheus.MustNewConstMetric(shareDesc, prometheus.GaugeValue, float64(t.trust.share.Load())/whole, at.operation, t.stage)
		}
	}
}
