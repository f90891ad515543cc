// Package suggest words the end of a message about a name that is not known: what was probably meant, and all there are.
package suggest

import (
	"fmt"
	"strings"
)

// MaxNamed bounds how many names a message lists.
const MaxNamed = 60

// Ending is the end of a message about a name that is not one of allowed: what was probably meant, and all there are.
func Ending(got string, allowed []string) string {
	if len(allowed) == 0 {
		return ""
	}
	list := allowed
	if len(list) > MaxNamed {
		list = list[:MaxNamed]
	}
	all := strings.Join(list, ", ")
	if len(allowed) > MaxNamed {
		all += fmt.Sprintf(" and %d more", len(allowed)-MaxNamed)
	}
	if near := Nearest(got, allowed); near != "" {
		return fmt.Sprintf("; did you mean %s? Allowed: %s", near, all)
	}
	return "; allowed: " + all
}

// Nearest is the name that takes the fewest changes, capitals counting for nothing; none if a third of it would change.
func Nearest(got string, names []string) string {
	best, fewest := "", len(got)/3+1
	for _, name := range names {
		if d := editDistance(strings.ToLower(got), strings.ToLower(name)); d < fewest {
			best, fewest = name, d
		}
	}
	return best
}

// editDistance is the Levenshtein distance in bytes, by the usual two rows.
func editDistance(a, b string) int {
	previous, current := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := range len(a) {
		current[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			current[j+1] = min(previous[j+1]+1, current[j]+1, previous[j]+cost)
		}
		previous, current = current, previous
	}
	return previous[len(b)]
}
