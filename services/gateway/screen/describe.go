package screen

import (
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// tag is that of the screens in the contract; bearer is the services' name of how a caller says who he is.
const (
	tag    = "screens"
	bearer = "bearer"
)

// Describe adds the screens to the merged contract, an OpenAPI 3.0 document as plain JSON values: each with a schema made of
// those that its parts' operations have there. A screen with an operation that doc does not have is left out. A nil Set adds
// nothing.
func (s *Set) Describe(doc map[string]any) {
	if s == nil {
		return
	}
	answers := answersOf(doc)
	paths, _ := doc["paths"].(map[string]any)
	described := false
	for _, called := range slices.Sorted(maps.Keys(s.plans)) {
		p := s.plans[called]
		if !slices.ContainsFunc(p.parts, func(q part) bool { return answers[q.operation.ID] == nil }) && paths != nil {
			op := p.operation(answers)
			op["security"] = []any{}
			if !slices.Contains(p.roles, Anyone) && at(doc, "components", "securitySchemes", bearer) != nil {
				op["security"] = []any{map[string]any{bearer: []any{}}}
			}
			paths[p.template] = map[string]any{"get": op}
			described = true
		}
	}
	if described {
		tags, _ := doc["tags"].([]any)
		doc["tags"] = append(tags, map[string]any{"name": tag, "description": "What a screen of an app shows, in one answer"})
	}
}

// OperationID is a screen's in the contract.
func OperationID(screen string) string {
	return "screen" + strings.ToUpper(screen[:1]) + screen[1:]
}

func (p *plan) operation(answers map[string]any) map[string]any {
	summary := p.summary
	if summary == "" {
		summary = "The screen " + p.name
	}
	properties, required := map[string]any{}, []any{}
	names := []any{}
	for _, q := range p.parts {
		properties[q.name] = answers[q.operation.ID]
		names = append(names, q.name)
		if q.required {
			required = append(required, q.name)
		}
	}
	parts := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 { // an empty list is not allowed
		parts["required"] = required
	}
	parameters := []any{}
	for _, q := range slices.Concat(p.path, p.query) {
		parameters = append(parameters, parameterJSON(q))
	}
	roles := []any{}
	for _, r := range p.roles {
		roles = append(roles, r)
	}
	return map[string]any{
		"operationId": OperationID(p.name), "tags": []any{tag}, "summary": summary, "parameters": parameters, "x-roles": roles,
		"x-sidecart-service": "gateway",
		"description":        "A part that could not be had is in missing; one that is required fails the screen as it failed itself, with the member part in the problem document.",
		"responses": map[string]any{
			"200": map[string]any{
				"description": "The parts that could be had, as their own operations answer",
				"content": map[string]any{"application/json": map[string]any{"schema": map[string]any{
					"type": "object", "additionalProperties": false, "required": []any{"parts", "missing"},
					"properties": map[string]any{
						"parts": parts,
						"missing": map[string]any{"type": "array", "maxItems": len(p.parts), "items": map[string]any{
							"type": "object", "additionalProperties": false, "required": []any{"part", "code"},
							"properties": map[string]any{
								"part": map[string]any{"type": "string", "enum": names},
								"code": map[string]any{"type": "string", "description": "Of the problem that its operation answered with, or out_of_budget, too_large"},
							},
						}},
					},
				}}},
			},
			"default": map[string]any{
				"description": "The problem document of a part that the screen requires",
				"content":     map[string]any{"application/problem+json": map[string]any{"schema": problemSchema()}},
			},
		},
	}
}

func problemSchema() map[string]any {
	text := map[string]any{"type": "string"}
	return map[string]any{
		"type": "object", "required": []any{"type", "title", "status", "detail", "code", "trace_id"},
		"properties": map[string]any{
			"type": text, "title": text, "status": map[string]any{"type": "integer"}, "detail": text, "code": text, "trace_id": text,
			"part": map[string]any{"type": "string", "description": "The part that failed"},
		},
	}
}

// parameterJSON is a parameter with its schema written out: its reference is of another document.
func parameterJSON(p *openapi3.Parameter) map[string]any {
	out := map[string]any{"name": p.Name, "in": p.In, "required": p.Required}
	if p.Description != "" {
		out["description"] = p.Description
	}
	if p.Example != nil {
		out["example"] = p.Example
	}
	out["schema"] = map[string]any{"type": "string"}
	if p.Schema != nil && p.Schema.Value != nil {
		out["schema"] = p.Schema.Value
	}
	return out
}

// answersOf are the schemas of the JSON answers 200 in doc, by operationId.
func answersOf(doc map[string]any) map[string]any {
	out := map[string]any{}
	paths, _ := doc["paths"].(map[string]any)
	for _, item := range paths {
		operations, _ := item.(map[string]any)
		get := operations["get"]
		if id, ok := at(get, "operationId").(string); ok {
			out[id] = at(get, "responses", "200", "content", "application/json", "schema")
		}
	}
	return out
}

// at walks down the members of JSON objects; nil where one is missing.
func at(v any, names ...string) any {
	for _, n := range names {
		m, _ := v.(map[string]any)
		v = m[n]
	}
	return v
}
