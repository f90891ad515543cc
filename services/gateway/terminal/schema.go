package terminal

import (
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// below gives the schemas that a member, or with * the elements, of a value of one of schemas may have; nil if none
// of them knows of it.
func below(schemas []*openapi3.Schema, segment string) []*openapi3.Schema {
	var out []*openapi3.Schema
	for _, s := range flatten(schemas) {
		var ref *openapi3.SchemaRef
		if segment == "*" {
			ref = s.Items
		} else if ref = s.Properties[segment]; ref == nil {
			ref = s.AdditionalProperties.Schema
		}
		if ref != nil && ref.Value != nil {
			out = append(out, ref.Value)
		}
	}
	return out
}

// flatten adds what the schemas are made of. Schemas of contracts may refer to themselves, so each is visited once.
func flatten(schemas []*openapi3.Schema) []*openapi3.Schema {
	var out []*openapi3.Schema
	for waiting := slices.Clone(schemas); len(waiting) > 0; {
		s := waiting[0]
		waiting = waiting[1:]
		if s == nil || slices.Contains(out, s) {
			continue
		}
		out = append(out, s)
		for _, ref := range slices.Concat(s.AllOf, s.AnyOf, s.OneOf) {
			waiting = append(waiting, ref.Value)
		}
	}
	return out
}

// properties are the names that objects of one of schemas may have.
func properties(schemas []*openapi3.Schema) map[string]bool {
	names := map[string]bool{}
	for _, s := range flatten(schemas) {
		for name := range s.Properties {
			names[name] = true
		}
	}
	return names
}

// missing says which segment of a path is in no schema, and what is there instead.
func missing(segments []string, schemas []*openapi3.Schema) string {
	at, last := "/"+strings.Join(segments[:len(segments)-1], "/"), segments[len(segments)-1]
	there := slices.Sorted(maps.Keys(properties(schemas)))
	isArray := slices.ContainsFunc(flatten(schemas), func(s *openapi3.Schema) bool { return s.Items != nil })
	switch {
	case last == "*" && !isArray:
		return "is not in the contract: " + at + " is no array"
	case last != "*" && isArray && len(there) == 0:
		return "is not in the contract: " + at + " is an array, whose elements are " + strings.TrimSuffix(at, "/") + "/*"
	case len(there) == 0:
		return "is not in the contract: " + at + " has no members"
	}
	return "is not in the contract: " + at + " has " + strings.Join(there, ", ")
}

func sortedNames(m map[string]*draft) []string { return slices.Sorted(maps.Keys(m)) }
