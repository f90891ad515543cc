package contracts

import (
	"os"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// schemaOf compiles a schema that is written in JSON.
func schemaOf(t require.TestingT, text string) (*schema, *openapi3.Schema) {
	var ref openapi3.SchemaRef
	require.NoError(t, ref.UnmarshalJSON([]byte(text)), text)
	s, err := compiler{}.compile(&ref)
	require.NoError(t, err, text)
	return s, ref.Value
}

func TestFaultsNameThePointerTheRuleAndTheType(t *testing.T) {
	s, _ := schemaOf(t, `{"type":"object","additionalProperties":false,"required":["lines","who"],"minProperties":2,"properties":{
		"who":{"type":"string","minLength":2,"maxLength":3},"on":{"type":"boolean"},"at":{"type":"string","format":"date-time"},"id":{"type":"string","format":"uuid"},
		"state":{"type":"string","enum":["new","old"]},"a/b":{"type":"object","properties":{"~":{"type":"string"}}},
		"lines":{"type":"array","minItems":1,"maxItems":2,"items":{"type":"object","required":["n"],"properties":{
			"n":{"type":"integer","minimum":1,"maximum":9},"code":{"type":"string","pattern":"^[A-Z]+$"},"f":{"type":"number","nullable":true},
			"i":{"type":"integer","format":"int32"},"l":{"type":"integer","format":"int64"}}}},
		"any":{},"one":{"oneOf":[{"type":"string"},{"type":"boolean"}]}}}`)
	for text, want := range map[string]string{
		`{"who":"é☕","lines":[{"n":1}]}`:                                      ``,
		`{"who":"abc","lines":[{"n":9,"f":null},{"n":1,"f":1.5}],"any":[{}]}`: ``,
		`{"who":"abcd","lines":[{"n":1}]}`:                                    `/who maxLength string: must have from 2 to 3 characters`,
		`{"who":"\u00e9","lines":[{"n":1}]}`:                                  `/who minLength string: must have from 2 to 3 characters`,
		`{"who":7,"lines":[{"n":1}]}`:                                         `/who type integer: must be a string`,
		`{"who":null,"lines":[{"n":1}]}`:                                      `/who type null: must be a string`,
		`{"who":{},"lines":[{"n":1}]}`:                                        `/who type object: must be a string`,
		`{"who":["x"],"lines":[{"n":1}]}`:                                     `/who type array: must be a string`,
		`{"who":"ab","lines":{}}`:                                             `/lines type object: must be an array`,
		`{"who":"ab","lines":[]}`:                                             `/lines minItems array: must have from 1 to 2 items`,
		`{"who":"ab","lines":[{"n":1},{"n":1},{"n":1}]}`:                      `/lines maxItems array: must have from 1 to 2 items`,
		`{"who":"ab","lines":[{"n":0}]}`:                                      `/lines/0/n minimum integer: must be from 1 to 9`,
		`{"who":"ab","lines":[{"n":1},{"n":10}]}`:                             `/lines/1/n maximum integer: must be from 1 to 9`,
		`{"who":"ab","lines":[{"n":1.5}]}`:                                    `/lines/0/n type number: must be a whole number`,
		`{"who":"ab","lines":[{"n":"1"}]}`:                                    `/lines/0/n type string: must be a whole number`,
		`{"who":"ab","lines":[{"n":1,"i":2147483648}]}`:                       `/lines/0/i format integer: must be a whole number that fits 32 bits`,
		`{"who":"ab","lines":[{"n":1,"l":9223372036854775808}]}`:              `/lines/0/l format integer: must be a whole number that fits 64 bits`,
		`{"who":"ab","lines":[{"n":1,"f":1e999}]}`:                            `/lines/0/f type number: must be a number that fits 64 bits`,
		`{"who":"ab","lines":[{}]}`:                                           `/lines/0/n required : is missing`,
		`{"who":"ab","lines":[{"n":1,"code":"ab"}]}`:                          `/lines/0/code pattern string: must match ^[A-Z]+$`,
		`{"who":"ab","lines":[{"n":1}],"more":{"deep":[1,2]}}`:                `/more additionalProperties : is not a known member`,
		`{"who":"ab","lines":[{"n":1}],"Who":1}`:                              `/Who additionalProperties : is not a known member`,
		`{"who":"ab","lines":[{"n":1}],"state":"odd"}`:                        `/state enum string: must be one of new, old`,
		`{"who":"ab","lines":[{"n":1}],"on":"true"}`:                          `/on type string: must be true or false`,
		`{"who":"ab","lines":[{"n":1}],"at":"yesterday"}`:                     `/at format string: must be an RFC 3339 time`,
		`{"who":"ab","lines":[{"n":1}],"id":"0b8e6a52"}`:                      `/id format string: must be a UUID`,
		`{"who":"ab","lines":[{"n":1}],"a/b":{"~":1}}`:                        `/a~1b/~0 type integer: must be a string`,
		`{"who":"ab","lines":[{"n":1}],"one":7}`:                              `/one oneOf integer: must be as oneOf in the contract says`,
		`{"on":true}`:                                                         `/lines required : is missing; /who required : is missing; body minProperties object: must have at least 2 members`,
		`[]`:                                                                  `body type array: must be an object`,
		`"x"`:                                                                 `body type string: must be an object`,
		`{"who":"ab","lines":[{"n":1}]} {}`:                                   `body  : is not one JSON value: something follows it`,
	} {
		faults, err := checkJSON(s, []byte(text), false)
		require.NoError(t, err, text)
		var told []string
		for _, f := range faults {
			told = append(told, f.Field+" "+f.Rule+" "+f.Type+": "+f.Message)
		}
		assert.Equal(t, want, strings.Join(told, "; "), text)
	}
	for _, text := range []string{``, `{`, `{"who":`, `{"who":"a","who":"b"}`, "{\"who\":\"\xff\"}", `{"any":{"a":1,"a":2}}`, `{"more":[}`, `{"who":01}`, `{} x`} {
		_, err := checkJSON(s, []byte(text), false)
		assert.Error(t, err, text)
	}
	faults, err := checkJSON(s, []byte(`{"`+strings.Repeat("x", 1000)+`":1}`), false)
	require.NoError(t, err)
	assert.Less(t, len(faults[0].Field), 200, "a hostile name must not fill the answer")
}

// Whatever the schema and the value: this says yes exactly where the library does. Rules without a type are left out: the
// library takes no null there, OpenAPI 3.0.3 does.
func TestTheLibraryAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawSchema(t, 3)
		s, library := schemaOf(t, text)
		value := drawValue(t, library, 3)
		encoded, err := json.Marshal(value)
		require.NoError(t, err)
		faults, err := checkJSON(s, encoded, false)
		require.NoError(t, err)
		theirs := library.VisitJSON(value, openapi3.VisitAsRequest(), openapi3.MultiErrors())
		if (len(faults) == 0) != (theirs == nil) {
			t.Fatalf("schema %s\nvalue %s\nhere: %v\nlibrary: %v", text, encoded, faults, theirs)
		}
	})
}

// drawSchema draws a schema in JSON.
func drawSchema(t *rapid.T, depth int) string {
	most := 6
	if depth == 0 {
		most = 3
	}
	nullable := ""
	if rapid.IntRange(0, 4).Draw(t, "nullable") == 0 {
		nullable = `,"nullable":true`
	}
	switch rapid.IntRange(0, most).Draw(t, "kind") {
	case 0:
		return rapid.SampledFrom([]string{
			`{"type":"string"` + nullable + `}`, `{"type":"string","minLength":1,"maxLength":3` + nullable + `}`, `{"type":"string","pattern":"^[a-c]{1,2}$"` + nullable + `}`,
			`{"type":"string","enum":["a","é","abc"]}`, `{"type":"string","maxLength":0}`,
		}).Draw(t, "string")
	case 1:
		return rapid.SampledFrom([]string{
			`{"type":"integer"` + nullable + `}`, `{"type":"integer","minimum":-2,"maximum":2}`, `{"type":"number","minimum":-1.5}`, `{"type":"integer","enum":[1,3]}`,
			`{"type":"integer","format":"int32"}`, `{"type":"number","maximum":3` + nullable + `}`,
		}).Draw(t, "number")
	case 2:
		return `{"type":"boolean"` + nullable + `}`
	case 3:
		return rapid.SampledFrom([]string{`{"nullable":true}`, `{"oneOf":[{"type":"string"},{"type":"string","maxLength":2}]}`, `{"not":{"type":"string"}}`}).Draw(t, "odd")
	case 4:
		return `{"type":"array"` + nullable + rapid.SampledFrom([]string{``, `,"minItems":1`, `,"maxItems":1`, `,"uniqueItems":true`}).Draw(t, "bounds") +
			`,"items":` + drawSchema(t, depth-1) + `}`
	default:
		more := rapid.SampledFrom([]string{``, `,"additionalProperties":false`, `,"additionalProperties":{"type":"string"}`, `,"minProperties":2`, `,"maxProperties":1`}).Draw(t, "more")
		required := rapid.SampledFrom([]string{``, `,"required":["a"]`, `,"required":["b","a"]`, `,"required":["c"]`}).Draw(t, "required")
		return `{"type":"object"` + nullable + more + required + `,"properties":{"a":` + drawSchema(t, depth-1) + `,"b":` + drawSchema(t, depth-1) + `}}`
	}
}

// drawValue draws a value that a schema often takes.
func drawValue(t *rapid.T, s *openapi3.Schema, depth int) any {
	kinds := s.Type.Slice()
	if len(kinds) == 0 || rapid.IntRange(0, 5).Draw(t, "off") == 0 {
		kinds = []string{rapid.SampledFrom([]string{"null", "string", "number", "boolean", "array", "object"}).Draw(t, "kind")}
	}
	switch kinds[0] {
	case "string":
		return rapid.SampledFrom([]string{"", "a", "b", "é", "abc", "abcd", "☕☕☕", "\"\\\n", "x"}).Draw(t, "string")
	case "integer", "number":
		return rapid.SampledFrom([]float64{0, 1, 2, 3, -2, -3, 1.5, -1.5, 1e10, 1e300, 2147483647, 2147483648}).Draw(t, "number")
	case "boolean":
		return rapid.Bool().Draw(t, "boolean")
	case "array":
		out := []any{}
		for range rapid.IntRange(0, 2).Draw(t, "items") {
			of := &openapi3.Schema{}
			if s.Items != nil {
				of = s.Items.Value
			}
			out = append(out, drawValue(t, of, depth-1))
		}
		return out
	case "object":
		out := map[string]any{}
		for _, name := range []string{"a", "b", "c"} {
			if rapid.IntRange(0, 2).Draw(t, name) == 0 || depth <= 0 {
				continue
			}
			of := &openapi3.Schema{}
			if p := s.Properties[name]; p != nil {
				of = p.Value
			}
			out[name] = drawValue(t, of, depth-1)
		}
		return out
	}
	return nil
}

// order is what most of a sale's requests look like.
const order = `{"customer":"customer-000123","contact":{"email":"customer-000123@example.com","phone":"+4915112345678"},"lines":[` +
	`{"sku":"mug-blue","quantity":2},{"sku":"mug-red","quantity":1},{"sku":"tea-darjeeling-ftgfop1","quantity":3}]}`

// BenchmarkBody is the check of an order's body, here and by the library alone.
func BenchmarkBody(b *testing.B) {
	raw, err := os.ReadFile("../../order/openapi.yaml")
	require.NoError(b, err)
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	require.NoError(b, err)
	ref := doc.Components.Schemas["PlaceOrder"]
	s, err := compiler{}.compile(ref)
	require.NoError(b, err)
	b.Run("compiled", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if faults, err := checkJSON(s, []byte(order), false); err != nil || len(faults) > 0 {
				b.Fatal(faults, err)
			}
		}
	})
	b.Run("library", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var v any
			if err := json.Unmarshal([]byte(order), &v); err != nil {
				b.Fatal(err)
			}
			if err := ref.Value.VisitJSON(v, openapi3.VisitAsRequest(), openapi3.DisableSchemaErrorDetails()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
