package components

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rule is what a field must say for sidecart to be safe, or better off, beyond what Dapr allows.
type rule struct {
	field string
	// byDefault is what Dapr takes when the field is absent.
	byDefault string
	// ok are the good values. With none, the field must be absent.
	ok       []string
	severity Severity
	why      string
}

// stateRules hold for every store.
var stateRules = []rule{
	{"keyPrefix", "the app id", []string{"none"}, Error, "with a prefix, what one app writes another cannot read, and the data cannot move between placements"},
	{"outboxPublishPubsub", "", nil, Warning, "Dapr's outbox would publish beside the journal, and slows every write"},
	{"cleanupInterval", "", []string{"", "0", "0s", "-1", "-1s"}, Warning, "no key of ours has a time to live; a round of deletes is load without use"},
	{"ttlInSeconds", "", []string{"", "0", "-1"}, Error, "every key would expire, journals included"},
}

// checkRules checks a state store's or broker's fields by the rules for all of them and for its type.
func (c *checker) checkRules(spec Spec) {
	var rules []rule
	switch {
	case c.component.Name == "state" && spec.block() == "state":
		rules = append(slices.Clone(stateRules), storeRules[spec.Type]...)
		c.checkTimeout()
	case c.component.Name == "pubsub" && spec.block() == "pubsub":
		rules = append(slices.Clone(pubsubRules), brokerRules[spec.Type]...)
	}
	for _, r := range rules {
		c.checkRule(r)
	}
}

func (c *checker) checkRule(r rule) {
	f, set := c.component.Field(r.field)
	if set && f.refers() {
		return // only the running sidecar knows
	}
	value, line, said := f.Value, f.Line, fmt.Sprintf("is %q", f.Value)
	if !set || value == "" {
		value, line, said = r.byDefault, c.component.lines.fields, fmt.Sprintf("is missing, which means %s", r.byDefault)
	}
	good := slices.ContainsFunc(r.ok, func(ok string) bool { return strings.EqualFold(ok, value) })
	if good || (len(r.ok) == 0 && !set) || (r.byDefault == "" && !set) {
		return
	}
	want := ""
	if len(r.ok) > 0 && r.ok[0] != "" {
		want = fmt.Sprintf("; want %s", r.ok[0])
	} else if set {
		want = "; leave it out"
	}
	c.add(r.severity, line, r.field, fmt.Sprintf("%s: %s%s", said, r.why, want))
}

// longestRequest is how long dapr-config/resiliency.yaml lets a request to the store take.
const longestRequest = 8 * time.Second

// checkTimeout warns of a store that goes on after its caller has been told that the outcome is not known.
func (c *checker) checkTimeout() {
	for _, name := range []string{"timeout", "timeoutInSeconds"} {
		f, ok := c.component.Field(name)
		if !ok || f.Value == "" {
			continue
		}
		d, err := time.ParseDuration(f.Value)
		if seconds, errNumber := strconv.ParseInt(f.Value, 10, 32); errNumber == nil {
			d, err = time.Duration(seconds)*time.Second, nil
		}
		if err == nil && d > longestRequest {
			c.warnf(f.Line, name, "%s is longer than the %s after which the sidecar gives up (dapr-config/resiliency.yaml): the store's own answer would not be seen", f.Value, longestRequest)
		}
	}
}
