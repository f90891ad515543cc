package contracts

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxReasons bounds how much of what a contract breaks is listed.
const maxReasons = 20

// majorOf is the first number of a version; 0 if there is none.
func majorOf(version string) int {
	first, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	n, _ := strconv.Atoi(first)
	return n
}

// Breaks lists what callers who go by the contract before could no longer do under the one after, and what others could do then who
// could not; none if it is compatible. Nobody may get further because somebody slipped in a release: that takes an operator's word.
//
// It breaks a caller that an operation is gone or is for other roles; that a request needs a parameter, a body or a member
// which it did not need, or may say less than it did (types, enums, bounds, patterns, members); that an answer no longer has
// a status of success, has lost a member that was always there, or says it in another type. It does not break a caller
// that there are new operations, optional members and parameters, new members of answers, or new values of an answer's
// enum: callers have to bear these.
func Breaks(before, after *Contract) []string {
	b := &breaks{}
	there := map[string]*Operation{}
	for _, o := range after.ops {
		there[shape(o)] = o
	}
	for _, was := range before.ops {
		if now := there[shape(was)]; now != nil {
			b.operation(was, now)
		} else {
			b.add(was.String(), "is gone")
		}
	}
	return b.reasons
}

// shape is what tells operations apart: the names of path parameters do not matter to callers.
func shape(o *Operation) string {
	segments := slices.Clone(o.Segments)
	for i := range segments {
		if isParam(segments[i]) {
			segments[i] = "{}"
		}
	}
	return o.Method + " /" + strings.Join(segments, "/")
}

// breaks collects reasons.
type breaks struct {
	reasons []string
	answer  bool                // answers are compared
	seen    map[[2]*schema]bool // pairs, so that schemas which refer to themselves end
}

func (b *breaks) add(where, what string) {
	if reason := where + " " + what; len(b.reasons) < maxReasons && !slices.Contains(b.reasons, reason) {
		b.reasons = append(b.reasons, reason)
	}
}

func (b *breaks) operation(was, now *Operation) {
	where := was.String()
	for _, role := range was.Roles {
		if !was.Silent && !now.Open() && !slices.Contains(now.Roles, role) {
			b.add(where, "is no longer for "+role)
		}
	}
	for _, role := range now.Roles {
		if !was.Silent && !was.Open() && !slices.Contains(was.Roles, role) {
			b.add(where, "is now for "+role+", too")
		}
	}
	if now.Silent && !was.Silent { // a gateway beside a release from before accounts would let in anybody: see Config.Beside
		b.add(where, "no longer says who may call it")
	}
	if now.ID != was.ID && was.ID != "" {
		b.add(where, fmt.Sprintf("is called %q and no longer %q, which rules name", now.ID, was.ID))
	}
	b.seen, b.answer = map[[2]*schema]bool{}, false
	b.parameters(where+" path parameter ", was.parameters.path, now.parameters.path)
	b.parameters(where+" query parameter ", was.parameters.query, now.parameters.query)
	b.parameters(where+" header ", was.parameters.header, now.parameters.header)
	switch {
	case now.body.required && !was.body.required:
		b.add(where, "needs a body")
	case was.body.json && now.body.said && !now.body.json:
		b.add(where, "takes no JSON any more")
	case was.body.json && now.body.json:
		b.fits(where+" body ", was.body.schema, now.body.schema)
	}
	b.seen, b.answer = map[[2]*schema]bool{}, true
	for status, before := range was.answers {
		after, there := now.answers[status]
		if !there && strings.HasPrefix(status, "2") {
			b.add(where, "no longer answers "+status)
		}
		if there && before.schema != nil && strings.HasPrefix(status, "2") {
			b.fits(where+" answer "+status+" ", after.schema, before.schema)
		}
	}
	slices.Sort(b.reasons)
}

func (b *breaks) parameters(where string, was, now []parameter) {
	for i := range now {
		at := slices.IndexFunc(was, func(p parameter) bool {
			return p.name == now[i].name || strings.HasSuffix(where, "path parameter ") && p.place == now[i].place
		})
		switch {
		case at < 0 && now[i].required:
			b.add(where+now[i].name, "is new and required")
		case at >= 0 && now[i].required && !was[at].required:
			b.add(where+now[i].name, "is required")
		}
		if at >= 0 {
			b.fits(where+now[i].name, was[at].schema, now[i].schema)
		}
	}
}

// fits adds where a value that fits the schema from may not fit the schema to: of requests from what could be said to what
// can be said now, of answers from what may be told now to what was told.
func (b *breaks) fits(where string, from, to *schema) {
	if to == nil || from == to || b.seen[[2]*schema{from, to}] {
		return
	}
	b.seen[[2]*schema{from, to}] = true
	if from == nil {
		from = &schema{maxLength: -1, maxItems: -1, maxProps: -1}
	}
	if from.library != nil || to.library != nil {
		if !sameSchema(from, to) {
			b.add(where, "has changed, and is of a kind that is not compared")
		}
		return
	}
	if allKinds(from)&^allKinds(to) != 0 {
		b.add(where, b.word("is of fewer types", "is of more types"))
		return
	}
	if !b.answer && len(to.enum) > 0 && (len(from.enum) == 0 || slices.ContainsFunc(from.enum, func(v any) bool { return !slices.Contains(to.enum, v) })) {
		b.add(where, "takes fewer values")
	}
	if shorter(from.minLength, from.maxLength, to.minLength, to.maxLength) {
		b.add(where, b.word("has tighter bounds of its length", "has wider bounds of its length"))
	}
	if to.low != nil && (from.low == nil || *from.low < *to.low) || to.high != nil && (from.high == nil || *from.high > *to.high) {
		b.add(where, b.word("has tighter bounds", "has wider bounds"))
	}
	if to.pattern != nil && (from.pattern == nil || from.pattern.String() != to.pattern.String()) {
		b.add(where, "has another pattern")
	}
	if to.format != "" && from.format != to.format {
		b.add(where, "has another format")
	}
	if shorter(from.minItems, from.maxItems, to.minItems, to.maxItems) || shorter(from.minProps, from.maxProps, to.minProps, to.maxProps) {
		b.add(where, b.word("has tighter bounds of its size", "has wider bounds of its size"))
	}
	if to.items != nil && allKinds(from)&kindArray != 0 {
		b.fits(where+"/*", from.items, to.items)
	}
	b.members(where, from, to)
}

func (b *breaks) members(where string, from, to *schema) {
	for _, name := range to.required {
		if !slices.Contains(from.required, name) {
			b.add(where+"/"+name, b.word("is required", "is no longer always there"))
		}
	}
	for name, m := range from.members {
		into, there := to.members[name]
		switch {
		case there:
			b.fits(where+"/"+name, m.schema, into.schema)
		case to.closed && !b.answer:
			b.add(where+"/"+name, "is not taken any more")
		case to.others != nil:
			b.fits(where+"/"+name, m.schema, to.others)
		}
	}
	if to.closed && !from.closed && !b.answer {
		b.add(where, "takes no further members any more")
	}
}

// word is the one for requests or the one for answers.
func (b *breaks) word(request, answer string) string {
	if b.answer {
		return answer
	}
	return request
}

// shorter tells whether a length from low to high may be out of the bounds of another; high below 0 is none.
func shorter(low, high, ofLow, ofHigh int) bool {
	return low < ofLow || ofHigh >= 0 && (high < 0 || high > ofHigh)
}

func allKinds(s *schema) kinds {
	if s.kinds == 0 {
		return ^kinds(0)
	}
	return s.kinds
}

// sameSchema compares what the library would check, as it is written.
func sameSchema(a, b *schema) bool {
	if a.library == nil || b.library == nil {
		return false
	}
	one, err := a.library.MarshalJSON()
	if err != nil {
		return false
	}
	two, err := b.library.MarshalJSON()
	return err == nil && string(one) == string(two)
}
