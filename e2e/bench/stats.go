package bench

import (
	"math"
	"slices"
)

// Spread is a figure over the rounds: its median and its extremes. N is of how many; with 0 the rest means nothing.
type Spread struct {
	N                int
	Median, Min, Max float64
}

// SpreadOf sums up figures; those that are not a number are left out.
func SpreadOf(figures []float64) Spread {
	sorted := slices.DeleteFunc(slices.Clone(figures), math.IsNaN)
	slices.Sort(sorted)
	n := len(sorted)
	if n == 0 {
		return Spread{}
	}
	return Spread{N: n, Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1]}
}

// Ratio divides round by round: what disturbed a whole round disturbs both. A round in which either is missing (not a number) or
// the divisor is 0 is left out. a and b have one figure for each round.
func Ratio(a, b []float64) Spread {
	ratios := make([]float64, min(len(a), len(b)))
	for i := range ratios {
		ratios[i] = math.NaN()
		if b[i] != 0 {
			ratios[i] = a[i] / b[i]
		}
	}
	return SpreadOf(ratios)
}
