package check

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Rule is one thing that must hold in every overlay.
type Rule struct {
	Name string
	Why  string // what happens without it
	find func(*Shop, report)
}

// report notes a finding about an object.
type report func(o Object, format string, args ...any)

// Finding is a place where a rule does not hold.
type Finding struct {
	Rule    string
	Object  Object
	Message string
}

// String is a line for people.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s: %s (rule %s)", f.Object.File, f.Object, f.Message, f.Rule)
}

// Rules are all of them.
var Rules = slices.Concat(podRules, daprRules, networkRules, scaleRules, secretRules, sourceRules)

// Check holds the rules against a shop.
func Check(s *Shop) []Finding {
	var findings []Finding
	for _, rule := range Rules {
		rule.find(s, func(o Object, format string, args ...any) {
			findings = append(findings, Finding{Rule: rule.Name, Object: o, Message: fmt.Sprintf(format, args...)})
		})
	}
	return findings
}

// Tell writes what was looked at: objects, pods, sidecars, and the components that each app gets.
func Tell(w io.Writer, s *Shop) {
	sidecars := 0
	for _, p := range s.Pods {
		if p.Sidecar != nil {
			sidecars++
		}
	}
	_, _ = fmt.Fprintf(w, "%s: %d objects, %d kinds of pods, %d sidecars put in, %d rules\n", s.Overlay, len(s.Objects), len(s.Pods), sidecars, len(Rules))
	for _, p := range s.Pods {
		if p.App == "" {
			continue
		}
		_, _ = fmt.Fprintf(w, "  %-10s components: %s\n", p.App, orNone(s.componentsOf(p.App)))
	}
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
