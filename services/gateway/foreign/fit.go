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

// Fit says what of the contracts that Open gave cannot be beside those of the shop. join makes one Set of these and those, in which the
// shop's go first; it is what comes of it.
func Fit(opened []*contracts.Contract, join func(given []*contracts.Contract) (*contracts.Set, error)) (*contracts.Set, []fault.Fault) {
	set, err := join(opened)
	if err != nil {
		return nil, []fault.Fault{{Message: "do not go together with the contracts of the shop: " + err.Error()}}
	}
	var bad []fault.Fault
	for _, c := range opened {
		for _, reason := range set.Misfits(c) {
			bad = append(bad, fault.Fault{Place: fault.At(c.Service), Message: reason})
		}
	}
	return set, bad
}
