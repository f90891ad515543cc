package contracts

import (
	"fmt"
	"slices"
)

// Unfit is a contract that cannot be beside others as it says.
type Unfit struct {
	Contract *Contract
	Reasons  []string // never none
}

// Fit takes contracts in, one after the other, beside those of the shop and the ones that fitted before. It gives the Set of all that fit,
// and in their order those that do not: they cannot be joined, or an earlier one has an operation or an operationId of theirs. join makes the
// Set of the shop's contracts, which go first, and of some of given; the error is join's of none of them.
func Fit(given []*Contract, join func(given []*Contract) (*Set, error)) (*Set, []Unfit, error) {
	set, err := join(nil)
	if err != nil {
		return nil, nil, err
	}
	var fit []*Contract
	var unfit []Unfit
	for _, c := range given {
		with, err := join(append(fit, c))
		var reasons []string
		if err != nil {
			reasons = []string{"does not go together with the contracts of the shop: " + err.Error()}
		} else {
			reasons = with.misfits(c)
		}
		if len(reasons) > 0 {
			unfit = append(unfit, Unfit{c, reasons})
			continue
		}
		set, fit = with, append(fit, c)
	}
	return set, unfit, nil
}

// misfits says what of a contract in the Set is not to be had as it says, because an earlier one has it: operations and operationIds.
func (s *Set) misfits(c *Contract) (reasons []string) {
	for _, o := range c.ops {
		switch {
		case slices.Contains(s.Twice, o):
			reasons = append(reasons, o.String()+" is another service's")
		case o.ID != "" && s.byID[o.ID] != o:
			reasons = append(reasons, fmt.Sprintf("%s: the operationId %q is another service's", o, o.ID))
		}
	}
	return reasons
}
