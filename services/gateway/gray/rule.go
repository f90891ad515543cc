package gray

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sidecart/sidecart/services/kit/fault"
)

// The stages, in the words of the header X-Release-Stage.
const (
	Stable  = "stable"
	Canary  = "canary"
	Preview = "preview"
)

// Bounds of a rule.
const (
	maxUsers  = 1000
	maxGroups = 100
	maxSalt   = 64
	maxWeight = 1_000_000
)

// Rule is the gray section of a route: its stages and how they are chosen and judged. The zero Rule leaves everything with the
// service itself.
type Rule struct {
	Stable  Stage  `yaml:"stable"`
	Canary  *Stage `yaml:"canary"`
	Preview *Stage `yaml:"preview"`
	// Header "off" passes over the headers that name a stage or version; "on", the default, lets anybody choose a release.
	Header string `yaml:"header"`
	// Salt shuffles the users anew. Routes with the same salt, none by default, have the same users in their percentages.
	Salt  string `yaml:"salt"`
	Judge Judge  `yaml:"judge"`
}

// Stage is one release of the service and who gets it.
type Stage struct {
	App     string   `yaml:"app"`     // its Dapr app id; of stable, the service's own name by default
	Version string   `yaml:"version"` // for x-release-version and metrics; another version is judged afresh
	Groups  []string `yaml:"groups"`  // of the caller's token
	Users   []string `yaml:"users"`   // subjects of callers
	Percent float64  `yaml:"percent"` // of the users that are known, 0 to 100 in steps of 0.01
	Weight  int      `yaml:"weight"`  // beside those of the other stages, for requests that nothing above decided; of stable 100
}

// Judge says when a release is worse than stable. Zero fields take the defaults that are named.
type Judge struct {
	Off        bool          `yaml:"off"`         // never take traffic away
	MinSamples int           `yaml:"min_samples"` // answers before the first judgement; 20
	FailMore   float64       `yaml:"fail_more"`   // percent of answers that may fail beyond stable's; 3
	SlowerBy   float64       `yaml:"slower_by"`   // how many times as long as stable it may take; 2
	Rest       time.Duration `yaml:"rest"`        // without traffic after falling behind, doubled each time, up to 16 times; 30s
	GrowEvery  time.Duration `yaml:"grow_every"`  // the shortest time between two steps back up; 30s
}

func (j Judge) withDefaults() Judge {
	j.MinSamples = cmp.Or(j.MinSamples, 20)
	j.FailMore = cmp.Or(j.FailMore, 3)
	j.SlowerBy = cmp.Or(j.SlowerBy, 2)
	j.Rest = cmp.Or(j.Rest, 30*time.Second)
	j.GrowEvery = cmp.Or(j.GrowEvery, 30*time.Second)
	return j
}

var (
	// appID is what host's transport can be asked for.
	appID = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)
	// version is what fits into a header and a metric's label.
	version = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$`)
)

// Check says everything that is wrong with the rule. Places are below the rule.
func (r *Rule) Check() []fault.Fault {
	c := &checker{}
	c.stage(Stable, &r.Stable)
	if r.Canary != nil {
		c.stage(Canary, r.Canary)
	}
	if r.Preview != nil {
		c.stage(Preview, r.Preview)
	}
	c.together(r)
	c.that(r.Header == "" || r.Header == "on" || r.Header == "off", fault.At("header"), "want on or off")
	c.that(len(r.Salt) <= maxSalt, fault.At("salt"), fmt.Sprintf("has %d bytes, over %d", len(r.Salt), maxSalt))
	c.judge(r.Judge)
	return c.faults
}

type checker struct{ faults []fault.Fault }

func (c *checker) that(ok bool, place, message string) {
	if !ok {
		c.faults = append(c.faults, fault.Fault{Place: place, Message: message})
	}
}

func (c *checker) stage(name string, s *Stage) {
	at := func(parts ...any) string { return fault.At(append([]any{name}, parts...)...) }
	if name == Stable {
		c.that(len(s.Groups) == 0, at("groups"), "is for canary and preview: stable gets who is in none of theirs")
		c.that(len(s.Users) == 0, at("users"), "is for canary and preview: stable gets who is in none of theirs")
		c.that(s.Percent == 0, at("percent"), "is for canary and preview: stable gets the rest")
	} else {
		c.that(s.App != "", at("app"), "is missing: the Dapr app id of this release, such as order-canary")
	}
	c.that(s.App == "" || appID.MatchString(s.App), at("app"), "want a Dapr app id: small letters, digits and hyphens, a letter first, at most 31")
	c.that(s.Version == "" || version.MatchString(s.Version), at("version"), "want letters, digits and . _ + -, at most 64")
	c.names(at, "groups", s.Groups, maxGroups)
	c.names(at, "users", s.Users, maxUsers)
	c.that(s.Percent >= 0 && s.Percent <= 100 && inSteps(s.Percent), at("percent"), "want 0 to 100 in steps of 0.01")
	c.that(s.Weight >= 0 && s.Weight <= maxWeight, at("weight"), fmt.Sprintf("want a whole number from 0 to %d", maxWeight))
}

// inSteps tells whether p is a number of hundredths, but for what binary fractions cannot say.
func inSteps(p float64) bool { return math.Abs(p*100-math.Round(p*100)) < 1e-6 }

func (c *checker) names(at func(...any) string, list string, names []string, most int) {
	c.that(len(names) <= most, at(list), fmt.Sprintf("has %d entries, over %d", len(names), most))
	for i, n := range names {
		c.that(strings.TrimSpace(n) != "" && len(n) <= 256, at(list, i), "want 1 to 256 bytes that are not all blank")
		c.that(slices.Index(names, n) == i, at(list, i), "stands here twice")
	}
}

// together checks what only several stages can have wrong.
func (c *checker) together(r *Rule) {
	if r.Canary == nil || r.Preview == nil {
		return
	}
	c.that(r.Canary.Percent+r.Preview.Percent <= 100, fault.At(Preview, "percent"), "and canary's are over 100 together")
	c.that(r.Canary.App == "" || r.Canary.App != r.Preview.App, fault.At(Preview, "app"), "is canary's, too")
	for i, g := range r.Preview.Groups {
		c.that(!slices.Contains(r.Canary.Groups, g), fault.At(Preview, "groups", i), "is in canary's groups, too")
	}
	for i, u := range r.Preview.Users {
		c.that(!slices.Contains(r.Canary.Users, u), fault.At(Preview, "users", i), "is in canary's users, too")
	}
}

func (c *checker) judge(j Judge) {
	at := func(key string) string { return fault.At("judge", key) }
	j = j.withDefaults()
	c.that(j.MinSamples >= 5 && j.MinSamples <= 10_000, at("min_samples"), "want a whole number from 5 to 10000")
	c.that(j.FailMore >= 0.1 && j.FailMore <= 100, at("fail_more"), "want percent from 0.1 to 100")
	c.that(j.SlowerBy >= 1.1 && j.SlowerBy <= 100, at("slower_by"), "want a factor from 1.1 to 100")
	c.that(j.Rest >= time.Second && j.Rest <= time.Hour, at("rest"), "want a duration from 1s to 1h")
	c.that(j.GrowEvery >= time.Second && j.GrowEvery <= time.Hour, at("grow_every"), "want a duration from 1s to 1h")
}
