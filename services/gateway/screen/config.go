package screen

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sidecart/sidecart/services/kit/fault"
)

// Prefix begins the path of every screen.
const Prefix = "/v1/screens/"

// Bounds of the section.
const (
	maxScreens  = 32
	maxParts    = 8 // of a screen: each is a request of its own
	leastBudget = 10 * time.Millisecond
	mostBudget  = 10 * time.Second
	// DefaultBudget is a part's that names none.
	DefaultBudget = time.Second
)

// Config is the section `screens` of gateway.yaml, by the screens' names.
type Config map[string]Screen

// Screen is one endpoint.
type Screen struct {
	// Path is its path below /v1/screens/, such as order/{id}; the screen's name if it is empty.
	Path string `yaml:"path"`
	// Summary says in a line what it is for; it stands in the contract.
	Summary string `yaml:"summary"`
	// Parts are what it is made of, by the names that they have in the answer.
	Parts map[string]Part `yaml:"parts"`
}

// Part is one operation's answer. The values of Path and Query are constants or {name}: the screen's own parameter of that
// name, which is one of its path if that has it, and else an optional one of its query.
type Part struct {
	Operation string            `yaml:"operation"` // operationId of a GET
	Path      map[string]string `yaml:"path"`      // parameters of the operation's path, all of them
	Query     map[string]string `yaml:"query"`     // parameters of its query
	Required  bool              `yaml:"required"`  // without it there is no screen
	Budget    time.Duration     `yaml:"budget"`    // 1 s; from 10 ms to 10 s
}

var (
	name      = regexp.MustCompile(`^[a-z][A-Za-z0-9]{0,31}$`)
	parameter = regexp.MustCompile(`^\{([a-z][A-Za-z0-9_]{0,31})\}$`)
	literal   = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,64}$`)
)

// parameterOf is the screen's parameter that a value stands for; "" if it is a constant.
func parameterOf(value string) string {
	if m := parameter.FindStringSubmatch(value); m != nil {
		return m[1]
	}
	return ""
}

// template is the whole path of the screen called name.
func (s Screen) template(name string) string {
	if s.Path == "" {
		return Prefix + name
	}
	return Prefix + s.Path
}

// parameters are the names in the screen's path, in their order.
func (s Screen) parameters() []string {
	var names []string
	for segment := range strings.SplitSeq(s.Path, "/") {
		if p := parameterOf(segment); p != "" {
			names = append(names, p)
		}
	}
	return names
}

// Check names everything that is wrong whatever the contracts say; New looks at those, too.
func (c Config) Check() []fault.Fault {
	var bad []fault.Fault
	say := func(place, format string, args ...any) {
		bad = append(bad, fault.Fault{Place: place, Message: fmt.Sprintf(format, args...)})
	}
	if len(c) > maxScreens {
		say("", "has %d screens, over the bound of %d", len(c), maxScreens)
	}
	shapes := map[string]string{}
	for _, screen := range slices.Sorted(maps.Keys(c)) {
		s := c[screen]
		if !name.MatchString(screen) {
			say(fault.At(screen), "a screen's name is a word of letters and digits, up to 32, that begins with a lower-case letter")
		}
		if problem := checkPath(s); problem != "" {
			say(fault.At(screen, "path"), "%s", problem)
		}
		shape := regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(s.template(screen), "{}")
		if other := shapes[shape]; other != "" {
			say(fault.At(screen), "has the same path as %s", other)
		}
		shapes[shape] = screen
		if len(s.Parts) == 0 || len(s.Parts) > maxParts {
			say(fault.At(screen, "parts"), "must be from 1 to %d", maxParts)
		}
		for _, part := range slices.Sorted(maps.Keys(s.Parts)) {
			s.Parts[part].check(part, s.parameters(), func(at []any, format string, args ...any) {
				say(fault.At(append([]any{screen, "parts", part}, at...)...), format, args...)
			})
		}
	}
	return bad
}

func checkPath(s Screen) string {
	if s.Path == "" {
		return ""
	}
	seen := map[string]bool{}
	for segment := range strings.SplitSeq(s.Path, "/") {
		p := parameterOf(segment)
		if p == "" && !literal.MatchString(segment) || segment == "." || segment == ".." {
			return fmt.Sprintf("the segment %q is neither a word nor a {parameter}; the path is below %s", segment, Prefix)
		}
		if p != "" && seen[p] {
			return fmt.Sprintf("has {%s} twice", p)
		}
		seen[p] = true
	}
	return ""
}

func (p Part) check(called string, own []string, say func(at []any, format string, args ...any)) {
	if !name.MatchString(called) {
		say(nil, "a part's name is a word of letters and digits, up to 32, that begins with a lower-case letter")
	}
	if p.Operation == "" {
		say(nil, "needs the operation that answers it: operation: listItems")
	}
	if p.Budget != 0 && (p.Budget < leastBudget || p.Budget > mostBudget) {
		say([]any{"budget"}, "must be from %s to %s", leastBudget, mostBudget)
	}
	for _, in := range []string{"path", "query"} {
		values := map[string]map[string]string{"path": p.Path, "query": p.Query}[in]
		for _, key := range slices.Sorted(maps.Keys(values)) {
			value := values[key]
			asked := parameterOf(value)
			switch {
			case value == "":
				say([]any{in, key}, "is empty")
			case asked == "" && strings.ContainsAny(value, "{}"):
				say([]any{in, key}, "%q is neither a constant nor a {parameter}", value)
			case asked != "" && in == "path" && !slices.Contains(own, asked):
				say([]any{in, key}, "the screen's path has no {%s}", asked)
			}
		}
	}
}
