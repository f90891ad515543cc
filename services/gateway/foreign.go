package gateway

import (
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
	bad := f.Services.Taken(append([]string{Name}, own...))
	if n.conn == nil && len(f.Services) > 0 {
		bad = append(bad, fault.Fault{Message: "are reached through a sidecar, and there is none"})
	}
	opened, faults := foreign.Open(f.Services, n.conn)
	if bad = append(bad, faults...); len(bad) > 0 {
		return nil, inSection(bad)
	}
	set, bad := foreign.Fit(opened, book.Try)
	if len(bad) > 0 {
		return nil, inSection(bad)
	}
	n.opened = opened
	return set, nil
}

// inSection gives faults of the section services their places in the document.
func inSection(faults []fault.Fault) []fault.Fault {
	all := slices.Clone(faults)
	for i := range all {
		all[i].Place = fault.At("services") + all[i].Place
	}
	return all
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
