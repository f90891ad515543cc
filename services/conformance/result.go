package conformance

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Severity says what it means for a shop when a property does not hold.
type Severity string

// The severities, the worst first.
const (
	Unsafe   Severity = "unsafe"   // an order can be lost, doubled or oversold, or nothing works at all
	Degraded Severity = "degraded" // nothing is lost, but something is slow, late or grows
	Note     Severity = "note"     // sidecart does not need it today; good to know
)

// Property is something that is asked of a store or a broker.
type Property struct {
	Name     string   // stable, in words with hyphens
	Asks     string   // what must hold
	Breaks   string   // what breaks in sidecart when it does not
	Severity Severity // of its failure
}

// AboutBroker tells whether the property is asked of the broker and not of the store.
func (p Property) AboutBroker() bool { return strings.HasPrefix(p.Name, "broker-") }

// Outcome is how the test of a property ended.
type Outcome string

// The outcomes.
const (
	Held    Outcome = "pass"
	Failed  Outcome = "fail"
	Skipped Outcome = "skip" // could not be tried; Detail says why
)

// Result is what was seen of one property.
type Result struct {
	Property
	Outcome Outcome
	Detail  string // what was seen, why it failed, or why it was not tried
	Took    time.Duration
}

// Pace is how fast the store creates keys, seen from one process through its sidecar.
type Pace struct {
	Callers    int     // at a time
	ValueBytes int     // of each key
	PerSecond  float64 // creates
	P50, P99   time.Duration
	AloneP50   time.Duration // of one caller
	AloneP99   time.Duration
}

// Level is the verdict in a word.
type Level string

// The levels, the best first.
const (
	LevelSafe     Level = "safe"
	LevelDegraded Level = "degraded" // safe, with a price
	LevelUnsafe   Level = "unsafe"
)

// Verdict is the suite's answer.
type Verdict struct {
	Results []Result
	Pace    Pace   // zero if it was not measured
	Left    string // what could not be cleaned up; "" if all was
}

// Level is the worst that a failed property makes of the set.
func (v Verdict) Level() Level {
	level := LevelSafe
	for _, r := range v.Results {
		switch {
		case r.Outcome != Failed:
		case r.Severity == Unsafe:
			return LevelUnsafe
		case r.Severity == Degraded:
			level = LevelDegraded
		}
	}
	return level
}

// Names lists the properties that ended with outcome.
func (v Verdict) Names(outcome Outcome) []string {
	var names []string
	for _, r := range v.Results {
		if r.Outcome == outcome {
			names = append(names, r.Name)
		}
	}
	return names
}

// Words says the verdict in sentences: the level, what each failure breaks, and what was not tried.
func (v Verdict) Words() string {
	var b strings.Builder
	b.WriteString(v.headline())
	for _, severity := range []Severity{Unsafe, Degraded, Note} {
		for _, r := range v.Results {
			if r.Outcome == Failed && r.Severity == severity {
				_, _ = fmt.Fprintf(&b, "\n%s (%s): %s. %s.", r.Name, severity, r.Detail, capital(r.Breaks))
			}
		}
	}
	untried := v.Names(Skipped)
	if !v.tried(Property.AboutBroker) {
		untried = append(untried, "the broker")
	}
	if len(untried) > 0 {
		_, _ = fmt.Fprintf(&b, "\nNot tried: %s.", strings.Join(untried, ", "))
	}
	if v.Left != "" {
		_, _ = fmt.Fprintf(&b, "\nLeft behind: %s.", v.Left)
	}
	return b.String()
}

// headline is the verdict in a sentence. Of a broker alone it does not say that a set is safe.
func (v Verdict) headline() string {
	if !v.tried(func(p Property) bool { return !p.AboutBroker() }) {
		switch v.Level() {
		case LevelSafe:
			return "sidecart can use this broker. Whether the set is safe depends on the store, which was not tried."
		case LevelDegraded:
			return "sidecart can use this broker, at a price. Whether the set is safe depends on the store, which was not tried."
		default:
			return "sidecart can NOT use this broker."
		}
	}
	switch v.Level() {
	case LevelSafe:
		return "sidecart is safe on this set."
	case LevelDegraded:
		return "sidecart is safe on this set, at a price."
	default:
		return "sidecart is NOT safe on this set. Do not run a shop on it."
	}
}

// tried tells whether there is a result of which is says yes.
func (v Verdict) tried(is func(Property) bool) bool {
	return slices.ContainsFunc(v.Results, func(r Result) bool { return is(r.Property) })
}

func capital(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
