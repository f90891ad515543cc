package components

import (
	"fmt"
	"slices"
	"strings"
)

func contains(all []string, one string) bool { return slices.Contains(all, one) }

// maxNamed bounds how many names a message lists.
const maxNamed = 60

// suggestion is the end of a message about a name that is not one of allowed: what was probably meant, and all there are.
func suggestion(got string, allowed []string) string {
	if len(allowed) == 0 {
		return ""
	}
	list := allowed
	if len(list) > maxNamed {
		list = list[:maxNamed]
	}
	all := strings.Join(list, ", ")
	if len(allowed) > maxNamed {
		all += fmt.Sprintf(" and %d more", len(allowed)-maxNamed)
	}
	if near := nearest(got, allowed); near != "" {
		return fmt.Sprintf("; did you mean %s? Allowed: %s", near, all)
	}
	return "; allowed: " + all
}

// nearest is the name that takes the fewest changes, capitals counting for nothing; none if a third of it would change.
func nearest(got string, names []string) string {
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
