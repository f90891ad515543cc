package gray

import (
	"cmp"
	"slices"
	"time"
)

// What a stage gets, in a word.
const (
	serving = "serving" // all that the rules give it
	resting = "resting" // nothing but what a header asks for
	earning = "earning" // a growing part
)

// RouteReport is one item of GET /v1/ops/gray.
type RouteReport struct {
	Route  string        `json:"route"`
	Stages []StageReport `json:"stages"`
}

// StageReport is how a stage of a route does.
type StageReport struct {
	Stage       string    `json:"stage"`
	App         string    `json:"app"` // "" is the service itself
	Version     string    `json:"version"`
	Percent     float64   `json:"percent"`
	Weight      int       `json:"weight"`
	State       string    `json:"state"`
	Share       float64   `json:"share"` // of what the rules give it, 0 to 1
	RestsUntil  time.Time `json:"rests_until,omitzero"`
	Answers     uint64    `json:"answers"`      // judged since the start or since it tried again
	Success     float64   `json:"success"`      // moving, 0 to 1, sees a break within some answers
	LongSuccess float64   `json:"long_success"` // moving over some hundred answers
	TookMicros  int64     `json:"took_micros"`  // moving geometric mean of answers that were no failures
	InFlight    int64     `json:"in_flight"`
	Changes     []Change  `json:"changes"` // the last ones, oldest first
}

// Report tells of every route with rules, by name.
func (r *Router) Report() []RouteReport {
	all := []RouteReport{}
	for _, at := range *r.routes.Load() {
		one := RouteReport{Route: at.operation}
		for _, t := range at.targets {
			one.Stages = append(one.Stages, t.report())
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b RouteReport) int { return cmp.Compare(a.Route, b.Route) })
	return all
}

func (t *target) report() StageReport {
	s := StageReport{Stage: t.stage, App: t.app, Version: t.version, Percent: t.percent, Weight: t.weight, State: serving}
	s.InFlight = t.trust.inFlight.Load()
	t.trust.mu.Lock()
	defer t.trust.mu.Unlock()
	share := t.trust.share.Load()
	switch {
	case share == 0:
		s.State, s.RestsUntil = resting, t.trust.until
	case share < whole:
		s.State = earning
	}
	m := &t.trust.moving
	s.Share = float64(share) / whole
	s.Answers, s.Success, s.LongSuccess, s.TookMicros = m.answers, m.quick, m.slow, m.took().Microseconds()
	s.Changes = append([]Change{}, t.trust.changes...)
	return s
}
