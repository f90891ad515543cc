package contracts

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// What the page shows, in its order.
type (
	docsPage struct {
		Title, Description string
		Missing            []string
		Groups             []docsGroup
	}
	docsGroup struct {
		Service    string
		Operations []docsOperation
	}
	docsOperation struct {
		Steps                                  []string // the path in parts, for breaking lines
		ID, Method, Path, Summary, Description string
		Parameters                             []docsField
		Body                                   []docsField
		Curl                                   string
		Answers                                []docsAnswer
	}
	docsField struct {
		Name, In, Type, Description string
		Required                    bool
	}
	docsAnswer struct {
		Status, Class, Description, Example string
		Fields                              []docsField
	}
)

// renderPage makes the page for people from the merged document; own is the service
// whose operations come last, base begins the addresses of the examples.
func renderPage(doc *openapi3.T, missing []string, own, base string) ([]byte, error) {
	page := docsPage{Title: doc.Info.Title, Description: doc.Info.Description, Missing: missing}
	for _, path := range sortedPaths(doc) {
		item := doc.Paths.Value(path)
		for _, method := range methods {
			op := item.GetOperation(method)
			if op == nil {
				continue
			}
			service, _ := op.Extensions[extensionService].(string)
			group := page.group(service, own)
			group.Operations = append(group.Operations, describe(base, path, method, op))
		}
	}
	return page.render()
}

// group finds the group of a service or begins it; the gateway's own comes last.
func (p *docsPage) group(service, own string) *docsGroup {
	i := slices.IndexFunc(p.Groups, func(g docsGroup) bool { return g.Service == service })
	if i < 0 {
		p.Groups = append(p.Groups, docsGroup{Service: service})
		slices.SortStableFunc(p.Groups, func(a, b docsGroup) int {
			if last := strings.Compare(strconv.FormatBool(a.Service == own), strconv.FormatBool(b.Service == own)); last != 0 {
				return last
			}
			return strings.Compare(a.Service, b.Service)
		})
		return p.group(service, own)
	}
	return &p.Groups[i]
}

func describe(base, path, method string, op *openapi3.Operation) docsOperation {
	out := docsOperation{Steps: strings.SplitAfter(path, "/"), ID: op.OperationID, Method: method, Path: path, Summary: op.Summary, Description: op.Description}
	for _, p := range op.Parameters {
		out.Parameters = append(out.Parameters, docsField{
			Name: p.Value.Name, In: p.Value.In, Type: typeOf(p.Value.Schema), Description: p.Value.Description, Required: p.Value.Required,
		})
	}
	var body any
	if op.RequestBody != nil {
		if media := op.RequestBody.Value.Content.Get("application/json"); media != nil {
			out.Body = fields(media.Schema)
			body = example(media)
		}
	}
	out.Curl = curl(base, path, method, op, body)
	for status, answer := range op.Responses.Map() {
		a := docsAnswer{Status: status, Class: status[:1]}
		if answer.Value.Description != nil {
			a.Description = *answer.Value.Description
		}
		for _, media := range answer.Value.Content {
			a.Example = pretty(example(media))
			if a.Class == "2" {
				a.Fields = fields(media.Schema)
			}
		}
		out.Answers = append(out.Answers, a)
	}
	slices.SortFunc(out.Answers, func(a, b docsAnswer) int { return strings.Compare(a.Status, b.Status) })
	return out
}

// maxDocsDepth bounds how deep the members of members are listed; deeper ones are in the OpenAPI document.
const maxDocsDepth = 3

// fields lists an object's members, those of inner objects and lists by their paths.
func fields(schema *openapi3.SchemaRef) []docsField {
	var out []docsField
	addFields(&out, "", schema, 0)
	return out
}

func addFields(out *[]docsField, prefix string, schema *openapi3.SchemaRef, depth int) {
	if schema == nil || schema.Value == nil || depth > maxDocsDepth {
		return
	}
	s := schema.Value
	for _, part := range s.AllOf {
		addFields(out, prefix, part, depth)
	}
	if s.Items != nil {
		addFields(out, prefix+"[]", s.Items, depth)
		return
	}
	names := make([]string, 0, len(s.Properties))
	for name := range s.Properties {
		names = append(names, name)
	}
	required := func(name string) bool { return slices.Contains(s.Required, name) }
	slices.SortFunc(names, func(a, b string) int {
		if required(a) != required(b) {
			return strings.Compare(strconv.FormatBool(required(b)), strconv.FormatBool(required(a)))
		}
		return strings.Compare(a, b)
	})
	for _, name := range names {
		full := strings.TrimPrefix(prefix+"."+name, ".")
		p := s.Properties[name]
		*out = append(*out, docsField{Name: full, Type: typeOf(p), Description: p.Value.Description, Required: required(name)})
		addFields(out, full, p, depth+1)
	}
}

// typeOf words a schema's type and bounds.
func typeOf(ref *openapi3.SchemaRef) string {
	if ref == nil || ref.Value == nil {
		return ""
	}
	s := ref.Value
	text := strings.Join(s.Type.Slice(), " or ")
	if s.Items != nil {
		text = "list of " + typeOf(s.Items)
	}
	if s.Format != "" && s.Format != "int64" {
		text += ", " + s.Format
	}
	if len(s.Enum) > 0 {
		values := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			values[i] = fmt.Sprint(v)
		}
		text = strings.Join(values, " | ")
	}
	switch {
	case s.Min != nil && s.Max != nil:
		text += fmt.Sprintf(", %s to %s", number(*s.Min), number(*s.Max))
	case s.Min != nil:
		text += ", from " + number(*s.Min)
	case s.Max != nil:
		text += ", up to " + number(*s.Max)
	}
	if s.MaxLength != nil {
		text += fmt.Sprintf(", at most %d characters", *s.MaxLength)
	}
	return strings.TrimPrefix(text, ", ")
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// example is what a contract gives as one.
func example(media *openapi3.MediaType) any {
	if media.Example != nil {
		return media.Example
	}
	for _, e := range media.Examples {
		if e.Value != nil {
			return e.Value.Value
		}
	}
	if media.Schema != nil && media.Schema.Value != nil {
		return media.Schema.Value.Example
	}
	return nil
}

func pretty(v any) string {
	if v == nil {
		return ""
	}
	text, err := json.Marshal(v, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return ""
	}
	return string(text)
}

// curl words the operation as a line for the shell, with the examples of its parameters.
func curl(base, path, method string, op *openapi3.Operation, body any) string {
	query, headers := []string{}, []string{}
	for _, p := range op.Parameters {
		v := p.Value.Example
		if v == nil && p.Value.Schema != nil && p.Value.Schema.Value != nil {
			v = p.Value.Schema.Value.Example
		}
		text := strings.ToUpper(p.Value.Name)
		if v != nil {
			text = fmt.Sprint(v)
		}
		switch {
		case p.Value.In == "path":
			path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", text)
		case p.Value.In == "query" && p.Value.Required:
			query = append(query, p.Value.Name+"="+text)
		case p.Value.In == "header" && p.Value.Required:
			headers = append(headers, " \\\n  -H "+quote(p.Value.Name+": "+text))
		}
	}
	target := base + path
	if len(query) > 0 {
		target += "?" + strings.Join(query, "&")
	}
	line := "curl -sS"
	if method != "GET" {
		line += " -X " + method
	}
	line += " " + quote(target) + strings.Join(headers, "")
	if body != nil {
		text, _ := json.Marshal(body, json.Deterministic(true)) // it came from JSON
		line += " \\\n  -H 'Content-Type: application/json' \\\n  -d " + quote(string(text))
	}
	return line
}

// quote makes text one word for the shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
