package fallback

import (
	"cmp"
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecart/sidecart/services/kit/fault"
)

// Config is routes.{operationId}.fallback of gateway.yaml. The zero value: none.
type Config struct {
	// LastGood is how old the service's own last good answer to the same request may be, 1s..24h; 0: it is not kept.
	LastGood time.Duration `yaml:"last_good"`
	// Body is a fixed answer, a JSON document as the contract describes it for 200, at most 64 KiB; "": none.
	Body string `yaml:"body"`
}

// Breaker is routes.{operationId}.breaker: the route is not asked any more when in Within at least Of requests ended and Failing of
// them failed. The zero value: it is always asked.
type Breaker struct {
	Failing float64       `yaml:"failing"` // 0.05..1, a part of 1; default 0.5
	Of      int           `yaml:"of"`      // 1..10000; default 20
	Within  time.Duration `yaml:"within"`  // 1s..10m; default 10s
	// Open is how long it is not asked then; 100ms..10m; default 5s. Afterwards Probes requests go through: if they succeed, all
	// do again, if one of them fails, none does for as long again.
	Open   time.Duration `yaml:"open"`
	Probes int           `yaml:"probes"` // 1..100; default 3
}

// Route is what a route says of both.
type Route struct {
	Fallback Config
	Breaker  Breaker
}

const (
	maxFixedBytes = 64 << 10
	maxLastGood   = 24 * time.Hour
)

func (b Breaker) withDefaults() Breaker {
	b.Failing = cmp.Or(b.Failing, 0.5)
	b.Of = cmp.Or(b.Of, 20)
	b.Within = cmp.Or(b.Within, 10*time.Second)
	b.Open = cmp.Or(b.Open, 5*time.Second)
	b.Probes = cmp.Or(b.Probes, 3)
	return b
}

// Check names everything that is wrong with the section by itself.
func (c Config) Check() []fault.Fault {
	var all []fault.Fault
	if c.LastGood != 0 && (c.LastGood < time.Second || c.LastGood > maxLastGood) {
		all = append(all, faultOf("last_good", "%v is not within 1s..%v", c.LastGood, maxLastGood))
	}
	switch {
	case c.Body == "":
	case len(c.Body) > maxFixedBytes:
		all = append(all, faultOf("body", "has %d bytes, at most %d are taken", len(c.Body), maxFixedBytes))
	case !jsontext.Value(c.Body).IsValid():
		all = append(all, faultOf("body", "is not a JSON document"))
	}
	return all
}

// CheckFor names what is wrong with the section for an operation. fits tells what its contract has against an answer with status 200.
func (c Config) CheckFor(method string, fits func(body []byte) error) []fault.Fault {
	if c == (Config{}) {
		return nil
	}
	if method != http.MethodGet {
		return []fault.Fault{{Message: "only what changes nothing (GET) can have a fallback, this is " + method}}
	}
	if c.Body == "" {
		return nil
	}
	if err := fits([]byte(c.Body)); err != nil {
		return []fault.Fault{faultOf("body", "is not what the contract says of 200: %v", err)}
	}
	return nil
}

// Check names everything that is wrong with the section.
func (b Breaker) Check() []fault.Fault {
	if b == (Breaker{}) {
		return nil
	}
	b = b.withDefaults()
	var all []fault.Fault
	if !(b.Failing >= 0.05 && b.Failing <= 1) {
		all = append(all, faultOf("failing", "%v is not within 0.05..1 (a part of 1, not of 100)", b.Failing))
	}
	for _, v := range []struct {
		name         string
		is, from, to int
	}{{"of", b.Of, 1, 10_000}, {"probes", b.Probes, 1, 100}} {
		if v.is < v.from || v.is > v.to {
			all = append(all, faultOf(v.name, "%d is not within %d..%d", v.is, v.from, v.to))
		}
	}
	for _, v := range []struct {
		name     string
		is, from time.Duration
	}{{"within", b.Within, time.Second}, {"open", b.Open, 100 * time.Millisecond}} {
		if v.is < v.from || v.is > 10*time.Minute {
			all = append(all, faultOf(v.name, "%v is not within %v..10m", v.is, v.from))
		}
	}
	return all
}

func faultOf(key, format string, args ...any) fault.Fault {
	return fault.Fault{Place: fault.At(key), Message: fmt.Sprintf(format, args...)}
}
