package rules

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/sidecart/sidecart/services/gateway/compress"
	"github.com/sidecart/sidecart/services/gateway/fallback"
	"github.com/sidecart/sidecart/services/gateway/foreign"
	"github.com/sidecart/sidecart/services/gateway/gray"
	"github.com/sidecart/sidecart/services/gateway/overload"
	"github.com/sidecart/sidecart/services/gateway/screen"
	"github.com/sidecart/sidecart/services/gateway/terminal"
	"github.com/sidecart/sidecart/services/kit/fault"
	"github.com/sidecart/sidecart/services/kit/identity"
)

// File is a gateway.yaml. Sections that are not there have the defaults of their packages. To add a section: a field here, a line in
// check, and its rows in docs/gateway-rules.md.
type File struct {
	Version     int               `yaml:"version"` // of this layout: 1
	Hosts       []string          `yaml:"hosts"`   // names by which the gateway may be asked, beside those of its address
	Issuers     []identity.Issuer `yaml:"issuers"` // of tokens, beside our own accounts
	Limits      overload.Config   `yaml:"limits"`
	Routes      map[string]Route  `yaml:"routes"` // by operationId
	Terminals   terminal.Config   `yaml:"terminals"`
	Screens     screen.Config     `yaml:"screens"`
	Compression compress.Config   `yaml:"compression"`
	Services    foreign.Config    `yaml:"services"` // of others, which tell no contract of their own
}

// Route is what is said of one operation.
type Route struct {
	Budget         time.Duration `yaml:"budget"` // until its answer; 0: the gateway's own deadline
	overload.Route `yaml:",inline"`
	Gray           *gray.Rule       `yaml:"gray"`
	Fallback       fallback.Config  `yaml:"fallback"`
	Breaker        fallback.Breaker `yaml:"breaker"`
}

// Bounds of a document.
const (
	maxBytes  = 256 << 10
	maxRoutes = 500
	maxHosts  = 100
	minBudget = 10 * time.Millisecond
	maxBudget = 30 * time.Second
	layout    = 1
)

var (
	// operationID is how an operation may be called in a contract.
	operationID = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)
	hostName    = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)
)

// check says what the sections' owners find wrong, each place below the whole document.
func (f *File) check() []fault.Fault {
	c := &checker{}
	c.that(f.Version == layout, fault.At("version"), "is required, and only 1 is known")
	c.that(len(f.Hosts) <= maxHosts, fault.At("hosts"), fmt.Sprintf("has %d entries, over %d", len(f.Hosts), maxHosts))
	for i, h := range f.Hosts {
		c.that(hostName.MatchString(h), fault.At("hosts", i), "want a host name in small letters, without a port, such as shop.example.com")
	}
	c.section(identity.CheckIssuers(f.Issuers), "issuers")
	c.section(f.Limits.Check(), "limits")
	c.section(f.Terminals.Check(), "terminals")
	c.section(f.Screens.Check(), "screens")
	c.section(f.Compression.Check(), "compression")
	c.section(f.Services.Check(), "services")
	c.that(len(f.Routes) <= maxRoutes, fault.At("routes"), fmt.Sprintf("has %d entries, over %d", len(f.Routes), maxRoutes))
	for _, id := range slices.Sorted(maps.Keys(f.Routes)) {
		r := f.Routes[id]
		c.that(operationID.MatchString(id), fault.At("routes", id), "want an operationId of the contract, such as placeOrder")
		c.that(r.Budget == 0 || r.Budget >= minBudget && r.Budget <= maxBudget, fault.At("routes", id, "budget"),
			fmt.Sprintf("want a duration from %s to %s", minBudget, maxBudget))
		c.section(r.Route.Check(), "routes", id)
		c.section(r.Fallback.Check(), "routes", id, "fallback")
		c.section(r.Breaker.Check(), "routes", id, "breaker")
		if r.Gray != nil {
			c.section(r.Gray.Check(), "routes", id, "gray")
		}
	}
	return c.faults
}

// Gray are the gray rules by operation.
func (f *File) Gray() map[string]gray.Rule {
	all := map[string]gray.Rule{}
	for id, r := range f.Routes {
		if r.Gray != nil {
			all[id] = *r.Gray
		}
	}
	return all
}

// Unknown names the operations that the document has rules for and known does not know, in order.
func (f *File) Unknown(known func(operation string) bool) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(f.Routes)), known)
}

type checker struct{ faults []fault.Fault }

func (c *checker) that(ok bool, place, message string) {
	if !ok {
		c.faults = append(c.faults, fault.Fault{Place: place, Message: message})
	}
}

// section takes over the faults of a part, whose places begin at that part.
func (c *checker) section(faults []fault.Fault, at ...any) {
	for _, f := range faults {
		c.faults = append(c.faults, fault.Fault{Place: fault.At(at...) + f.Place, Message: f.Message})
	}
}
