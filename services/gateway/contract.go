package gateway

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json"
)

// publicPrefix begins every path that a contract may open to the public.
const publicPrefix = "/v1/"

// Bounds of what a service may say.
const (
	maxContractBytes = 1 << 20
	maxContractPaths = 1000
)

// contractOf is a service's contract as a plain JSON document, checked.
type contractOf struct {
	service string
	raw     string // as it came, to see changes
	doc     map[string]any
}

// readContract checks a contract (YAML or JSON). References to other documents are refused.
func readContract(service string, raw []byte) (contractOf, error) {
	loader := openapi3.NewLoader()
	loader.IsExternalRefsAllowed = false
	doc, err := loader.LoadFromData(raw)
	if err != nil {
		return contractOf{}, fmt.Errorf("contract of %s: %w", service, err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		return contractOf{}, fmt.Errorf("contract of %s: %w", service, err)
	}
	if doc.Paths.Len() > maxContractPaths {
		return contractOf{}, fmt.Errorf("contract of %s: %d paths are over the bound of %d", service, doc.Paths.Len(), maxContractPaths)
	}
	for path := range doc.Paths.Map() {
		if err := checkTemplate(path); err != nil {
			return contractOf{}, fmt.Errorf("contract of %s: path %s: %w", service, path, err)
		}
	}
	encoded, err := doc.MarshalJSON()
	if err != nil {
		return contractOf{}, fmt.Errorf("contract of %s: %w", service, err)
	}
	c := contractOf{service: service, raw: string(raw)}
	if err := json.Unmarshal(encoded, &c.doc); err != nil {
		return contractOf{}, fmt.Errorf("contract of %s: %w", service, err)
	}
	return c, nil
}

// checkTemplate accepts a path that the gateway may open: below /v1/, each segment a literal or one parameter.
func checkTemplate(path string) error {
	if !strings.HasPrefix(path, publicPrefix) {
		return fmt.Errorf("does not begin with %s", publicPrefix)
	}
	for _, s := range split(path) {
		inner := strings.TrimSuffix(strings.TrimPrefix(s, "{"), "}")
		whole := isParam(s) == strings.HasSuffix(s, "}")
		if s == "" || s == "." || s == ".." || inner == "" || !whole || strings.ContainsAny(inner, `{}%\?#:*`) {
			return fmt.Errorf("has the segment %q", s)
		}
	}
	return nil
}

// methods are those that a path item may have, in the order of the documentation.
var methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE"}

// routes lists the operations by path and method.
func (c contractOf) routes() []route {
	var out []route
	paths := object(c.doc["paths"])
	for _, path := range sortedKeys(paths) {
		item := object(paths[path])
		for _, m := range methods {
			op := object(item[strings.ToLower(m)])
			if op == nil {
				continue
			}
			id, _ := op["operationId"].(string)
			out = append(out, route{service: c.service, method: m, template: path, operation: id})
		}
	}
	return out
}

// object is v as a JSON object; nil if it is none.
func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
