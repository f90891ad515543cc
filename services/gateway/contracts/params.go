package contracts

import (
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// parameter is a parameter of an operation, compiled. Its values are texts, lists of texts at most.
type parameter struct {
	name     string // as it is told to callers; of a header in canonical form
	required bool
	schema   *schema
	place    int  // of a path parameter: its segment
	list     bool // the schema is an array
	explode  bool // of a list in the query: each item has the name in front
}

// parameters are those of an operation by where they stand.
type parameters struct{ path, query, header []parameter }

// newParameters compiles the parameters of an operation and of its path item. What cannot be checked is refused: a
// contract must not promise what nobody looks at.
func newParameters(c compiler, segments []string, lists ...openapi3.Parameters) (p parameters, err error) {
	seen := map[string]bool{}
	for _, list := range lists { // the operation's before the path item's, which they override
		for _, ref := range list {
			from := ref.Value
			if from == nil || seen[from.In+" "+from.Name] {
				continue
			}
			seen[from.In+" "+from.Name] = true
			one, err := newParameter(c, from)
			if err != nil {
				return p, fmt.Errorf("parameter %s: %w", from.Name, err)
			}
			switch from.In {
			case "path":
				for one.place = range segments {
					if segments[one.place] == "{"+from.Name+"}" {
						break
					}
				}
				p.path = append(p.path, one)
			case "query":
				p.query = append(p.query, one)
			case "header":
				one.name = textproto.CanonicalMIMEHeaderKey(from.Name)
				p.header = append(p.header, one)
			default:
				return p, fmt.Errorf("parameter %s: %s parameters are not passed on by the gateway", from.Name, from.In)
			}
		}
	}
	return p, nil
}

func newParameter(c compiler, from *openapi3.Parameter) (parameter, error) {
	of, err := c.compile(from.Schema)
	if err != nil {
		return parameter{}, err
	}
	if of == nil {
		return parameter{}, fmt.Errorf("has no schema")
	}
	style, err := from.SerializationMethod()
	if err != nil {
		return parameter{}, err
	}
	p := parameter{name: from.Name, required: from.Required, schema: of, explode: style.Explode, list: of.kinds&kindArray != 0}
	simple := of.kinds&kindObject == 0 && of.library == nil && (!p.list || of.kinds == kindArray && of.items != nil && of.items.library == nil && of.items.kinds&(kindObject|kindArray) == 0)
	if !simple || style.Style != openapi3.SerializationForm && style.Style != openapi3.SerializationSimple {
		return parameter{}, fmt.Errorf("only strings, numbers, booleans and lists of them can be parameters")
	}
	return p, nil
}

// check appends what is wrong with the parameters of a request.
func (p *parameters) check(into []errs.Field, segments []string, r *http.Request) []errs.Field {
	for i := range p.path {
		one := &p.path[i]
		into = one.check(into, segments[one.place:one.place+1])
	}
	if len(p.query) > 0 {
		var query url.Values
		if r.URL.RawQuery != "" {
			query, _ = url.ParseQuery(r.URL.RawQuery) // the edge has refused what cannot be read
		}
		for i := range p.query {
			into = p.query[i].check(into, query[p.query[i].name])
		}
	}
	for i := range p.header {
		into = p.header[i].check(into, r.Header[p.header[i].name])
	}
	return into
}

func (p *parameter) check(into []errs.Field, values []string) []errs.Field {
	if len(values) == 0 {
		if p.required {
			into = p.fault(into, "required", "", "is missing")
		}
		return into
	}
	if p.list {
		return p.checkList(into, values)
	}
	if len(values) > 1 {
		return p.fault(into, "single", "", fmt.Sprintf("is given %d times", len(values)))
	}
	return p.checkOne(into, p.schema, values[0])
}

func (p *parameter) checkList(into []errs.Field, values []string) []errs.Field {
	if !p.explode {
		if len(values) > 1 {
			return p.fault(into, "single", "", fmt.Sprintf("is given %d times", len(values)))
		}
		values = strings.Split(values[0], ",")
	}
	s := p.schema
	if n := len(values); n < s.minItems || s.maxItems >= 0 && n > s.maxItems {
		return p.fault(into, ruleOf(n < s.minItems, "minItems", "maxItems"), "array", wantsCount(s.minItems, s.maxItems, "have", "item"))
	}
	for _, v := range values {
		if before := len(into); len(p.checkOne(into, s.items, v)) > before {
			return p.checkOne(into, s.items, v) // the first of its items is enough
		}
	}
	return into
}

// checkOne checks one text against a schema that may want a string, or what the text says in JSON.
func (p *parameter) checkOne(into []errs.Field, s *schema, text string) []errs.Field {
	if s.kinds == 0 || s.kinds&kindString != 0 {
		if rule, message := s.checkText([]byte(text)); rule != "" {
			return p.fault(into, rule, "string", message)
		}
		return into
	}
	raw := jsontext.Value(text)
	switch {
	case s.kinds&kindBoolean != 0 && (text == "true" || text == "false"):
		if len(s.enum) > 0 && !among(s.enum, text == "true") {
			return p.fault(into, "enum", "boolean", s.wantsOneOf())
		}
	case s.kinds&(kindInteger|kindNumber) != 0 && raw.IsValid() && raw.Kind() == '0' && !strings.ContainsAny(text, " \t\r\n"):
		if kind, rule, message := s.checkNumber(raw); rule != "" {
			return p.fault(into, rule, kind, message)
		}
	default:
		return p.fault(into, "type", "string", s.wants())
	}
	return into
}

func (p *parameter) fault(into []errs.Field, rule, kind, message string) []errs.Field {
	if len(into) == maxFaults {
		return into
	}
	return append(into, errs.Field{Field: p.name, Message: message, Rule: rule, Type: kind})
}
