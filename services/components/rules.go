package components

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rule is what a field must say for sidecart to be safe, or better off, beyond what Dapr allows. It holds for types that have
// the field.
type rule struct {
	field string
	// byDefault is what Dapr takes when the field is absent or empty.
	byDefault string
	// ok are the good values, the recommended one first; none: all but those in bad. An empty one means absent.
	ok, bad  []string
	severity Severity
	why      string
}

// stateRules hold for every store.
var stateRules = []rule{
	{field: "keyPrefix", byDefault: "the app id", ok: []string{"none"}, severity: Error,
		why: "under a prefix, no other app could read what one has written, and data could not move between placements"},
	{field: "ttlInSeconds", ok: []string{"", "0", "-1"}, severity: Error, why: "every key would expire, journals included"},
	{field: "cleanupInterval", byDefault: "1h", ok: []string{"0s", "0", "-1", "-1s"}, severity: Warning,
		why: "no key of ours has a time to live; rounds of deletes are load without use"},
	{field: "outboxPublishPubsub", ok: []string{""}, severity: Warning, why: "Dapr's outbox would publish beside the journal, and slows every write"},
}

// storeRules are a store type's own.
var storeRules = map[string][]rule{
	"state.mongodb": {
		{field: "writeConcern", byDefault: "1", ok: []string{"majority"}, severity: Error, why: "a failover would take back acknowledged commits"},
		{field: "readConcern", byDefault: "local", ok: []string{"majority", "linearizable"}, severity: Error, why: "a read could see what a failover takes back"},
	},
}

// callRules hold for the HTTP bindings whose answers the services read.
var callRules = []rule{
	{field: "errorIfNot2XX", byDefault: "true", ok: []string{"false"}, severity: Error,
		why: "a refusal would reach the services as a failure without its status, and be tried again and again"},
}

// checkRules checks a component's fields by the rules for its building block and its type.
func (c *checker) checkRules(spec Spec) {
	var rules []rule
	switch {
	case c.component.Name == "state" && spec.block() == "state":
		rules = append(slices.Clone(stateRules), storeRules[spec.Type]...)
		c.checkTimeout()
	case spec.block() == "pubsub": // under whatever name: a shop may stand on two brokers for a while
		rules = append(slices.Clone(pubsubRules), brokerRules[spec.Type]...)
	case spec.Type == "bindings.http" && (c.component.Name == "payment-provider" || c.component.Name == "sms"):
		rules = callRules
	}
	for _, r := range rules {
		if _, has := spec.field(r.field); has || spec.Unlisted {
			c.checkRule(r)
		}
	}
}

func (c *checker) checkRule(r rule) {
	f, _ := c.component.Field(r.field)
	if c.faulty[r.field] || f.refers() {
		return // the one is reported already, the other only the running sidecar knows
	}
	value, line, said := f.Value, f.valueLine, fmt.Sprintf("is %q", f.Value)
	if value == "" {
		value, line, said = r.byDefault, c.component.lines.fields, "is missing"
		if r.byDefault != "" {
			said += ", which means " + r.byDefault
		}
	}
	same := func(v string) bool {
		return strings.EqualFold(v, value) || (v == identity && strings.Contains(value, identity)) // "shop-{appID}" tells apps apart too
	}
	if (len(r.ok) == 0 || slices.ContainsFunc(r.ok, same)) && !slices.ContainsFunc(r.bad, same) {
		return
	}
	want := ""
	switch {
	case len(r.ok) == 0:
	case r.ok[0] == "":
		want = "; leave it out"
	default:
		want = "; want " + r.ok[0]
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
			c.warnf(f.valueLine, name, "%s is longer than the %s after which the sidecar gives up (dapr-config/resiliency.yaml): the store's own answer would not be seen", f.Value, longestRequest)
		}
	}
}
