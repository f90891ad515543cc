package components

import (
	"cmp"
	"fmt"
	"slices"
)

// Severity says what a finding means for the set.
type Severity string

const (
	// Error: daprd would refuse the set or pass over a part of it, or sidecart would not be safe on it.
	Error Severity = "error"
	// Warning: it works, and something about it is worse than it needs to be, or cannot be checked.
	Warning Severity = "warning"
)

// Finding is one thing to mend in a set.
type Finding struct {
	File string // the set's folder when it is about the set as a whole
	Line int    // from 1; 0 when no line says it
	// Component and Field are empty when it is about neither. Field is the name of a metadata field, or a path as
	// "spec.version" for what is around them.
	Component string
	Field     string
	Message   string
	Severity  Severity
}

// String gives "file:line: severity: component field: message", which editors and CI systems know how to read.
func (f Finding) String() string {
	at := f.File
	if f.Line > 0 {
		at = fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	about := f.Component
	if f.Field != "" {
		if about != "" {
			about += " "
		}
		about += f.Field
	}
	if about != "" {
		about += ": "
	}
	return fmt.Sprintf("%s: %s: %s%s", at, f.Severity, about, f.Message)
}

// sortFindings orders them as a reader meets them.
func sortFindings(findings []Finding) {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
}
