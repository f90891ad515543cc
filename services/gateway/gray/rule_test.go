package gray

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/sidecart/sidecart/services/kit/fault"
)

func TestARuleThatSaysNothingIsGood(t *testing.T) {
	assert.Empty(t, (&Rule{}).Check())
	assert.Empty(t, (&Rule{
		Canary:  &Stage{App: "order-canary", Version: "1.4.0", Groups: []string{"beta"}, Users: []string{"ada"}, Percent: 0.01, Weight: 5},
		Preview: &Stage{App: "order-preview", Percent: 99.99}, Header: "off", Salt: "x",
		Judge: Judge{MinSamples: 5, FailMore: 0.1, SlowerBy: 1.1, Rest: time.Second, GrowEvery: time.Hour},
	}).Check())
}

func TestEveryFaultIsNamedWithItsPlace(t *testing.T) {
	for place, rule := range map[string]Rule{
		"/stable/percent":    {Stable: Stage{Percent: 1}},
		"/stable/users":      {Stable: Stage{Users: []string{"ada"}}},
		"/stable/groups":     {Stable: Stage{Groups: []string{"beta"}}},
		"/stable/app":        {Stable: Stage{App: "order/../other"}},
		"/canary/app":        {Canary: &Stage{}},
		"/canary/version":    {Canary: &Stage{App: "c", Version: "a b"}},
		"/canary/percent":    {Canary: &Stage{App: "c", Percent: 0.005}},
		"/canary/weight":     {Canary: &Stage{App: "c", Weight: -1}},
		"/canary/groups/1":   {Canary: &Stage{App: "c", Groups: []string{"beta", "beta"}}},
		"/canary/users/0":    {Canary: &Stage{App: "c", Users: []string{" "}}},
		"/canary/users":      {Canary: &Stage{App: "c", Users: strings.Split(strings.Repeat("x,", maxUsers), ",")}},
		"/preview/percent":   {Canary: &Stage{App: "c", Percent: 60}, Preview: &Stage{App: "p", Percent: 41}},
		"/preview/app":       {Canary: &Stage{App: "c"}, Preview: &Stage{App: "c"}},
		"/preview/groups/0":  {Canary: &Stage{App: "c", Groups: []string{"g"}}, Preview: &Stage{App: "p", Groups: []string{"g"}}},
		"/preview/users/0":   {Canary: &Stage{App: "c", Users: []string{"u"}}, Preview: &Stage{App: "p", Users: []string{"u"}}},
		"/header":            {Header: "yes"},
		"/salt":              {Salt: strings.Repeat("x", maxSalt+1)},
		"/judge/min_samples": {Judge: Judge{MinSamples: 4}},
		"/judge/fail_more":   {Judge: Judge{FailMore: -1}},
		"/judge/slower_by":   {Judge: Judge{SlowerBy: 1}},
		"/judge/rest":        {Judge: Judge{Rest: time.Millisecond}},
		"/judge/grow_every":  {Judge: Judge{GrowEvery: 2 * time.Hour}},
	} {
		var places []string
		for _, f := range rule.Check() {
			places = append(places, f.Place)
			assert.NotEmpty(t, f.Message)
		}
		assert.Contains(t, places, place)
	}
	assert.Equal(t, []fault.Fault{{Place: "/header", Message: "want on or off"}}, (&Rule{Header: "x"}).Check())
}
