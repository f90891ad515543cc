package contracts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json"
)

// PublicPrefix begins every path that a contract may open to the public.
const PublicPrefix = "/v1/"

// Bounds of what a service may say.
const (
	maxContractBytes = 1 << 20
	maxContractPaths = 1000
)

// Contract is a service's document, checked. It is immutable.
type Contract struct {
	Service string
	Version string // info.version, which its author counts up
	ETag    string // made from the document itself: hexadecimal digits
	doc     map[string]any
	ops     []*Operation
}

// Read checks a document (YAML or JSON). References to other documents are refused.
func Read(service string, raw []byte) (*Contract, error) {
	c, err := read(service, raw)
	if err != nil {
		return nil, fmt.Errorf("contract of %s: %w", service, err)
	}
	return c, nil
}

func read(service string, raw []byte) (*Contract, error) {
	if len(raw) > maxContractBytes {
		return nil, fmt.Errorf("is over %d bytes", maxContractBytes)
	}
	loader := openapi3.NewLoader()
	loader.IsExternalRefsAllowed = false
	doc, err := loader.LoadFromData(raw)
	if err != nil {
		return nil, err
	}
	if err := doc.Validate(context.Background()); err != nil {
		return nil, err
	}
	if doc.Paths.Len() > maxContractPaths {
		return nil, fmt.Errorf("%d paths are over the bound of %d", doc.Paths.Len(), maxContractPaths)
	}
	for path := range doc.Paths.Map() {
		if err := checkTemplate(path); err != nil {
			return nil, fmt.Errorf("path %s: %w", path, err)
		}
	}
	encoded, err := doc.MarshalJSON()
	if err != nil {
		return nil, err
	}
	c := &Contract{Service: service, Version: doc.Info.Version, ETag: etagOf(raw)}
	if err := json.Unmarshal(encoded, &c.doc); err != nil {
		return nil, err
	}
	if c.ops, err = operationsOf(service, doc); err != nil {
		return nil, err
	}
	return c, nil
}

// Operations lists what the contract opens, by path and method.
func (c *Contract) Operations() []*Operation { return c.ops }

// etagOf tells documents apart by their bytes.
func etagOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16])
}

// checkTemplate accepts a path that the gateway may open: below /v1/, each segment a literal or one parameter.
func checkTemplate(path string) error {
	if !strings.HasPrefix(path, PublicPrefix) {
		return fmt.Errorf("does not begin with %s", PublicPrefix)
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

// operationsOf compiles the operations of a document.
func operationsOf(service string, doc *openapi3.T) ([]*Operation, error) {
	var out []*Operation
	var wrong []error
	ids, compiled := map[string]bool{}, compiler{}
	for _, path := range sortedPaths(doc) {
		item := doc.Paths.Value(path)
		for _, method := range methods {
			op := item.GetOperation(method)
			if op == nil {
				continue
			}
			o, err := newOperation(compiled, service, method, path, item, op)
			if err != nil {
				wrong = append(wrong, fmt.Errorf("%s %s: %w", method, path, err))
				continue
			}
			if o.ID != "" && ids[o.ID] {
				wrong = append(wrong, fmt.Errorf("%s %s: the operationId %q is another operation's", method, path, o.ID))
			}
			ids[o.ID] = true
			out = append(out, o)
		}
	}
	if slices.ContainsFunc(out, func(o *Operation) bool { return !o.Silent }) {
		for _, o := range out {
			o.Silent = false
		}
	}
	return out, errors.Join(wrong...)
}

func sortedPaths(doc *openapi3.T) []string {
	paths := make([]string, 0, doc.Paths.Len())
	for path := range doc.Paths.Map() {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

// object is v as a JSON object; nil if it is none.
func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}
