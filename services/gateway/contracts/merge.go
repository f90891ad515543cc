package contracts

import (
	"fmt"
	"reflect"
	"strings"
)

// refPrefix begins a reference to a component.
const refPrefix = "#/components/"

// extensionService names, on each operation of the merged document, the service that answers.
const extensionService = "x-sidecart-service"

// merge makes one document of several. Components of one name and one content become one; of one name and
// different contents, the later one gets its service's name in front. An operation that an earlier contract has
// is left out. The inputs are not changed.
func merge(contracts []*Contract) map[string]any {
	m := &merger{components: map[string]any{}, paths: map[string]any{}, operations: map[string]bool{}, tagged: map[string]bool{}, tags: []any{}}
	for _, c := range contracts {
		m.add(c)
	}
	return map[string]any{
		"openapi": "3.0.3",
		"info": map[string]any{
			"title": "sidecart", "version": "1.0.0",
			"description": "Everything that a shop's front end may call. Every list answers {items, next_cursor}; every error is a problem " +
				"document (RFC 9457) with a stable code and a trace_id. 503 with Retry-After is safe to repeat.",
		},
		"servers": []any{map[string]any{"url": "/"}},
		"tags":    m.tags, "paths": m.paths, "components": m.components,
	}
}

type merger struct {
	components map[string]any // section → name → component
	paths      map[string]any
	tags       []any
	tagged     map[string]bool
	operations map[string]bool
}

func (m *merger) add(c *Contract) {
	renamed := m.renames(c)
	own := object(c.doc["components"])
	for section, names := range own {
		into := object(m.components[section])
		if into == nil {
			into = map[string]any{}
			m.components[section] = into
		}
		for name, component := range object(names) {
			into[lastOf(renamed, section, name)] = rewrite(component, renamed)
		}
	}
	tags, _ := c.doc["tags"].([]any)
	for _, t := range tags {
		if name, _ := object(t)["name"].(string); !m.tagged[name] {
			m.tagged[name] = true
			m.tags = append(m.tags, t)
		}
	}
	for path, item := range object(c.doc["paths"]) {
		m.addPath(c, path, object(rewrite(item, renamed)))
	}
}

// addPath adds the operations of one path. What applies to the whole path item moves into its operations, because
// another service may answer other methods of the same path; so does what the whole document says of security.
func (m *merger) addPath(c *Contract, path string, item map[string]any) {
	into := object(m.paths[path])
	if into == nil {
		into = map[string]any{}
		m.paths[path] = into
	}
	shared, _ := item["parameters"].([]any)
	for _, method := range methods {
		key := strings.ToLower(method)
		op := object(item[key])
		if op == nil || into[key] != nil {
			continue
		}
		op[extensionService] = c.Service
		if security, said := c.doc["security"]; said && op["security"] == nil {
			op["security"] = security
		}
		if own, _ := op["parameters"].([]any); len(shared) > 0 {
			op["parameters"] = withShared(own, shared)
		}
		if id, _ := op["operationId"].(string); id != "" {
			for m.operations[id] {
				id = c.Service + title(id)
			}
			m.operations[id] = true
			op["operationId"] = id
		}
		into[key] = op
	}
}

// withShared puts a path item's parameters before an operation's, which override those of the same name.
func withShared(own, shared []any) []any {
	out := []any{}
	for _, s := range shared {
		overridden := false
		for _, o := range own {
			a, b := object(s), object(o)
			overridden = overridden || a["name"] != nil && a["name"] == b["name"] && a["in"] == b["in"]
		}
		if !overridden {
			out = append(out, s)
		}
	}
	return append(out, own...)
}

// renames finds which components of c need another name, by their references. A component also needs one when it
// refers to one that does and its name is taken, so the search is repeated until nothing changes.
func (m *merger) renames(c *Contract) map[string]string {
	renamed := map[string]string{}
	for again := true; again; {
		again = false
		for section, names := range object(c.doc["components"]) {
			taken := object(m.components[section])
			for name, component := range object(names) {
				ref := refPrefix + section + "/" + name
				there, conflict := taken[name]
				if renamed[ref] != "" || !conflict || reflect.DeepEqual(there, rewrite(component, renamed)) {
					continue
				}
				renamed[ref] = refPrefix + section + "/" + freeName(taken, object(names), title(c.Service)+name)
				again = true
			}
		}
	}
	return renamed
}

// freeName is name, with a number if it is taken.
func freeName(taken, own map[string]any, name string) string {
	free := name
	for n := 2; taken[free] != nil || own[free] != nil; n++ {
		free = fmt.Sprintf("%s%d", name, n)
	}
	return free
}

// lastOf is the name that a component has after the renames.
func lastOf(renamed map[string]string, section, name string) string {
	if to := renamed[refPrefix+section+"/"+name]; to != "" {
		return strings.TrimPrefix(to, refPrefix+section+"/")
	}
	return name
}

// named are the members whose own members have names of the author's choice and not of the format's.
var named = map[string]bool{"properties": true, "responses": true, "headers": true, "content": true}

// rewrite is a deep copy of v with its references renamed. Examples hold data, not references.
func rewrite(v any, renamed map[string]string) any {
	return rewriteIn(v, renamed, false)
}

func rewriteIn(v any, renamed map[string]string, names bool) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, child := range v {
			ref, isText := child.(string)
			switch {
			case !names && k == "$ref" && isText && renamed[ref] != "":
				out[k] = renamed[ref]
			case !names && (k == "example" || k == "default" || k == "enum"):
				out[k] = child
			default:
				out[k] = rewriteIn(child, renamed, !names && named[k])
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, child := range v {
			out[i] = rewriteIn(child, renamed, false)
		}
		return out
	default:
		return v
	}
}

// title is s with an upper-case first letter.
func title(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
