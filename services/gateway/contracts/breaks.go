package contracts

import (
	"strconv"
	"strings"
)

// majorOf is the first number of a version; 0 if there is none.
func majorOf(version string) int {
	first, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	n, _ := strconv.Atoi(first)
	return n
}

// Breaks lists what callers of the contract before could no longer do under the one after; none if it is compatible.
func Breaks(before, after *Contract) []string {
	there := map[string]bool{}
	for _, o := range after.ops {
		there[o.String()] = true
	}
	var out []string
	for _, o := range before.ops {
		if !there[o.String()] {
			out = append(out, o.String()+" is gone")
		}
	}
	return out
}
