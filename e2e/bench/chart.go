package bench

import (
	"math"
	"slices"
	"strings"

	"github.com/sidecart/sidecart/e2e/plot"
)

// Chart draws what a benchmark is about: waits by percentile where there is an open loop, else what was served against clients. nil if
// the benchmark has neither.
func (r Result) Chart() []byte {
	if i := slices.IndexFunc(r.Phases, func(p Phase) bool { return p.Times > 0 }); i >= 0 {
		return r.percentiles(r.Phases[i])
	}
	if r.Axis.of != nil {
		return r.curve()
	}
	return nil
}

// curve is throughput against whatever the phases differ in.
func (r Result) curve() []byte {
	p := plot.Panel{Title: "served, thousands a second (median of the rounds)", Height: 340}
	for _, c := range r.Who {
		s := plot.Series{Name: c.Name}
		for _, phase := range r.Phases {
			if served := SpreadOf(r.perRound(c.Name, phase.Label, served)); served.N > 0 {
				s.X = append(s.X, r.Axis.of(phase))
				s.Y = append(s.Y, served.Median/1000)
			}
		}
		p.Series = append(p.Series, s)
	}
	return plot.Render(strings.ToUpper(r.About[:1])+r.About[1:], r.Axis.Name, p)
}

// Nines of a chart of percentiles: from the shortest wait (0; the median is at 0.3) to the 99.9th.
const (
	maxNines  = 3
	nineSteps = 60
)

// percentiles draws waits over nines, which spreads the tail out.
func (r Result) percentiles(phase Phase) []byte {
	p := plot.Panel{Title: "wait from when it was due, ms", Height: 340}
	for _, c := range r.Who {
		took := r.merged(c.Name, phase.Label)
		if took == nil {
			continue
		}
		s := plot.Series{Name: c.Name}
		for i := range nineSteps + 1 {
			nines := float64(i) * maxNines / nineSteps
			s.X = append(s.X, nines)
			s.Y = append(s.Y, float64(took.ValueAtPercentile(100*(1-math.Pow(10, -nines))))/1000)
		}
		p.Series = append(p.Series, s)
	}
	return plot.Render("Waits for an answer, open loop at "+digits(phase.Times)+" × capacity",
		"nines: 1 is the 90th percentile, 2 the 99th, 3 the 99.9th", p)
}
