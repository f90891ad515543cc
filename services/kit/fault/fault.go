// Package fault is how the packages that gateway.yaml configures say what is wrong with their part of it. The package
// rules, which has read the file, turns the place into a line and a column.
package fault

import (
	"strconv"
	"strings"
)

// Fault is one thing that is wrong with a part of gateway.yaml.
type Fault struct {
	// Place is a JSON pointer (RFC 6901) from the part that was checked: "/ios/getOrder/drop/0"; "" is the part itself.
	Place string
	// Message says what is wrong and what would be right, in a line without the place.
	Message string
}

// Error is the fault in a line.
func (f Fault) Error() string {
	if f.Place == "" {
		return f.Message
	}
	return f.Place + ": " + f.Message
}

// At joins keys and indices (string and int) to a place.
func At(parts ...any) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteByte('/')
		switch p := p.(type) {
		case int:
			b.WriteString(strconv.Itoa(p))
		case string:
			_, _ = escape.WriteString(&b, p) // a strings.Builder takes everything
		default:
			panic("fault: a place is made of strings and ints")
		}
	}
	return b.String()
}

var escape = strings.NewReplacer("~", "~0", "/", "~1")
