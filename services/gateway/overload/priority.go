package overload

import (
	"fmt"
	"net/http"
	"strings"
)

// Priority orders requests by what the shop loses when they are refused.
type Priority uint8

// The priorities. Each may take its share of a limit, so the lowest is refused first.
const (
	Low      Priority = iota // lists
	Normal                   // looking at one thing
	High                     // placing an order, and every other change
	Critical                 // paying: the customer has decided and the stock is held
	priorities
)

var priorityNames = [priorities]string{"low", "normal", "high", "critical"}

// shareOf is the part of a limit up to which a priority is let in. The last tenth is for paying alone.
var shareOf = [priorities]float64{0.3, 0.5, 0.9, 1}

// String is the name in gateway.yaml and in metrics.
func (p Priority) String() string { return priorityNames[min(p, Critical)] }

// ParsePriority reads a name.
func ParsePriority(name string) (Priority, error) {
	for p, n := range priorityNames {
		if n == name {
			return Priority(p), nil
		}
	}
	return 0, fmt.Errorf("%q is none of %s", name, strings.Join(priorityNames[:], ", "))
}

// DefaultPriority is that of an operation of which gateway.yaml says nothing: a change is high, looking at one thing (the
// path ends in a parameter) normal, everything else that is read low.
func DefaultPriority(method, template string) Priority {
	switch {
	case method != http.MethodGet && method != http.MethodHead:
		return High
	case strings.HasSuffix(template, "}"):
		return Normal
	default:
		return Low
	}
}
