package fallback

import (
	"errors"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
)

func made(t *testing.T, deps Deps, rules map[string]Route) *Fallbacks {
	t.Helper()
	f, err := New(deps)
	require.NoError(t, err)
	f.Use(rules)
	return f
}

// TestABreakerOpensAndCloses: half of twenty in ten seconds, five seconds of rest, three probes.
func TestABreakerOpensAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := made(t, Deps{}, map[string]Route{"getOrder": {Breaker: Breaker{Open: 5 * time.Second}}})
		end := func(how End) {
			a, err := f.Ask("getOrder")
			require.NoError(t, err)
			a.Done(how)
		}
		for i := range 19 {
			end(End(i % 2)) // Succeeded, Failed
		}
		end(Failed) // the twentieth
		_, err := f.Ask("getOrder")
		e := errs.From(err)
		require.Equal(t, errs.CodeUnavailable, e.Code)
		assert.Equal(t, 5*time.Second, e.RetryAfter)
		assert.EqualValues(t, 1, testutil.ToFloat64(f.state.WithLabelValues("getOrder")))
		other, err := f.Ask("listOrders")
		require.NoError(t, err, "another route is asked")
		other.Done(Failed)

		<-time.After(5*time.Second + 1) // of the bubble
		var probes []Attempt
		for range 3 {
			a, err := f.Ask("getOrder")
			require.NoError(t, err)
			probes = append(probes, a)
		}
		_, err = f.Ask("getOrder")
		require.Error(t, err, "no more than the probes")
		probes[0].Done(Succeeded)
		probes[1].Done(Failed)
		_, err = f.Ask("getOrder")
		require.Error(t, err, "one of them failed: as long again")
		probes[2].Done(Succeeded)

		<-time.After(5*time.Second + 1)
		for range 3 {
			end(Succeeded)
		}
		assert.EqualValues(t, 0, testutil.ToFloat64(f.state.WithLabelValues("getOrder")))
		for range 19 {
			end(Succeeded)
		}
		for range 15 {
			end(Failed) // of 37: not half
		}
	})
}

// Callers who go away after a moment neither close a breaker nor hold it open, and do not hide that the service fails.
func TestWhoGoesAwayEarlySaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := made(t, Deps{}, map[string]Route{"getOrder": {Breaker: Breaker{Open: 5 * time.Second}}})
		ask := func() Attempt {
			a, err := f.Ask("getOrder")
			require.NoError(t, err)
			return a
		}
		for range 100 {
			ask().Done(Unjudged)
		}
		for range 20 {
			ask().Done(Failed)
		}
		_, err := f.Ask("getOrder")
		require.Error(t, err, "all of twenty that say something have failed")

		<-time.After(5*time.Second + 1)
		for range 10 {
			ask().Done(Unjudged)
		}
		assert.EqualValues(t, 2, testutil.ToFloat64(f.state.WithLabelValues("getOrder")), "they are no probes")
		for range 3 {
			ask().Done(Succeeded)
		}
		assert.EqualValues(t, 0, testutil.ToFloat64(f.state.WithLabelValues("getOrder")))
	})
}

// What ends after other rules hold says nothing of the breaker that has come since: its gauge would stay open for good.
func TestABreakerThatWasReplacedIsSilent(t *testing.T) {
	f := made(t, Deps{}, map[string]Route{"getOrder": {Breaker: Breaker{Of: 1}}})
	late, err := f.Ask("getOrder")
	require.NoError(t, err)
	f.Use(map[string]Route{"getOrder": {Breaker: Breaker{Of: 2}}})
	late.Done(Failed)
	assert.Zero(t, testutil.ToFloat64(f.state.WithLabelValues("getOrder")))
	now, err := f.Ask("getOrder")
	require.NoError(t, err)
	now.Done(Succeeded)
}

func TestOldFailuresAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := made(t, Deps{}, map[string]Route{"getOrder": {Breaker: Breaker{Of: 20}}})
		for range 3 {
			for range 19 {
				a, err := f.Ask("getOrder")
				require.NoError(t, err)
				a.Done(Failed)
			}
			<-time.After(15 * time.Second)
		}
	})
}

func TestNewRulesKeepWhatMoves(t *testing.T) {
	open := Breaker{Of: 1, Failing: 1}
	f := made(t, Deps{}, map[string]Route{"a": {Breaker: open}, "b": {Breaker: open}})
	for _, name := range []string{"a", "b"} {
		a, err := f.Ask(name)
		require.NoError(t, err)
		a.Done(Failed)
	}
	f.Use(map[string]Route{"a": {Breaker: open, Fallback: Config{Body: "{}"}}, "b": {Breaker: Breaker{Of: 2, Failing: 1}}})
	_, err := f.Ask("a")
	require.Error(t, err, "open as it was")
	_, err = f.Ask("b")
	require.NoError(t, err, "another rule, another breaker")
	f.Use(nil)
	_, err = f.Ask("a")
	require.NoError(t, err)
}

func TestTheLastGoodAnswerAndThenTheFixedOne(t *testing.T) {
	now := time.Unix(1, 0)
	reg := prometheus.NewRegistry()
	f := made(t, Deps{Now: func() time.Time { return now }, Metrics: reg},
		map[string]Route{"getStock": {Fallback: Config{LastGood: time.Minute, Body: `{"available":0}`}}, "getOrder": {Fallback: Config{LastGood: time.Minute}}})
	pot := Request{Route: "getStock", PathAndQuery: "/v1/inventory/pot"}
	f.Keep(pot, "application/json", []byte(`{"available":2}`))
	f.Keep(Request{Route: "getCustomer", PathAndQuery: "/"}, "application/json", []byte(`{}`))
	now = now.Add(59 * time.Second)
	a, ok := f.Instead(pot)
	require.True(t, ok)
	assert.Equal(t, `{"available":2}`, string(a.Body))
	h := http.Header{}
	a.Mark(h)
	assert.Equal(t, "last-good", h.Get(Header))
	assert.Equal(t, "59", h.Get("Age"))
	now = now.Add(2 * time.Second)
	a, ok = f.Instead(pot)
	require.True(t, ok)
	assert.Equal(t, `{"available":0}`, string(a.Body), "too old by now")
	h = http.Header{}
	a.Mark(h)
	assert.Equal(t, "fixed", h.Get(Header))
	assert.Empty(t, h.Get("Age"))

	mine := Request{Route: "getOrder", Tenant: "t", Subject: "ada", PathAndQuery: "/v1/orders/1"}
	f.Keep(mine, "application/json", []byte(`{"id":1}`))
	theirs := mine
	theirs.Subject = "eve"
	_, ok = f.Instead(theirs)
	assert.False(t, ok, "what ada was told is hers")
	shifted := mine
	shifted.Tenant, shifted.Subject = "ta", "da"
	_, ok = f.Instead(shifted)
	assert.False(t, ok)
	lesser := mine
	lesser.Roles = []string{"customer"}
	_, ok = f.Instead(lesser)
	assert.False(t, ok, "what ada was told with other roles is not kept for these")
	_, ok = f.Instead(Request{Route: "getCustomer", PathAndQuery: "/"})
	assert.False(t, ok, "no rule, nothing kept")
	assert.EqualValues(t, 1, testutil.ToFloat64(f.given.WithLabelValues("getStock", "fixed")))
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	now := time.Unix(1, 0)
	f := made(t, Deps{Now: func() time.Time { return now }, MaxKeptBytes: 1 << 20}, map[string]Route{"get": {Fallback: Config{LastGood: time.Hour}}})
	body := make([]byte, 10<<10)
	request := func(i int) Request { return Request{Route: "get", PathAndQuery: "/" + strconv.Itoa(i)} }
	for i := range 1000 {
		f.Keep(request(i), "application/json", body[:1+i*7%len(body)])
		_, ok := f.Instead(request(0))
		require.True(t, ok, "it is in use")
	}
	assert.LessOrEqual(t, f.kept.size(), int64(1<<20))
	assert.LessOrEqual(t, len(f.kept.by), 1<<20/len(body), "what is held for a short one counts whole")
	assert.Len(t, f.kept.by, f.kept.used.Len())
	_, ok := f.Instead(request(1))
	assert.False(t, ok)
	f.Keep(request(-1), "application/json", make([]byte, maxAnswerBytes+1))
	_, ok = f.Instead(request(-1))
	assert.False(t, ok, "too large")
	now = now.Add(2 * time.Second)
	f.Keep(request(0), "application/json", []byte("new"))
	a, _ := f.Instead(request(0))
	assert.Equal(t, "new", string(a.Body))
	sum := int64(0)
	for e := f.kept.used.Front(); e != nil; e = e.Next() {
		sum += e.Value.(*entry).bytes()
	}
	assert.Equal(t, sum, f.kept.size())
}

func TestChecksNameThePlace(t *testing.T) {
	for place, b := range map[string]Breaker{
		"/failing": {Failing: 50}, "/of": {Of: -1}, "/within": {Within: time.Millisecond}, "/open": {Open: time.Hour}, "/probes": {Probes: 1000},
	} {
		wrong := b.Check()
		require.Len(t, wrong, 1, place)
		assert.Equal(t, place, wrong[0].Place)
	}
	assert.Empty(t, Breaker{}.Check())
	wrong := Config{LastGood: time.Millisecond, Body: "{"}.Check()
	require.Len(t, wrong, 2)
	assert.Equal(t, "/last_good", wrong[0].Place)
	assert.Equal(t, "/body", wrong[1].Place)

	shape := func(body []byte) error {
		if string(body) != "{}" {
			return errors.New("/items is missing")
		}
		return nil
	}
	assert.Empty(t, Config{Body: "{}"}.CheckFor(http.MethodGet, shape))
	assert.Empty(t, Config{}.CheckFor(http.MethodPost, shape))
	require.Len(t, Config{Body: "[]"}.CheckFor(http.MethodGet, shape), 1)
	assert.Contains(t, Config{Body: "[]"}.CheckFor(http.MethodGet, shape)[0].Message, "/items is missing")
	require.Len(t, Config{LastGood: time.Minute}.CheckFor(http.MethodPost, shape), 1, "a change must not be said to be done")
}

func BenchmarkAskAndKeep(b *testing.B) {
	f, err := New(Deps{})
	require.NoError(b, err)
	f.Use(map[string]Route{"get": {Breaker: Breaker{Of: 20}, Fallback: Config{LastGood: time.Minute}}})
	body := []byte(`{}`)
	b.ReportAllocs()
	for b.Loop() {
		a, err := f.Ask("get")
		if err != nil {
			b.Fatal(err)
		}
		a.Done(Succeeded)
		f.Keep(Request{Route: "get", PathAndQuery: "/v1/inventory/pot"}, "application/json", body)
	}
}
