package gray

import (
	"fmt"
	"math"
	"time"
)

// How fast the moving values move: the part of each new answer.
const (
	quickPart = 0.1   // systems of this kind use 0.9 old + 0.1 new; sees a release break within some requests
	slowPart  = 0.004 // sees one that fails now and then
	tookPart  = 0.02
)

// quickLess is how far the quick rate may lie below stable's. One failure costs it 0.1 and two 0.19, so it takes three nearby.
const quickLess = 0.25

// tookApart is below which no difference in time counts, however large it is as a ratio.
const tookApart = 5 * time.Millisecond

// moving is how a stage does on a route. It starts as if everything before had been well.
type moving struct {
	answers uint64
	quick   float64 // share of successes
	slow    float64
	plain   float64 // slow, but as if nothing had been before
	timed   uint64  // answers whose time counts: a failure's says nothing of how long the work takes
	lnTook  float64 // moving mean of the logarithm of microseconds: one request that hangs weighs little (it will also have failed)
}

func fresh() moving { return moving{quick: 1, slow: 1, plain: 1} }

func (m *moving) add(ok bool, took time.Duration) {
	success := 0.0
	if ok {
		success = 1
		m.timed++
		part := max(1/float64(m.timed), tookPart) // a plain mean at first, so that the first answer does not count for long
		m.lnTook += part * (math.Log(max(1, float64(took.Microseconds()))) - m.lnTook)
	}
	m.answers++
	m.quick += quickPart * (success - m.quick)
	m.slow += slowPart * (success - m.slow)
	m.plain += max(1/float64(m.answers), slowPart) * (success - m.plain)
}

// took is the moving geometric mean.
func (m *moving) took() time.Duration {
	if m.timed == 0 {
		return 0
	}
	return time.Duration(math.Exp(m.lnTook) * float64(time.Microsecond))
}

// behind says why m is worse than stable after at least samples answers, or nothing. While stable has fewer, it counts as faultless:
// a release that has all the traffic must be able to lose it.
func (m *moving) behind(stable moving, samples int, j Judge) string {
	if m.answers < uint64(samples) {
		return ""
	}
	if stable.answers < uint64(samples) {
		stable = fresh()
	}
	both := (m.plain + stable.plain) / 2 // the rate of either, were they equally good
	if m.quick < stable.quick-max(quickLess, noise(both, quickPart)) {
		return fmt.Sprintf("of its last answers %s were no failures, of stable's %s", percent(m.quick), percent(stable.quick))
	}
	if m.slow < stable.slow-max(j.FailMore/100, noise(both, slowPart)) {
		return fmt.Sprintf("in the long run %s of its answers are no failures, of stable's %s", percent(m.slow), percent(stable.slow))
	}
	if m.timed < uint64(samples) || stable.timed < uint64(samples) {
		return ""
	}
	if m.lnTook-stable.lnTook > math.Log(j.SlowerBy) && m.took()-stable.took() > tookApart {
		return fmt.Sprintf("it takes %s, stable %s", m.took().Round(100*time.Microsecond), stable.took().Round(100*time.Microsecond))
	}
	return ""
}

// noise is how far two moving rates of one release may lie apart by chance: four standard deviations of their difference. That of a
// moving mean of independent trials with success rate p and part a is the square root of p(1-p)·a/(2-a).
func noise(rate, part float64) float64 {
	return 4 * math.Sqrt(2*rate*(1-rate)*part/(2-part))
}

func percent(rate float64) string { return fmt.Sprintf("%.1f %%", 100*rate) }
