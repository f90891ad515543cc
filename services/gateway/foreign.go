package gateway

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sidecart/sidecart/services/gateway/contracts"
	"github.com/sidecart/sidecart/services/gateway/foreign"
	"github.com/sidecart/sidecart/services/gateway/rules"
	"github.com/sidecart/sidecart/services/kit/fault"
)

// neighbours are the services of others that the rules name. The watcher of the rules alone calls it, one call at a time.
type neighbours struct {
	conn    foreign.Conn          // nil: there is no sidecar
	checked *rules.File           // that check last looked at
	opened  []*contracts.Contract // of that, if nothing is wrong with it
	inUse   []*contracts.Contract
}

// check opens the services of f and gives all contracts as they would then be, beside own, the names of the shop's services.
func (n *neighbours) check(f *rules.File, own []string, book *contracts.Book) (*contracts.Set, []fault.Fault) {
	n.checked, n.opened = f, nil
	if len(f.Services) == 0 && len(n.inUse) == 0 {
		return book.Set(), nil
	}
	var bad []fault.Fault
	say := func(name, message string) {
		bad = append(bad, fault.Fault{Place: fault.At("services", name), Message: message})
	}
	for _, name := range slices.Sorted(maps.Keys(f.Services)) {
		if name == Name || slices.Contains(own, name) {
			say(name, "is a service of the shop, which tells its contract itself")
		}
	}
	if n.conn == nil && len(f.Services) > 0 {
		bad = append(bad, fault.Fault{Place: fault.At("services"), Message: "are reached through a sidecar, and there is none"})
	}
	opened, faults := foreign.Open(f.Services, n.conn)
	for _, found := range faults {
		bad = append(bad, fault.Fault{Place: fault.At("services") + found.Place, Message: found.Message})
	}
	if len(bad) > 0 {
		return nil, bad
	}
	set, err := book.Try(opened)
	if err != nil {
		return nil, append(bad, fault.Fault{Place: fault.At("services"), Message: "do not go together with the contracts of the shop: " + err.Error()})
	}
	for _, c := range opened {
		for _, o := range c.Operations() {
			if slices.Contains(set.Twice, o) {
				say(c.Service, fmt.Sprintf("%s is another service's", o))
			} else if set.Operation(o.ID) != o {
				say(c.Service, fmt.Sprintf("%s: the operationId %q is another service's", o, o.ID))
			}
		}
	}
	n.opened = opened
	return set, bad
}

// use gives the contracts of f, which check found good, and whether they may be others than before.
func (n *neighbours) use(f *rules.File) (given []*contracts.Contract, others bool) {
	if n.checked != f {
		return n.inUse, false // nobody has opened them
	}
	others = len(n.opened) > 0 || len(n.inUse) > 0
	n.inUse = n.opened
	return n.inUse, others
}
