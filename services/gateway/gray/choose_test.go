package gray

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/kit/httpx"
)

// world is a Router with a clock and dice of the test's own.
type world struct {
	*Router
	at      time.Time
	metrics *prometheus.Registry
}

func newWorld(t testing.TB, rules map[string]Rule) *world {
	w := &world{at: time.Date(2026, 11, 21, 5, 0, 0, 0, time.UTC), metrics: prometheus.NewRegistry()}
	dice := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	draw := func() uint64 { mu.Lock(); defer mu.Unlock(); return dice.Uint64() }
	r, err := New(Deps{Now: func() time.Time { return w.at }, Draw: draw, Metrics: w.metrics})
	require.NoError(t, err)
	r.Use(rules)
	w.Router = r
	return w
}

// app is where one request that ends well goes.
func (w *world) app(who Caller) string {
	c := w.Choose("placeOrder", "order", who)
	c.Done(Succeeded, time.Millisecond)
	return c.App
}

func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func threeStages() map[string]Rule {
	return map[string]Rule{"placeOrder": {
		Stable:  Stage{Version: "1.3.0"},
		Canary:  &Stage{App: "order-canary", Version: "1.4.0", Groups: []string{"beta"}, Users: []string{"ada"}},
		Preview: &Stage{App: "order-preview", Version: "2.0.0", Groups: []string{"staff"}, Percent: 100},
	}}
}

func TestTheFirstRuleThatSaysSomethingDecides(t *testing.T) {
	w := newWorld(t, threeStages())
	for name, c := range map[string]struct {
		who  Caller
		want string
	}{
		"nothing is known":                     {Caller{}, "order"},
		"stage":                                {Caller{Header: headers("X-Release-Stage", "canary")}, "order-canary"},
		"environment":                          {Caller{Header: headers("x-env", "preview")}, "order-preview"},
		"version":                              {Caller{Header: headers("x-release-version", "1.4.0")}, "order-canary"},
		"stable by version":                    {Caller{Header: headers("x-release-version", "1.3.0"), Groups: []string{"beta"}}, "order"},
		"stage before version":                 {Caller{Header: headers("X-Release-Stage", "canary", "x-release-version", "2.0.0")}, "order-canary"},
		"header before group":                  {Caller{Header: headers("X-Release-Stage", "stable"), Groups: []string{"beta"}}, "order"},
		"a stage that is not here":             {Caller{Header: headers("X-Release-Stage", "blue"), Groups: []string{"beta"}}, "order-canary"},
		"an empty version":                     {Caller{Header: headers("x-release-version", "")}, "order"},
		"group before user":                    {Caller{Groups: []string{"other", "staff"}, Subject: "ada"}, "order-preview"},
		"user before percentage":               {Caller{Subject: "ada"}, "order-canary"},
		"percentage":                           {Caller{Subject: "bob"}, "order-preview"},
		"a percentage needs to know who it is": {Caller{Tenant: "t"}, "order"},
	} {
		assert.Equal(t, c.want, w.app(c.who), name)
	}
	free := w.Choose("getStock", "inventory", Caller{Subject: "ada"})
	free.Done(Failed, time.Second)
	assert.Equal(t, "inventory", free.App, "a route without a rule")
	assert.Equal(t, Stable, free.Stage())
	assert.False(t, free.Trial())
	rules := threeStages()
	off := rules["placeOrder"]
	off.Header = "off"
	w.Use(map[string]Rule{"placeOrder": off})
	assert.Equal(t, "order", w.app(Caller{Header: headers("X-Release-Stage", "canary")}), "headers may be passed over")
}

// TestRaisingAPercentageMovesNobodyBack, in whatever process: places depend on nothing but the user and the salt.
func TestRaisingAPercentageMovesNobodyBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := float64(rapid.IntRange(0, 5000).Draw(t, "low")) / 100
		high := low + float64(rapid.IntRange(0, int(5000-low*100)).Draw(t, "more"))/100
		tenant, user, salt := rapid.String().Draw(t, "tenant"), rapid.StringN(1, -1, -1).Draw(t, "user"), rapid.String().Draw(t, "salt")
		stageAt := func(canary, preview float64) string {
			r, err := New(Deps{})
			require.NoError(t, err)
			r.Use(map[string]Rule{"o": {Salt: salt, Canary: &Stage{App: "c", Percent: canary}, Preview: &Stage{App: "p", Percent: preview}}})
			c := r.Choose("o", "s", Caller{Tenant: tenant, Subject: user})
			c.Done(Unjudged, 0)
			return c.Stage()
		}
		before := stageAt(low, low)
		if before != Stable {
			assert.Equal(t, before, stageAt(high, low))
			assert.Equal(t, before, stageAt(low, high))
			assert.Equal(t, before, stageAt(high, high))
		}
		assert.Equal(t, before, stageAt(low, low))
	})
}

func TestPlacesAreForEver(t *testing.T) {
	// A change of these would move users between releases when the gateway itself is released.
	assert.Equal(t, 3736, place("", "", "ada"))
	assert.Equal(t, 397, place("", "t", "ada"))
	assert.Equal(t, 226, place("salt", "", "ada"))
}

func TestAPercentageIsThatPartOfTheUsers(t *testing.T) {
	const users = 100_000
	for _, share := range []float64{0, 0.5, 5, 50, 100} {
		w := newWorld(t, map[string]Rule{"placeOrder": {Canary: &Stage{App: "c", Percent: share}}})
		got := 0
		for i := range users {
			if w.app(Caller{Subject: "user-" + strconv.Itoa(i)}) == "c" {
				got++
			}
		}
		// Five standard deviations of a fair draw of that many.
		want, p := share/100*users, share/100
		assert.InDelta(t, want, got, 5*sqrt(users*p*(1-p)), "%v percent", share)
	}
}

func TestWeightsAreKeptInQuietTimes(t *testing.T) {
	const requests = 100_000
	w := newWorld(t, map[string]Rule{"placeOrder": {Stable: Stage{Weight: 90}, Canary: &Stage{App: "c", Weight: 8}, Preview: &Stage{App: "p", Weight: 2}}})
	got := map[string]float64{}
	for range requests {
		got[w.app(Caller{})]++
	}
	for app, share := range map[string]float64{"order": 0.9, "c": 0.08, "p": 0.02} {
		assert.InDelta(t, share*requests, got[app], 5*sqrt(requests*share*(1-share)), app)
	}
}

func TestAWeightIsCorrectedByTheSuccessRate(t *testing.T) {
	const requests = 20_000
	w := newWorld(t, map[string]Rule{"placeOrder": {Stable: Stage{Weight: 50}, Canary: &Stage{App: "c", Weight: 50}, Judge: Judge{Off: true}}})
	canary := 0.0
	for range requests {
		c := w.Choose("placeOrder", "order", Caller{})
		if c.Trial() {
			canary++
		}
		c.Done(map[bool]Outcome{true: Failed, false: Succeeded}[c.Trial()], time.Millisecond)
	}
	// 50·0.05 beside 50·1, once it has failed for some answers.
	assert.InDelta(t, leastRate/(1+leastRate), canary/requests, 0.01)
}

func TestAStageThatHangsGetsLess(t *testing.T) {
	w := newWorld(t, map[string]Rule{"placeOrder": {Stable: Stage{Weight: 50}, Canary: &Stage{App: "c", Weight: 50}}})
	hanging := 0
	for range 1000 {
		c := w.Choose("placeOrder", "order", Caller{})
		if c.Trial() {
			hanging++
			continue
		}
		c.Done(Succeeded, time.Millisecond)
	}
	assert.Less(t, hanging, 400, "half of it would be 500, had nobody looked")
	assert.Greater(t, hanging, 100)
}

func TestASecondTryOnlyWhereItIsSafe(t *testing.T) {
	w := newWorld(t, threeStages())
	notSent := fmt.Errorf("dial: %w", httpx.ErrNotSent)
	for _, c := range []struct {
		method string
		err    error
		who    Caller
		want   bool
	}{
		{http.MethodGet, nil, Caller{Subject: "ada"}, true},
		{http.MethodHead, errors.New("cut off"), Caller{Subject: "ada"}, true},
		{http.MethodPost, notSent, Caller{Subject: "ada"}, true},
		{http.MethodPost, nil, Caller{Subject: "ada"}, false},
		{http.MethodPost, errors.New("cut off"), Caller{Subject: "ada"}, false},
		{http.MethodPut, context.DeadlineExceeded, Caller{Subject: "ada"}, false},
		{http.MethodDelete, errors.New("cut off"), Caller{Subject: "ada"}, false},
		{http.MethodGet, nil, Caller{}, false}, // stable is where it would go
		{http.MethodGet, nil, Caller{Header: headers("X-Release-Stage", "canary")}, false},
	} {
		first := w.Choose("placeOrder", "order", c.who)
		second, ok := first.Elsewhere(c.method, c.err)
		assert.Equal(t, c.want, ok, "%+v", c)
		if ok {
			assert.Equal(t, "order", second.App)
			second.Done(Succeeded, time.Millisecond)
			_, again := second.Elsewhere(http.MethodGet, nil)
			assert.False(t, again, "there is no third")
		}
		first.Done(Unjudged, 0)
	}
	for _, s := range w.Report()[0].Stages {
		assert.Zero(t, s.InFlight, s.Stage)
	}
}

func TestMetricsOfStagesThatAreGoneGo(t *testing.T) {
	w := newWorld(t, threeStages())
	w.app(Caller{Subject: "ada"})
	assert.Equal(t, 3*int(reasons), testutil.CollectAndCount(w.choices))
	assert.Equal(t, 2, testutil.CollectAndCount(shares{w.Router}))
	assert.Equal(t, 1.0, testutil.ToFloat64(w.choices.WithLabelValues("placeOrder", Canary, "user")))
	w.Use(nil)
	assert.Zero(t, testutil.CollectAndCount(w.choices))
	assert.Zero(t, testutil.CollectAndCount(shares{w.Router}))
	assert.Equal(t, "order", w.app(Caller{Subject: "ada"}))
}

// BenchmarkChoice is a request of a known user on a route with a percentage.
func BenchmarkChoice(b *testing.B) {
	r, err := New(Deps{Metrics: prometheus.NewRegistry()})
	require.NoError(b, err)
	r.Use(map[string]Rule{"placeOrder": {Canary: &Stage{App: "order-canary", Version: "1.4.0", Groups: []string{"beta"}, Percent: 50}}})
	who := Caller{Header: headers("User-Agent", "bench"), Tenant: "acme", Subject: "01a1fa91-596a-7a46-93ac-b23dbe480a2d", Groups: []string{"other"}}
	b.ReportAllocs()
	for b.Loop() {
		c := r.Choose("placeOrder", "order", who)
		c.Done(Succeeded, time.Millisecond)
	}
}
