package overload

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/sidecart/sidecart/services/kit/fault"
)

// Config is the section limits of gateway.yaml. Zero fields get the default that is named.
type Config struct {
	// Client is what one client may ask for on all routes together; nothing said: no bound.
	Client Rate `yaml:"client"`
	// TrustedProxies are the networks whose X-Forwarded-For is believed (CIDR); nothing said: nobody's is.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// MaxClients bounds the buckets that are remembered, 64..4194304; default 65536.
	MaxClients  int         `yaml:"max_clients"`
	Concurrency Concurrency `yaml:"concurrency"`
	WarmUp      WarmUp      `yaml:"warm_up"`
}

// Concurrency says how the limit of requests in flight to one service is found.
type Concurrency struct {
	// Goal is how long nine of ten answers may take before fewer requests are let in, 1ms..10s; default 200ms. A service
	// that takes longer by nature is given longer, see limit.go.
	Goal  time.Duration `yaml:"goal"`
	Start int           `yaml:"start"` // the limit at first, min..max; default 512
	Min   int           `yaml:"min"`   // never lower; default 16
	Max   int           `yaml:"max"`   // never higher, for all services together; default 4096, at most 65536
}

// WarmUp says how a service is approached that has just begun or come back. The zero value: like any other.
type WarmUp struct {
	Probe int           `yaml:"probe"` // requests in flight at first, and good answers in a row that end it; 0: no warm-up
	Step  time.Duration `yaml:"step"`  // after each twice as many are let in, while answers are good; default 500ms
}

// Route is what routes.{operationId} of gateway.yaml says about overload.
type Route struct {
	Priority string `yaml:"priority"` // low, normal, high or critical; nothing said: DefaultPriority
	Limit    Rate   `yaml:"limit"`    // of all clients together
	Client   Rate   `yaml:"client"`   // of one client, beside Config.Client
}

// Rate is so many a second, and Burst at once after a pause. The zero value is no bound.
type Rate struct {
	PerSecond float64 `yaml:"per_second"` // 0.001..1000000
	Burst     int     `yaml:"burst"`      // 1..1000000; default PerSecond rounded up
}

const (
	maxClientsBound    = 4 << 20
	minClientsBound    = shards // one each
	maxGoal            = 10 * time.Second
	maxInFlight        = 1 << 16
	maxRate            = 1_000_000
	minRate            = 0.001
	maxStep            = time.Minute
	maxTrustedNetworks = 256
)

func (c Config) withDefaults() Config {
	c.MaxClients = cmp.Or(c.MaxClients, 1<<16)
	c.Concurrency.Goal = cmp.Or(c.Concurrency.Goal, 200*time.Millisecond)
	c.Concurrency.Max = cmp.Or(c.Concurrency.Max, 4096)
	c.Concurrency.Start = cmp.Or(c.Concurrency.Start, min(512, c.Concurrency.Max))
	c.Concurrency.Min = cmp.Or(c.Concurrency.Min, min(16, c.Concurrency.Start))
	c.WarmUp.Step = cmp.Or(c.WarmUp.Step, 500*time.Millisecond)
	return c
}

// Check names everything that is wrong with the section.
func (c Config) Check() []fault.Fault {
	var all faults
	all.rate(c.Client, "client")
	if len(c.TrustedProxies) > maxTrustedNetworks {
		all.add(fault.At("trusted_proxies"), "has %d networks, at most %d are looked through", len(c.TrustedProxies), maxTrustedNetworks)
	}
	for i, text := range c.TrustedProxies {
		if _, err := netip.ParsePrefix(text); err != nil {
			all.add(fault.At("trusted_proxies", i), "%q is not a network such as 10.0.0.0/8", text)
		}
	}
	c = c.withDefaults()
	all.within(fault.At("max_clients"), c.MaxClients, minClientsBound, maxClientsBound)
	limit := c.Concurrency
	if limit.Goal < time.Millisecond || limit.Goal > maxGoal {
		all.add(fault.At("concurrency", "goal"), "%v is not within 1ms..%v", limit.Goal, maxGoal)
	}
	all.within(fault.At("concurrency", "max"), limit.Max, 1, maxInFlight)
	all.within(fault.At("concurrency", "start"), limit.Start, 1, limit.Max)
	all.within(fault.At("concurrency", "min"), limit.Min, 1, limit.Start)
	all.within(fault.At("warm_up", "probe"), c.WarmUp.Probe, 0, limit.Max)
	if c.WarmUp.Step < time.Millisecond || c.WarmUp.Step > maxStep {
		all.add(fault.At("warm_up", "step"), "%v is not within 1ms..%v", c.WarmUp.Step, maxStep)
	}
	return all
}

// Check names everything that is wrong with what a route says.
func (r Route) Check() []fault.Fault {
	var all faults
	if _, err := ParsePriority(r.Priority); r.Priority != "" && err != nil {
		all.add(fault.At("priority"), "%v", err)
	}
	all.rate(r.Limit, "limit")
	all.rate(r.Client, "client")
	return all
}

type faults []fault.Fault

func (f *faults) add(place, format string, args ...any) {
	*f = append(*f, fault.Fault{Place: place, Message: fmt.Sprintf(format, args...)})
}

func (f *faults) within(place string, v, from, to int) {
	if v < from || v > to {
		f.add(place, "%d is not within %d..%d", v, from, to)
	}
}

func (f *faults) rate(r Rate, name string) {
	if r == (Rate{}) {
		return
	}
	if !(r.PerSecond >= minRate && r.PerSecond <= maxRate) { // not a number, too
		f.add(fault.At(name, "per_second"), "%s is not within %v..%d", strconv.FormatFloat(r.PerSecond, 'g', -1, 64), minRate, maxRate)
	}
	if r.Burst < 0 || r.Burst > maxRate {
		f.add(fault.At(name, "burst"), "%d is not within 1..%d", r.Burst, maxRate)
	}
}
