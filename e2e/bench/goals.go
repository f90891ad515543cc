package bench

import "fmt"

// Goal is a figure of a benchmark with what is owed (the floor) and what is aimed at (the target). Both 0: it is only told.
type Goal struct {
	What          string
	Floor, Target float64
	Unit          string
	Least         bool // the less the better
	of            func(r Result) Spread
	byCPU         func(r Result) Spread // the same figure by CPU alone (Figures.ByCPU); nil if it has none
}

// Verdicts of a goal.
const (
	TargetMet   = "target met"
	FloorMet    = "floor met"
	Missed      = "MISSED"
	NotMeasured = "not measured"
)

// Verdict judges a figure by its median.
func (g Goal) Verdict(s Spread) string {
	reaches := func(bound float64) bool { return s.Median >= bound && !g.Least || s.Median <= bound && g.Least }
	switch {
	case s.N == 0:
		return NotMeasured
	case g.Floor == 0 && g.Target == 0:
		return ""
	case reaches(g.Target):
		return TargetMet
	case reaches(g.Floor):
		return FloorMet
	}
	return Missed
}

// over compares what two contenders served, round by round.
func over(a, b string, floor, target float64) Goal {
	return Goal{What: a + " ÷ " + b, Floor: floor, Target: target, of: ratio(a, b, capacity, served), byCPU: ratio(a, b, capacity, Figures.ByCPU)}
}

// toldAt compares the same in another phase, without a goal.
func toldAt(a, b, phase string) Goal {
	return Goal{What: a + " ÷ " + b + " at " + phase, of: ratio(a, b, phase, served), byCPU: ratio(a, b, phase, Figures.ByCPU)}
}

func ratio(a, b, phase string, of func(Figures) float64) func(Result) Spread {
	return func(r Result) Spread { return Ratio(r.perRound(a, phase, of), r.perRound(b, phase, of)) }
}

// told is over without a goal.
func told(a, b string) Goal { return over(a, b, 0, 0) }

func perWrite(who string, floor, target float64) Goal {
	return Goal{What: "reservations for each write of " + who, Floor: floor, Target: target, of: func(r Result) Spread {
		return SpreadOf(r.perRound(who, capacity, func(f Figures) float64 { return f.PerWrite }))
	}}
}

// heapEach tells how much larger the heap is for each that was accepted between the phases before and after.
func heapEach(who, what string) Goal {
	return Goal{What: "heap of " + who + " for each " + what, Unit: " B", of: func(r Result) Spread {
		grown := r.difference(who, func(f Figures) float64 { return f.Heap })
		kept := r.difference(who, func(f Figures) float64 { return float64(f.Kept) })
		return Ratio(grown, kept)
	}}
}

// difference is a figure of the phase after less that of the phase before, round by round.
func (r Result) difference(who string, of func(Figures) float64) []float64 {
	from, to := r.perRound(who, before, of), r.perRound(who, after, of)
	for i := range to {
		to[i] -= from[i]
	}
	return to
}

// wait wants a percentile of the waits of a phase, in milliseconds.
func wait(who, phase string, percent, floor, target float64) Goal {
	return Goal{What: fmt.Sprintf("p%g of %s at %s of its capacity", percent, who, phase), Floor: floor, Target: target, Unit: " ms", Least: true,
		of: func(r Result) Spread {
			return SpreadOf(r.perRound(who, phase, func(f Figures) float64 { return f.Percentile(percent) }))
		}}
}

// goodput compares what was served under too much load with what was served at most.
func goodput(who, phase string, floor, target float64) Goal {
	return Goal{What: "served by " + who + " at " + phase + " of its capacity ÷ at capacity", Floor: floor, Target: target, of: func(r Result) Spread {
		return Ratio(r.perRound(who, phase, served), r.perRound(who, capacity, served))
	}}
}

func served(f Figures) float64 { return f.PerSecond }
