package gray

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func sqrt(x float64) float64 { return math.Sqrt(x) }

// half is a route of which half of the users get the canary.
func half(j Judge) map[string]Rule {
	return map[string]Rule{"placeOrder": {Canary: &Stage{App: "c", Version: "1", Percent: 50}, Judge: j}}
}

// visit sends n requests of as many users, one each millisecond of the world's clock, and gives how many the canary had.
func (w *world) visit(n int, canary func(i int) (Outcome, time.Duration)) (had int) {
	for i := range n {
		w.at = w.at.Add(time.Millisecond)
		c := w.Choose("placeOrder", "order", Caller{Subject: "user-" + strconv.Itoa(i)})
		if c.Trial() {
			c.Done(canary(had))
			had++
			continue
		}
		c.Done(Succeeded, 10*time.Millisecond)
	}
	return had
}

func well(int) (Outcome, time.Duration)  { return Succeeded, 10 * time.Millisecond }
func badly(int) (Outcome, time.Duration) { return Failed, time.Millisecond }

func (w *world) canary() StageReport { return w.Report()[0].Stages[1] }

func TestABrokenReleaseLosesItsTrafficAfterTheSamples(t *testing.T) {
	w := newWorld(t, half(Judge{}))
	assert.Equal(t, 20, w.visit(1000, badly), "the default samples and not one more")
	now := w.canary()
	assert.Equal(t, resting, now.State)
	assert.Zero(t, now.Share)
	require.Len(t, now.Changes, 1)
	assert.Contains(t, now.Changes[0].Why, "fell behind: of its last answers 12.2 % were no failures, of stable's 100.0 %; rests for 30s")
	assert.Equal(t, "c", w.app(Caller{Header: headers("X-Release-Stage", "canary")}), "a header still reaches it")
	assert.Equal(t, "order", w.app(Caller{Subject: "user-1"}))
}

func TestAReleaseThatBreaksLaterLosesItsTraffic(t *testing.T) {
	w := newWorld(t, half(Judge{}))
	w.visit(2000, well)
	assert.Equal(t, serving, w.canary().State)
	assert.LessOrEqual(t, w.visit(1000, badly), 3, "three in a row are enough for one that has the samples")
}

func TestSomeFailuresKillNoRelease(t *testing.T) {
	w := newWorld(t, half(Judge{}))
	w.visit(20_000, func(i int) (Outcome, time.Duration) {
		if i%200 == 0 { // the very first, too
			return Failed, time.Millisecond
		}
		return well(i)
	})
	assert.Equal(t, serving, w.canary().State)
	assert.Empty(t, w.canary().Changes)
}

func TestAReleaseThatFailsNowAndThenLosesItsTraffic(t *testing.T) {
	w := newWorld(t, half(Judge{}))
	had := w.visit(20_000, func(i int) (Outcome, time.Duration) {
		if i%10 == 9 {
			return Failed, time.Millisecond
		}
		return well(i)
	})
	assert.Less(t, had, 300)
	assert.Contains(t, w.canary().Changes[0].Why, "in the long run")
}

func TestAReleaseThatIsSlowLosesItsTraffic(t *testing.T) {
	for name, c := range map[string]struct {
		took  time.Duration
		state string
	}{"as fast": {11 * time.Millisecond, serving}, "a little slower": {19 * time.Millisecond, serving}, "three times": {30 * time.Millisecond, resting}} {
		w := newWorld(t, half(Judge{}))
		w.visit(2000, func(int) (Outcome, time.Duration) { return Succeeded, c.took })
		assert.Equal(t, c.state, w.canary().State, name)
		if c.state == resting {
			assert.Contains(t, w.canary().Changes[0].Why, "it takes 30ms, stable 10ms")
		}
	}
	w := newWorld(t, half(Judge{}))
	w.visit(2000, func(i int) (Outcome, time.Duration) {
		if i%100 == 5 {
			return Succeeded, 5 * time.Second
		}
		return well(i)
	})
	assert.Equal(t, serving, w.canary().State, "one that hangs is no slow release")
}

func TestNobodyIsBlamedForWhatStableHasToo(t *testing.T) {
	w := newWorld(t, half(Judge{}))
	for i := range 20_000 {
		c := w.Choose("placeOrder", "order", Caller{Subject: "user-" + strconv.Itoa(i)})
		how := Succeeded
		if i%7 == 0 { // the store behind both is in trouble
			how = Failed
		}
		c.Done(how, time.Millisecond)
	}
	assert.Equal(t, serving, w.canary().State)
}

func TestTrustIsEarnedBackByAndBy(t *testing.T) {
	w := newWorld(t, half(Judge{}))
	w.visit(1000, badly)
	before := w.at
	w.at = w.at.Add(20 * time.Second)
	assert.Zero(t, w.visit(1000, well), "it rests")
	w.at = before.Add(31 * time.Second)
	first := w.visit(1000, well)
	assert.InDelta(t, 0.05*500, first, 10, "a twentieth of its half of a thousand")
	assert.Equal(t, earning, w.canary().State)
	had := []int{}
	for w.canary().State != serving {
		w.at = w.at.Add(30 * time.Second)
		had = append(had, w.visit(2000, well))
		require.Less(t, len(had), 20)
	}
	for i := range had[1:] {
		assert.Greater(t, had[i+1], had[i], "each step gives more: %v", had)
	}
	assert.Greater(t, w.at.Sub(before), 4*time.Minute)
	assert.InDelta(t, 1000, w.visit(2000, well), 100)
	assert.Len(t, w.canary().Changes, maxChanges)
}

func TestAReleaseThatStillFailsRestsForLonger(t *testing.T) {
	w := newWorld(t, half(Judge{Rest: time.Second}))
	w.visit(100, badly)
	for _, rest := range []string{"2s", "4s", "8s", "16s", "16s"} {
		w.at = w.canary().RestsUntil
		assert.LessOrEqual(t, w.visit(400, badly), 10, "its second chance costs few")
		changes := w.canary().Changes
		assert.Contains(t, changes[len(changes)-1].Why, "rests for "+rest)
	}
	assert.LessOrEqual(t, len(w.canary().Changes), maxChanges)
}

func TestAnswersToEarlierRequestsDoNotCountForTheNewTry(t *testing.T) {
	w := newWorld(t, half(Judge{}))
	var late []Choice
	for i := 0; len(late) < 100; i++ {
		if c := w.Choose("placeOrder", "order", Caller{Subject: "user-" + strconv.Itoa(i)}); c.Trial() {
			late = append(late, c)
		} else {
			c.Done(Succeeded, time.Millisecond)
		}
	}
	w.visit(1000, badly)
	w.at = w.canary().RestsUntil
	w.visit(100, well)
	for _, c := range late {
		c.Done(Failed, 10*time.Second)
	}
	assert.Equal(t, earning, w.canary().State)
	assert.Zero(t, w.canary().InFlight)
}

func TestWhatAHeaderAskedForIsNotJudged(t *testing.T) {
	w := newWorld(t, half(Judge{}))
	for range 100 {
		c := w.Choose("placeOrder", "order", Caller{Header: headers("x-env", "canary")})
		c.Done(Failed, time.Millisecond)
	}
	assert.Equal(t, serving, w.canary().State)
	assert.Zero(t, w.canary().Answers)
}

func TestAReloadKeepsWhatWasShownUntilTheVersionChanges(t *testing.T) {
	w := newWorld(t, half(Judge{}))
	w.visit(1000, badly)
	rules := half(Judge{})
	rules["placeOrder"].Canary.Percent = 80
	w.Use(rules)
	assert.Equal(t, resting, w.canary().State)
	assert.Zero(t, w.visit(1000, badly))
	rules = half(Judge{})
	rules["placeOrder"].Canary.Version = "2"
	w.Use(rules)
	assert.Equal(t, serving, w.canary().State, "another release is judged afresh")
	assert.Positive(t, w.visit(10, well))
}

func TestNobodyLosesTrafficWhereNobodyIsToJudge(t *testing.T) {
	w := newWorld(t, half(Judge{Off: true}))
	assert.InDelta(t, 500, w.visit(1000, badly), 80)
}

func TestAWeightedReleaseFallsAndComesBack(t *testing.T) {
	w := newWorld(t, map[string]Rule{"placeOrder": {Canary: &Stage{App: "c", Weight: 100}, Judge: Judge{Rest: time.Second, GrowEvery: time.Second}}})
	send := func(n int, how Outcome) (had int) {
		for range n {
			w.at = w.at.Add(time.Millisecond)
			c := w.Choose("placeOrder", "order", Caller{})
			if c.Trial() {
				had++
				c.Done(how, time.Millisecond)
			} else {
				c.Done(Succeeded, time.Millisecond)
			}
		}
		return had
	}
	assert.Equal(t, 20, send(900, Failed))
	assert.True(t, strings.HasPrefix(w.canary().Changes[0].Why, "fell behind"))
	send(60_000, Succeeded)
	assert.Equal(t, serving, w.canary().State)
	assert.InDelta(t, 500, send(1000, Succeeded), 80)
}
