package screen

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sidecart/sidecart/services/kit/fault"
)

// Operation is what a screen has to know of an operation of a contract.
type Operation struct {
	ID         string
	Method     string // upper case
	Template   string // "/v1/orders/{id}"
	Roles      []string
	Parameters openapi3.Parameters // of the path item and of the operation
}

// Anyone in Operation.Roles says that nobody has to say who asks.
const Anyone = "anyone"

// Operations finds an operation by its operationId.
type Operations func(id string) (Operation, bool)

// plan is a screen, ready to be asked for. It is not changed once it is made.
type plan struct {
	name     string
	template string
	summary  string
	roles    []string
	path     []*openapi3.Parameter // of the screen, as its contract shows them
	query    []*openapi3.Parameter
	parts    []part // by name
}

type part struct {
	name      string
	operation Operation
	segments  []value // of the operation's path
	query     []named
	required  bool
	budget    time.Duration
}

// value is a constant, or the screen's parameter of that name.
type value struct{ constant, parameter string }

type named struct {
	name string
	value
}

// newPlan joins a screen with the contracts.
func newPlan(called string, s Screen, operations Operations, complete bool) (*plan, []fault.Fault) {
	p := &plan{name: called, template: s.template(called), summary: s.Summary}
	var bad []fault.Fault
	known := true
	for _, partName := range slices.Sorted(maps.Keys(s.Parts)) {
		c := s.Parts[partName]
		say := func(at []any, format string, args ...any) {
			bad = append(bad, fault.Fault{Place: fault.At(append([]any{called, "parts", partName}, at...)...), Message: fmt.Sprintf(format, args...)})
		}
		op, ok := operations(c.Operation)
		switch {
		case !ok && complete:
			say([]any{"operation"}, "no contract has the operation %q", c.Operation)
			continue
		case !ok:
			known = false // it comes with a contract that is not there yet
			continue
		case op.Method != "GET":
			say([]any{"operation"}, "%s is a %s; a screen only reads", c.Operation, op.Method)
			continue
		}
		p.parts = append(p.parts, p.join(partName, c, op, s.parameters(), say))
	}
	for _, own := range s.parameters() {
		if len(bad) == 0 && known && !slices.ContainsFunc(p.path, func(q *openapi3.Parameter) bool { return q.Name == own }) {
			bad = append(bad, fault.Fault{Place: fault.At(called, "path"), Message: fmt.Sprintf("no part uses {%s}", own)})
		}
	}
	if p.roles = p.allowed(); len(bad) == 0 && known && len(p.roles) == 0 {
		bad = append(bad, fault.Fault{Place: fault.At(called), Message: "there is no role that may call all of the required parts"})
	}
	if len(bad) > 0 || !known {
		return nil, bad
	}
	slices.SortFunc(p.query, func(a, b *openapi3.Parameter) int { return strings.Compare(a.Name, b.Name) })
	return p, nil
}

// join makes the part of an operation and notes which of its parameters the screen has to be given.
func (p *plan) join(called string, c Part, op Operation, own []string, say func(at []any, format string, args ...any)) part {
	out := part{name: called, operation: op, required: c.Required, budget: c.Budget}
	if out.budget == 0 {
		out.budget = DefaultBudget
	}
	of := func(in, key, text string) (value, bool) {
		parameter := op.Parameters.GetByInAndName(in, key)
		if parameter == nil {
			say([]any{in, key}, "%s has no such parameter in its %s", op.ID, in)
			return value{}, false
		}
		asked := parameterOf(text)
		if asked == "" {
			if problem := fits(text, parameter.Schema); problem != "" {
				say([]any{in, key}, "%s", problem)
			}
			return value{constant: text}, true
		}
		p.need(asked, slices.Contains(own, asked), parameter)
		return value{parameter: asked}, true
	}
	for segment := range strings.SplitSeq(strings.TrimPrefix(op.Template, "/"), "/") {
		key, isParameter := strings.CutPrefix(segment, "{")
		if !isParameter {
			out.segments = append(out.segments, value{constant: segment})
			continue
		}
		key = strings.TrimSuffix(key, "}")
		text, given := c.Path[key]
		if !given {
			say([]any{"path"}, "%s needs %s", op.ID, key)
			continue
		}
		v, _ := of("path", key, text)
		out.segments = append(out.segments, v)
	}
	for _, key := range slices.Sorted(maps.Keys(c.Path)) {
		if !strings.Contains(op.Template, "{"+key+"}") {
			say([]any{"path", key}, "%s has no such parameter in its path", op.ID)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.Query)) {
		if v, ok := of("query", key, c.Query[key]); ok {
			out.query = append(out.query, named{key, v})
		}
	}
	for _, ref := range op.Parameters {
		if q := ref.Value; q != nil && q.Required && q.In != "path" && (q.In != "query" || c.Query[q.Name] == "") {
			say([]any{"query"}, "%s needs %s in its %s", op.ID, q.Name, q.In)
		}
	}
	return out
}

// need notes a parameter of the screen, with what the first operation that uses it says of it.
func (p *plan) need(called string, inPath bool, like *openapi3.Parameter) {
	list, in := &p.query, "query"
	if inPath {
		list, in = &p.path, "path"
	}
	if slices.ContainsFunc(*list, func(q *openapi3.Parameter) bool { return q.Name == called }) {
		return
	}
	*list = append(*list, &openapi3.Parameter{Name: called, In: in, Required: inPath, Schema: like.Schema, Description: like.Description, Example: like.Example})
}

// allowed are the roles that may call every part that the screen requires.
func (p *plan) allowed() []string {
	roles := []string{Anyone}
	for _, q := range p.parts {
		switch {
		case !q.required || slices.Contains(q.operation.Roles, Anyone):
		case slices.Contains(roles, Anyone):
			roles = slices.Sorted(slices.Values(q.operation.Roles))
		default:
			roles = slices.DeleteFunc(roles, func(role string) bool { return !slices.Contains(q.operation.Roles, role) })
		}
	}
	return roles
}

// fits says why a constant cannot be the value of a parameter with this schema; "" if it can.
func fits(text string, schema *openapi3.SchemaRef) string {
	if schema == nil || schema.Value == nil {
		return ""
	}
	var v any = text
	var err error
	switch {
	case schema.Value.Type.Is("integer"), schema.Value.Type.Is("number"):
		v, err = strconv.ParseFloat(text, 64)
	case schema.Value.Type.Is("boolean"):
		v, err = strconv.ParseBool(text)
	}
	if err != nil || schema.Value.VisitJSON(v) != nil {
		return fmt.Sprintf("%q is not what the contract allows there", text)
	}
	return ""
}

// url is that of the part for the screen's parameters. A parameter of the query that is not given is left out.
func (q part) url(params map[string]string, query url.Values) *url.URL {
	var path, raw strings.Builder
	for _, s := range q.segments {
		v := s.constant
		if s.parameter != "" {
			v = params[s.parameter]
		}
		path.WriteString("/" + v)
		raw.WriteString("/" + url.PathEscape(v))
	}
	out := url.Values{}
	for _, n := range q.query {
		switch {
		case n.parameter == "":
			out.Set(n.name, n.constant)
		case params[n.parameter] != "":
			out.Set(n.name, params[n.parameter])
		case query.Has(n.parameter):
			out[n.name] = query[n.parameter]
		}
	}
	return &url.URL{Path: path.String(), RawPath: raw.String(), RawQuery: out.Encode()}
}
