package contracts

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// Bounds of what is said about one request.
const (
	maxFaults       = 8
	maxPointerBytes = 128
)

// checker holds a JSON text against a schema while it reads it, once, from its beginning to its end.
type checker struct {
	dec    *jsontext.Decoder
	from   *bytes.Buffer // a decoder reads from one without copying it
	faults []errs.Field
	plain  []byte // a string without its escapes
	answer bool   // what is checked is an answer: it matters to read-only and write-only members
}

// checkers are used again: a decoder is some KiB.
var checkers = sync.Pool{New: func() any {
	from := &bytes.Buffer{}
	return &checker{dec: jsontext.NewDecoder(from), from: from}
}}

// checkJSON lists what is wrong with text. The error is of text that is no JSON.
func checkJSON(s *schema, text []byte, answer bool) ([]errs.Field, error) {
	k, _ := checkers.Get().(*checker)
	*k.from = *bytes.NewBuffer(text)
	k.dec.Reset(k.from)
	k.faults, k.answer = nil, answer
	err := k.value(s)
	if err == nil {
		err = k.end()
	}
	faults := k.faults
	*k.from, k.faults = bytes.Buffer{}, nil
	k.dec.Reset(k.from) // keeps nothing of the text
	checkers.Put(k)
	return faults, err
}

// end makes sure that nothing follows the value.
func (k *checker) end() error {
	_, err := k.dec.ReadToken()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		k.faultAt("", "", "", "is not one JSON value: something follows it")
	}
	return err
}

// fault records what is wrong with the value that was read last. Its value is never told: it may be a secret.
func (k *checker) fault(rule, kind, message string) {
	k.faultAt(string(k.dec.StackPointer()), rule, kind, message)
}

func (k *checker) faultAt(pointer, rule, kind, message string) {
	if len(k.faults) == maxFaults {
		return
	}
	if len(pointer) > maxPointerBytes {
		pointer = strings.ToValidUTF8(pointer[:maxPointerBytes], "") + "…"
	}
	if pointer == "" {
		pointer = "body"
	}
	k.faults = append(k.faults, errs.Field{Field: pointer, Message: message, Rule: rule, Type: kind})
}

// value checks the next value. Its error is of JSON that cannot be read on.
func (k *checker) value(s *schema) error {
	if s == nil || len(k.faults) == maxFaults {
		return k.dec.SkipValue()
	}
	if s.library != nil {
		return k.byLibrary(s.library)
	}
	switch k.dec.PeekKind() {
	case '{':
		if s.kinds == 0 || s.kinds&kindObject != 0 {
			return k.object(s)
		}
		return k.wrongType(s, "object")
	case '[':
		if s.kinds == 0 || s.kinds&kindArray != 0 {
			return k.array(s)
		}
		return k.wrongType(s, "array")
	}
	raw, err := k.dec.ReadValue()
	if err != nil {
		return err
	}
	k.scalar(s, raw)
	return nil
}

// wrongType passes over an object or an array that must not be one.
func (k *checker) wrongType(s *schema, kind string) error {
	if err := k.dec.SkipValue(); err != nil {
		return err
	}
	k.fault("type", kind, s.wants())
	return nil
}

func (k *checker) object(s *schema) error {
	if _, err := k.dec.ReadToken(); err != nil {
		return err
	}
	if len(s.enum) > 0 {
		k.fault("enum", "object", s.wantsOneOf())
	}
	var seen uint64
	count := 0
	for k.dec.PeekKind() != '}' {
		raw, err := k.dec.ReadValue()
		if err != nil {
			return err
		}
		count++
		m, known := s.members[string(k.unquoted(raw))] // the conversion costs nothing in a look-up
		of := m.schema
		if !known {
			of = s.others
			if s.closed {
				k.fault("additionalProperties", "", "is not a known member")
				of = nil
			}
		}
		seen |= m.bit
		if err := k.value(of); err != nil {
			return err
		}
	}
	if _, err := k.dec.ReadToken(); err != nil {
		return err
	}
	for i, name := range s.required {
		if seen&(1<<i) == 0 {
			k.faultAt(string(k.dec.StackPointer().AppendToken(name)), "required", "", "is missing")
		}
	}
	if count < s.minProps || s.maxProps >= 0 && count > s.maxProps {
		k.fault(ruleOf(count < s.minProps, "minProperties", "maxProperties"), "object", wantsCount(s.minProps, s.maxProps, "have", "member"))
	}
	return nil
}

func (k *checker) array(s *schema) error {
	if _, err := k.dec.ReadToken(); err != nil {
		return err
	}
	if len(s.enum) > 0 {
		k.fault("enum", "array", s.wantsOneOf())
	}
	count := 0
	for k.dec.PeekKind() != ']' {
		if err := k.value(s.items); err != nil {
			return err
		}
		count++
	}
	if _, err := k.dec.ReadToken(); err != nil {
		return err
	}
	if count < s.minItems || s.maxItems >= 0 && count > s.maxItems {
		k.fault(ruleOf(count < s.minItems, "minItems", "maxItems"), "array", wantsCount(s.minItems, s.maxItems, "have", "item"))
	}
	return nil
}

// scalar checks null, a boolean, a number or a string; raw is valid JSON.
func (k *checker) scalar(s *schema, raw []byte) {
	switch raw[0] {
	case 'n':
		if s.kinds != 0 && s.kinds&kindNull == 0 {
			k.fault("type", "null", s.wants())
		}
	case 't', 'f':
		if s.kinds != 0 && s.kinds&kindBoolean == 0 {
			k.fault("type", "boolean", s.wants())
		} else if len(s.enum) > 0 && !among(s.enum, raw[0] == 't') {
			k.fault("enum", "boolean", s.wantsOneOf())
		}
	case '"':
		if s.kinds != 0 && s.kinds&kindString == 0 {
			k.fault("type", "string", s.wants())
		} else if rule, message := s.checkText(k.unquoted(raw)); rule != "" {
			k.fault(rule, "string", message)
		}
	default:
		if kind, rule, message := s.checkNumber(raw); rule != "" {
			k.fault(rule, kind, message)
		}
	}
}

// unquoted is the text of a JSON string, until it is asked for the next.
func (k *checker) unquoted(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	k.plain, _ = jsontext.AppendUnquote(k.plain[:0], raw) // raw is valid
	return k.plain
}

// checkText says which rule a text breaks, and what it must be; "" if none.
func (s *schema) checkText(text []byte) (rule, message string) {
	if s.minLength > 0 || s.maxLength >= 0 && len(text) > s.maxLength { // no text has more characters than bytes
		n := utf8.RuneCount(text)
		if n < s.minLength || s.maxLength >= 0 && n > s.maxLength {
			return ruleOf(n < s.minLength, "minLength", "maxLength"), s.wantsLength()
		}
	}
	switch {
	case s.pattern != nil && !s.pattern.Match(text):
		return "pattern", s.wantsPattern()
	case len(s.enum) > 0 && !amongTexts(s.enum, text):
		return "enum", s.wantsOneOf()
	case s.format == "date-time":
		if _, err := time.Parse(time.RFC3339, string(text)); err != nil {
			return "format", "must be an RFC 3339 time"
		}
	case s.format == "uuid" && !isUUID(text):
		return "format", "must be a UUID"
	}
	return "", ""
}

// checkNumber says which rule a JSON number breaks; "" if none.
func (s *schema) checkNumber(raw []byte) (kind, rule, message string) {
	whole, fits := int64(0), false
	if !bytes.ContainsAny(raw, ".eE") {
		n, err := strconv.ParseInt(string(raw), 10, 64)
		whole, fits = n, err == nil
	}
	f := float64(whole)
	if !fits {
		var err error
		if f, err = strconv.ParseFloat(string(raw), 64); err != nil {
			return "number", "type", "must be a number that fits 64 bits"
		}
	}
	is := kindNumber
	if kind = "number"; fits || f == math.Trunc(f) {
		is, kind = kindInteger, "integer"
	}
	switch {
	case s.kinds != 0 && s.kinds&is == 0:
		return kind, "type", s.wants()
	case s.low != nil && f < *s.low:
		return kind, "minimum", s.wantsNumber()
	case s.high != nil && f > *s.high:
		return kind, "maximum", s.wantsNumber()
	case s.format == "int32" && (f < math.MinInt32 || f > math.MaxInt32):
		return kind, "format", "must be a whole number that fits 32 bits"
	case s.format == "int64" && !fits && (f < math.MinInt64 || f >= math.MaxInt64):
		return kind, "format", "must be a whole number that fits 64 bits"
	case len(s.enum) > 0 && !among(s.enum, f):
		return kind, "enum", s.wantsOneOf()
	}
	return kind, "", ""
}

// byLibrary checks the next value by the library.
func (k *checker) byLibrary(s *openapi3.Schema) error {
	raw, err := k.dec.ReadValue()
	if err != nil {
		return err
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	as := openapi3.VisitAsRequest()
	if k.answer {
		as = openapi3.VisitAsResponse()
	}
	wrong := s.VisitJSON(v, as, openapi3.MultiErrors(), openapi3.DisableSchemaErrorDetails())
	if wrong != nil {
		k.told(wrong)
	}
	return nil
}

// told takes over what the library says. Its texts are not passed on: some of them quote values.
func (k *checker) told(wrong error) {
	switch wrong := wrong.(type) { // not errors.As: below the rule that was broken there may be others that led to it
	case openapi3.MultiError:
		for _, one := range wrong {
			k.told(one)
		}
	case *openapi3.SchemaError:
		pointer := k.dec.StackPointer()
		for _, token := range wrong.JSONPointer() {
			pointer = pointer.AppendToken(token)
		}
		k.faultAt(string(pointer), wrong.SchemaField, kindOf(wrong.Value), "must be as "+wrong.SchemaField+" in the contract says")
	default:
		k.fault("schema", "", "must be as the contract says")
	}
}

func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case float64:
		if v == math.Trunc(v) {
			return "integer"
		}
		return "number"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return ""
}

func ruleOf(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

func among[T comparable](enum []any, v T) bool {
	for _, e := range enum {
		if same, ok := e.(T); ok && same == v {
			return true
		}
	}
	return false
}

func amongTexts(enum []any, text []byte) bool {
	for _, e := range enum {
		if s, ok := e.(string); ok && s == string(text) {
			return true
		}
	}
	return false
}

// isUUID accepts the usual form, 8-4-4-4-12 hexadecimal digits.
func isUUID(text []byte) bool {
	if len(text) != 36 {
		return false
	}
	for i, c := range text {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F'):
			return false
		}
	}
	return true
}
