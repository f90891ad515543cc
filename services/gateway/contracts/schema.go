package contracts

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// kinds is a set of JSON types.
type kinds uint8

const (
	kindNull kinds = 1 << iota
	kindBoolean
	kindString
	kindInteger
	kindNumber // with a fraction, or beyond what an integer is asked for
	kindArray
	kindObject
)

var kindNames = map[string]kinds{
	"null": kindNull, "boolean": kindBoolean, "string": kindString, "integer": kindInteger, "number": kindInteger | kindNumber,
	"array": kindArray, "object": kindObject,
}

// schema is an OpenAPI 3.0 schema, compiled for values that are checked as they are read. A value is never decoded into
// memory, which is what costs most of a check by a library (BenchmarkBody). Schemas that use more than what is here are
// checked by the library (see plain), and a test holds the two against each other.
type schema struct {
	kinds   kinds // 0: any
	library *openapi3.Schema
	enum    []any // of strings, numbers and booleans

	minLength, maxLength int // in characters; maxLength below 0: no bound
	pattern              *regexp.Regexp
	format               string

	low, high *float64

	items              *schema
	minItems, maxItems int // maxItems below 0: no bound

	members            map[string]member
	required           []string // each has the bit of its index
	others             *schema  // of members that have no name here; nil: any
	closed             bool     // there must be no others
	minProps, maxProps int      // maxProps below 0: no bound
}

// member is a named member of an object.
type member struct {
	schema *schema // nil: any
	bit    uint64  // of its place in required; 0 if it may be left out
}

// maxRequired is how many members a schema may require; the bits of a word count them.
const maxRequired = 64

// compiler makes schemas; those that refer to themselves end in themselves.
type compiler map[*openapi3.Schema]*schema

// compile gives nil for a schema that takes everything.
func (c compiler) compile(ref *openapi3.SchemaRef) (*schema, error) {
	if ref == nil || ref.Value == nil {
		return nil, nil
	}
	from := ref.Value
	if done, ok := c[from]; ok {
		return done, nil
	}
	s := &schema{maxLength: -1, maxItems: -1, maxProps: -1}
	c[from] = s
	if !plain(from) {
		s.library = from
		return s, nil
	}
	for _, name := range from.Type.Slice() {
		s.kinds |= kindNames[name]
	}
	if from.Nullable && s.kinds != 0 {
		s.kinds |= kindNull
	}
	s.enum, s.format, s.low, s.high = from.Enum, from.Format, from.Min, from.Max
	s.minLength, s.maxLength = bound(&from.MinLength), bound(from.MaxLength)
	s.minItems, s.maxItems = bound(&from.MinItems), bound(from.MaxItems)
	s.minProps, s.maxProps = bound(&from.MinProps), bound(from.MaxProps)
	if from.Pattern != "" {
		var err error
		if s.pattern, err = regexp.Compile(from.Pattern); err != nil {
			return nil, fmt.Errorf("pattern %q: %w", from.Pattern, err)
		}
	}
	var err error
	if s.items, err = c.compile(from.Items); err != nil {
		return nil, err
	}
	return s, c.members(s, from)
}

// members compiles what a schema says of objects.
func (c compiler) members(s *schema, from *openapi3.Schema) error {
	s.required = from.Required
	s.members = make(map[string]member, len(from.Properties))
	for name, ref := range from.Properties {
		of, err := c.compile(ref)
		if err != nil {
			return err
		}
		s.members[name] = member{schema: of}
	}
	for i, name := range s.required {
		m := s.members[name]
		m.bit = 1 << i
		s.members[name] = m
	}
	if more := from.AdditionalProperties; more.Has != nil && !*more.Has {
		s.closed = true
	} else if more.Schema != nil {
		var err error
		s.others, err = c.compile(more.Schema)
		return err
	}
	return nil
}

// plain tells whether a schema uses only what schema knows.
func plain(s *openapi3.Schema) bool {
	if s.OneOf != nil || s.AnyOf != nil || s.AllOf != nil || s.Not != nil || s.Discriminator != nil || s.UniqueItems || s.MultipleOf != nil ||
		s.ExclusiveMin.IsSet() || s.ExclusiveMax.IsSet() || len(s.Required) > maxRequired || s.Nullable && s.Enum != nil {
		return false
	}
	for i, name := range s.Required { // named twice, or open to others but not described
		if _, described := s.Properties[name]; !described || slices.Contains(s.Required[:i], name) {
			return false
		}
	}
	for _, p := range s.Properties {
		if p.Value == nil || p.Value.ReadOnly || p.Value.WriteOnly {
			return false
		}
	}
	for _, v := range s.Enum {
		switch v.(type) {
		case string, float64, bool:
		default:
			return false
		}
	}
	return true
}

// bound is a length as an int; below 0 if there is none, or none that a body can reach.
func bound(n *uint64) int {
	if n == nil || *n > math.MaxInt32 {
		return -1
	}
	return int(*n)
}

// wants words what a value must be, for people.
func (s *schema) wants() string {
	var words []string
	for _, k := range [...]struct {
		kinds kinds
		word  string
	}{
		{kindString, "a string"}, {kindInteger | kindNumber, "a number"}, {kindInteger, "a whole number"}, {kindBoolean, "true or false"},
		{kindArray, "an array"}, {kindObject, "an object"}, {kindNull, "null"},
	} {
		if s.kinds&k.kinds == k.kinds && !(k.word == "a whole number" && s.kinds&kindNumber != 0) {
			words = append(words, k.word)
		}
	}
	return "must be " + strings.Join(words, " or ")
}

// maxShownValues bounds how many values of an enum are listed, and maxShownPattern how much of a pattern.
const (
	maxShownValues  = 12
	maxShownPattern = 100
)

func (s *schema) wantsOneOf() string {
	if len(s.enum) > maxShownValues {
		return fmt.Sprintf("must be one of %d values that the contract lists", len(s.enum))
	}
	texts := make([]string, len(s.enum))
	for i, v := range s.enum {
		texts[i] = fmt.Sprint(v)
	}
	if len(texts) == 1 {
		return "must be " + texts[0]
	}
	return "must be one of " + strings.Join(texts, ", ")
}

func (s *schema) wantsPattern() string {
	if text := s.pattern.String(); len(text) <= maxShownPattern {
		return "must match " + text
	}
	return "must match the pattern of the contract"
}

func (s *schema) wantsNumber() string {
	switch {
	case s.low != nil && s.high != nil:
		return "must be from " + number(*s.low) + " to " + number(*s.high)
	case s.low != nil:
		return "must be at least " + number(*s.low)
	default:
		return "must be at most " + number(*s.high)
	}
}

func (s *schema) wantsLength() string {
	return wantsCount(s.minLength, s.maxLength, "have", "character")
}

// wantsCount words bounds of a length; high below 0 is none.
func wantsCount(low, high int, verb, unit string) string {
	plural := func(n int) string {
		if n == 1 {
			return "1 " + unit
		}
		return strconv.Itoa(n) + " " + unit + "s"
	}
	switch {
	case high < 0:
		return "must " + verb + " at least " + plural(low)
	case low <= 0:
		return "must " + verb + " at most " + plural(high)
	default:
		return "must " + verb + " from " + strconv.Itoa(low) + " to " + plural(high)
	}
}
