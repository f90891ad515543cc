package components

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sidecart/sidecart/services/kit/sidecar/setfiles"
	"github.com/sidecart/sidecart/services/kit/suggest"
)

// read reads every file that daprd would read: those that end in .yaml or .yml, not those in folders below.
func read(dir string) (Set, []Finding, error) {
	set := Set{Dir: dir}
	files, err := setfiles.List(dir)
	if err != nil {
		return set, nil, err
	}
	if len(files) == 0 {
		return set, nil, fmt.Errorf("%s: no .yaml file: a component set has one for each component, as %s", dir, setsIn(dir))
	}
	var findings []Finding
	for _, file := range files {
		text, err := setfiles.Read(file)
		if err != nil {
			return set, nil, err
		}
		r := reader{file: file}
		r.documents(text)
		set.Components = append(set.Components, r.components...)
		findings = append(findings, r.findings...)
	}
	return set, findings, nil
}

// setsIn names the sets in folders below dir, for somebody who meant one of them; without any, one of ours.
func setsIn(dir string) string {
	var sets []string
	entries, _ := os.ReadDir(dir) // what cannot be read only costs the hint
	for _, e := range entries {
		below := filepath.Join(dir, e.Name())
		if files, err := setfiles.List(below); err == nil && len(files) > 0 && len(sets) < suggest.MaxNamed {
			sets = append(sets, below)
		}
	}
	if len(sets) == 0 {
		return "components/embedded"
	}
	return strings.Join(sets, ", ")
}

// reader turns one file into components. By hand and not by a struct decoder: a finding needs its line, and a misspelt
// key, which daprd passes over in silence, must not be.
type reader struct {
	file       string
	components []Component
	findings   []Finding
	current    string // name of the component being read
}

func (r *reader) errorf(line int, field, format string, args ...any) {
	r.findings = append(r.findings, Finding{
		File: r.file, Line: line, Component: r.current, Field: field, Message: fmt.Sprintf(format, args...), Severity: Error,
	})
}

func (r *reader) documents(text []byte) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var doc yaml.Node
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			r.current = ""
			r.errorf(lineOf(err), "", "daprd would pass over this file: %s", strings.TrimPrefix(err.Error(), "yaml: "))
			return
		}
		if len(doc.Content) == 1 && !isNull(doc.Content[0]) {
			r.document(doc.Content[0])
		}
	}
}

// lineOf finds the line in a parser's error, which gives it in words only.
func lineOf(err error) int {
	var line int
	if _, after, ok := strings.Cut(err.Error(), "line "); ok {
		_, _ = fmt.Sscanf(after, "%d", &line)
	}
	return line
}

// kustomizeGroup begins the apiVersion of the file by which k8s/ takes a set's files as they are.
const kustomizeGroup = "kustomize.config.k8s.io/"

// otherKinds are documents of Dapr's that may stand in a resources folder and are no component.
var otherKinds = []string{"Configuration", "HTTPEndpoint", "MCPServer", "Resiliency", "Subscription", "WorkflowAccessPolicy"}

func (r *reader) document(n *yaml.Node) {
	r.current = ""
	c := Component{File: r.file, lines: lines{name: n.Line, kind: n.Line, version: n.Line, fields: n.Line, secretStore: n.Line, scopes: n.Line}}
	if n.Kind != yaml.MappingNode {
		r.errorf(n.Line, "", "want a Dapr component, with the keys apiVersion, kind, metadata and spec")
		return
	}
	kind, api := child(n, "kind"), child(n, "apiVersion")
	if kind != nil && api != nil && slices.Contains(otherKinds, kind.Value) && strings.HasPrefix(api.Value, "dapr.io/") {
		return
	}
	if kind != nil && api != nil && kind.Value == "Kustomization" && strings.HasPrefix(api.Value, kustomizeGroup) {
		return
	}
	if name := child(child(n, "metadata"), "name"); name != nil {
		c.Name, c.lines.name, r.current = name.Value, name.Line, name.Value
	}
	r.constant(n, kind, "kind", "Component")
	r.constant(n, api, "apiVersion", "dapr.io/v1alpha1")
	r.object(n, "", map[string]func(*yaml.Node){
		"apiVersion": nil, "kind": nil,
		"metadata": func(v *yaml.Node) {
			r.object(v, "metadata", map[string]func(*yaml.Node){"name": nil, "namespace": nil, "labels": nil, "annotations": nil})
		},
		"spec": func(v *yaml.Node) { r.spec(v, &c) },
		"auth": func(v *yaml.Node) {
			r.object(v, "auth", map[string]func(*yaml.Node){"secretStore": func(s *yaml.Node) {
				c.SecretStore, c.lines.secretStore = r.text(s, "auth.secretStore"), s.Line
			}})
		},
		"scopes": func(v *yaml.Node) { c.Scopes, c.lines.scopes = r.texts(v, "scopes"), v.Line },
	})
	if c.Name == "" {
		r.errorf(c.lines.name, "metadata.name", "is missing: daprd would pass over this document")
		return
	}
	if child(n, "spec") == nil {
		r.errorf(n.Line, "spec", "is missing")
	}
	r.components = append(r.components, c)
}

// constant checks a key whose value daprd insists on: it passes over a document that says something else.
func (r *reader) constant(doc, n *yaml.Node, field, want string) {
	switch {
	case n == nil:
		r.errorf(doc.Line, field, "is missing: want %s, or daprd passes over this document", want)
	case n.Value != want:
		r.errorf(n.Line, field, "is %q: want %s, or daprd passes over this document", n.Value, want)
	}
}

func (r *reader) spec(n *yaml.Node, c *Component) {
	c.lines.kind, c.lines.version, c.lines.fields = n.Line, n.Line, n.Line
	r.object(n, "spec", map[string]func(*yaml.Node){
		"type":         func(v *yaml.Node) { c.Type, c.lines.kind = r.text(v, "spec.type"), v.Line },
		"version":      func(v *yaml.Node) { c.Version, c.lines.version = r.text(v, "spec.version"), v.Line },
		"initTimeout":  func(v *yaml.Node) { c.initTimeout = scalar{r.text(v, "spec.initTimeout"), v.Line} },
		"ignoreErrors": func(v *yaml.Node) { c.ignoreErrors = scalar{r.text(v, "spec.ignoreErrors"), v.Line} },
		"metadata": func(v *yaml.Node) {
			c.lines.fields = v.Line
			if isNull(v) {
				return
			}
			if v.Kind != yaml.SequenceNode {
				r.errorf(v.Line, "spec.metadata", "want a list of name and value")
				return
			}
			for _, item := range v.Content {
				if f, ok := r.field(resolved(item)); ok {
					c.Fields = append(c.Fields, f)
				}
			}
		},
	})
}

func (r *reader) field(n *yaml.Node) (Field, bool) {
	f := Field{Line: n.Line, valueLine: n.Line}
	if name := child(n, "name"); name != nil {
		f.Name, f.Line, f.valueLine = name.Value, name.Line, name.Line
	}
	where := f.Name
	if where == "" {
		r.errorf(n.Line, "spec.metadata", "an entry without a name")
		return f, false
	}
	r.object(n, where, map[string]func(*yaml.Node){
		"name": nil,
		"value": func(v *yaml.Node) {
			if v.Kind == yaml.ScalarNode {
				f.Value, f.valueLine = scalarText(v), v.Line
				return
			}
			r.errorf(v.Line, where, "want one value; what has parts is written as JSON in quotes")
		},
		"envRef": func(v *yaml.Node) { f.Env = r.text(v, where) },
		"secretKeyRef": func(v *yaml.Node) {
			ref := SecretRef{line: v.Line}
			r.object(v, where+".secretKeyRef", map[string]func(*yaml.Node){
				"name": func(s *yaml.Node) { ref.Name = r.text(s, where+".secretKeyRef.name") },
				"key":  func(s *yaml.Node) { ref.Key = r.text(s, where+".secretKeyRef.key") },
			})
			if ref.Name == "" {
				r.errorf(v.Line, where, "secretKeyRef without a name")
				return
			}
			f.Secret = &ref
		},
	})
	return f, true
}
