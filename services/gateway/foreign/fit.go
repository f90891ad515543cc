package foreign

import (
	"maps"
	"slices"

	"github.com/sidecart/sidecart/services/gateway/contracts"
	"github.com/sidecart/sidecart/services/kit/fault"
)

// Taken says which names of the section are those of services that tell their contracts themselves.
func (c Config) Taken(own []string) (bad []fault.Fault) {
	for _, name := range slices.Sorted(maps.Keys(c)) {
		if slices.Contains(own, name) {
			bad = append(bad, fault.Fault{Place: fault.At(name), Message: "is a service of the shop, which tells its contract itself"})
		}
	}
	return bad
}

// Fit says what of the contracts that Open gave cannot be beside those of the shop, and makes the Set of all if they can: see contracts.Fit.
func Fit(opened []*contracts.Contract, join func(given []*contracts.Contract) (*contracts.Set, error)) (*contracts.Set, []fault.Fault) {
	set, unfit, err := contracts.Fit(opened, join)
	if err != nil {
		return nil, []fault.Fault{{Message: "the contracts of the shop do not go together: " + err.Error()}}
	}
	var bad []fault.Fault
	for _, u := range unfit {
		for _, reason := range u.Reasons {
			bad = append(bad, fault.Fault{Place: fault.At(u.Contract.Service), Message: reason})
		}
	}
	return set, bad
}
