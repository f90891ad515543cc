package terminal

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/sidecart/sidecart/services/kit/fault"
)

// Default is the terminal of callers who name none that there are rules for.
const Default = "web"

// Config is the section `terminals` of gateway.yaml: by terminal, and in it by operationId, what becomes of an answer.
type Config map[string]map[string]Rule

// Rule says what becomes of the answers of one operation. Paths are JSON pointers into the service's answer, before
// anything is renamed; the segment * stands for every element of an array: /items/*/price/currency.
type Rule struct {
	// Keep lists what stays, each with all that is in it; nothing listed: everything.
	Keep []string `yaml:"keep"`
	// Drop lists what goes of that.
	Drop []string `yaml:"drop"`
	// Rename gives members another name; the path stays the same but for its last segment.
	Rename map[string]string `yaml:"rename"`
}

// Bounds of the section.
const (
	maxTerminals  = 16
	maxPaths      = 200 // of an operation's rule, all three lists together
	maxDepth      = 16  // segments of a path
	maxNameLength = 64  // bytes of a new name
)

var (
	terminalName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	memberName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
)

// Check names everything that is wrong whatever the contracts say; New looks at those, too.
func (c Config) Check() []fault.Fault {
	bad := c.checkNames()
	for _, terminal := range slices.Sorted(maps.Keys(c)) {
		for _, operation := range slices.Sorted(maps.Keys(c[terminal])) {
			_, faults := compile(c[terminal][operation], nil)
			bad = append(bad, under(faults, terminal, operation)...)
		}
	}
	return bad
}

func (c Config) checkNames() (bad []fault.Fault) {
	if len(c) > maxTerminals {
		bad = append(bad, fault.Fault{Message: fmt.Sprintf("has %d terminals, over the bound of %d", len(c), maxTerminals)})
	}
	for _, terminal := range slices.Sorted(maps.Keys(c)) {
		if terminal == Plain {
			bad = append(bad, fault.Fault{Place: fault.At(terminal), Message: "is for callers who want every answer as it is; it can have no rules"})
		}
		if !terminalName.MatchString(terminal) {
			bad = append(bad, fault.Fault{Place: fault.At(terminal), Message: "a terminal's name is a lower-case word of up to 32 letters, digits and hyphens"})
		}
	}
	return bad
}

// under puts the terminal and the operation before the places of faults.
func under(faults []fault.Fault, terminal, operation string) []fault.Fault {
	for i := range faults {
		faults[i].Place = fault.At(terminal, operation) + faults[i].Place
	}
	return faults
}

// path is a rule's path taken apart, and where it stands.
type path struct {
	text     string
	segments []string
	place    string
	rename   string // "" if it is not of rename
}

// paths takes a rule apart; what is wrong with a path leaves it out.
func (r Rule) paths() (keep, drop, rename []path, bad []fault.Fault) {
	if n := len(r.Keep) + len(r.Drop) + len(r.Rename); n > maxPaths {
		return nil, nil, nil, []fault.Fault{{Message: fmt.Sprintf("has %d paths, over the bound of %d", n, maxPaths)}}
	}
	read := func(text, place, to string) (path, bool) {
		segments, problem := parsePath(text)
		if problem != "" {
			bad = append(bad, fault.Fault{Place: place, Message: fmt.Sprintf("the path %q %s", text, problem)})
		}
		return path{text, segments, place, to}, problem == ""
	}
	list := func(name string, texts []string) (out []path) {
		for i, text := range texts {
			place := fault.At(name, i)
			if slices.Contains(texts[:i], text) {
				bad = append(bad, fault.Fault{Place: place, Message: fmt.Sprintf("the path %q is there twice", text)})
			} else if p, ok := read(text, place, ""); ok {
				out = append(out, p)
			}
		}
		return out
	}
	keep, drop = list("keep", r.Keep), list("drop", r.Drop)
	for _, text := range slices.Sorted(maps.Keys(r.Rename)) {
		to, place := r.Rename[text], fault.At("rename", text)
		p, ok := read(text, place, to)
		switch {
		case !ok:
		case p.segments[len(p.segments)-1] == "*":
			bad = append(bad, fault.Fault{Place: place, Message: "the elements of an array have no name"})
		case !memberName.MatchString(to) || len(to) > maxNameLength:
			bad = append(bad, fault.Fault{Place: place, Message: fmt.Sprintf("%q is no name: up to %d letters, digits, '_', '.' and '-'", to, maxNameLength)})
		case to == p.segments[len(p.segments)-1]:
			bad = append(bad, fault.Fault{Place: place, Message: "is its name already"})
		default:
			rename = append(rename, p)
		}
	}
	return keep, drop, rename, bad
}

// parsePath takes a JSON pointer apart, or says what is wrong with it.
func parsePath(text string) (segments []string, problem string) {
	if !strings.HasPrefix(text, "/") {
		return nil, "must be a JSON pointer: it begins with /"
	}
	segments = strings.Split(text[1:], "/")
	if len(segments) > maxDepth {
		return nil, fmt.Sprintf("has over %d segments", maxDepth)
	}
	for i, s := range segments {
		if s == "" {
			return nil, "has an empty segment"
		}
		segments[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(s)
	}
	return segments, ""
}

// byPlace sorts faults, so that a file is always refused in the same words.
func byPlace(a, b fault.Fault) int { return cmp.Compare(a.Place, b.Place) }
