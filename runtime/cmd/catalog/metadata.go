package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	contrib "github.com/dapr/components-contrib/metadata"
	"go.yaml.in/yaml/v3"
)

// metadataFile is what we read of a metadata.yaml; its schema is component-metadata-schema.json of components-contrib.
type metadataFile struct {
	Type, Name, Version, Status string
	Capabilities                []string
	Binding                     struct {
		Input, Output bool
		Operations    []struct{ Name string }
	}
	Metadata []listedField
	Own      []listedProfile `yaml:"authenticationProfiles"`
	Builtin  []struct {
		Name     string
		Metadata []listedField
	} `yaml:"builtinAuthenticationProfiles"`
}

type listedProfile struct {
	Title    string
	Metadata []listedField
}

type listedField struct {
	Name          string
	Type          string
	Required      bool
	Sensitive     bool
	Deprecated    bool
	Default       string
	AllowedValues []string `yaml:"allowedValues"`
}

// readMetadata reads every metadata.yaml below a components-contrib folder that describes a component of a set.
func readMetadata(dir string) ([]component, error) {
	var all []component
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() != "metadata.yaml" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var m metadataFile
		if err := yaml.Unmarshal(text, &m); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if m.Type == "nameresolution" { // is named in a Configuration, not in a component file
			return nil
		}
		c, err := m.component()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if c.ReadToo, err = fieldsInCode(dir, filepath.Dir(path), c); err != nil {
			return err
		}
		all = append(all, c)
		return nil
	})
	return all, err
}

func (m metadataFile) component() (component, error) {
	block := m.Type
	if block == "middleware" {
		block = "middleware.http"
	}
	c := component{
		Type: block + "." + m.Name, Version: m.Version, Status: m.Status,
		Input: m.Binding.Input, Output: m.Binding.Output, Fields: fieldsOf(m.Metadata),
	}
	for _, o := range m.Binding.Operations {
		c.Operations = append(c.Operations, o.Name)
	}
	for _, p := range m.Own {
		c.Profiles = append(c.Profiles, profile{Title: p.Title, Fields: fieldsOf(p.Metadata)})
	}
	for _, b := range m.Builtin {
		shared, ok := builtinProfiles[b.Name]
		if !ok {
			return component{}, fmt.Errorf("the built-in authentication profile %q is not known to this generator: add it to profiles.go", b.Name)
		}
		for _, p := range shared {
			c.Profiles = append(c.Profiles, profile{Title: p.Title, Fields: append(fieldsOf(b.Metadata), p.Fields...)})
		}
	}
	if err := c.addRuntimeFields(m); err != nil {
		return component{}, err
	}
	return c, nil
}

// readConcurrencyMode are brokers whose code reads this field (pubsub.Concurrency) and whose list has another name for it.
var readConcurrencyMode = []string{"pubsub.jetstream", "pubsub.rabbitmq"}

// addRuntimeFields adds the fields that the runtime itself reads, which no metadata.yaml lists.
func (c *component) addRuntimeFields(m metadataFile) error {
	kind := contrib.ComponentType(m.Type)
	if !kind.IsValid() {
		return fmt.Errorf("type %q is no building block", m.Type)
	}
	names := kind.BuiltInMetadataProperties()
	switch kind {
	case contrib.StateStoreType:
		names = append(names, "primaryEncryptionKey", "secondaryEncryptionKey") // dapr/pkg/encryption
		if slices.Contains(m.Capabilities, "transactional") {
			names = append(names, "outboxPublishPubsub", "outboxPublishTopic", "outboxPubsub", "outboxDiscardWhenMissingState") // dapr/pkg/runtime/pubsub
		}
	case contrib.PubSubType:
		names = append(names, "consumerID", "allowedTopics", "protectedTopics", "publishingScopes", "subscriptionScopes") // dapr/pkg/scopes
	case contrib.BindingType:
		names = append(names, "direction", "route") // dapr/pkg/runtime/processor/binding
	}
	if slices.Contains(readConcurrencyMode, c.Type) {
		names = append(names, "concurrencyMode")
	}
	for _, name := range names {
		f := field{Name: name, Sensitive: strings.HasSuffix(name, "EncryptionKey")}
		switch name {
		case "actorStateStore", "outboxDiscardWhenMissingState":
			f.Kind = "bool"
		case "concurrencyMode":
			f.Allowed = []string{"single", "parallel"}
		case "direction":
			f.Allowed = directions(c.Input, c.Output)
		case "route":
			if !c.Input {
				continue
			}
		}
		if name == "actorStateStore" && !slices.Contains(m.Capabilities, name) {
			continue
		}
		if !slices.ContainsFunc(c.Fields, func(f field) bool { return f.Name == name }) {
			c.Fields = append(c.Fields, f)
		}
	}
	return nil
}

func directions(input, output bool) []string {
	switch {
	case input && output:
		return []string{"input", "output", "input, output", "input,output"}
	case input:
		return []string{"input"}
	default:
		return []string{"output"}
	}
}

func fieldsOf(listed []listedField) []field {
	var fields []field
	for _, l := range listed {
		f := field{
			Name: strings.TrimSpace(l.Name), Kind: strings.TrimSpace(l.Type),
			Required:  l.Required && l.Default == "", // some are called required and have a default: they are not
			Sensitive: l.Sensitive, Deprecated: l.Deprecated, Allowed: l.AllowedValues,
		}
		if f.Kind == "string" {
			f.Kind = ""
		}
		fields = append(fields, f)
	}
	return fields
}

// fieldsInCode are the names in the `mapstructure` tags of a component's own folder, and of what it imports from
// components-contrib/common, that its list does not have. Some belong to other structs than its metadata; then a wrong name
// is accepted, which is the lesser mistake.
func fieldsInCode(root, dir string, c component) ([]string, error) {
	known := map[string]bool{}
	for _, f := range c.Fields {
		known[f.Name] = true
	}
	for _, p := range c.Profiles {
		for _, f := range p.Fields {
			known[f.Name] = true
		}
	}
	var found []string
	imported, err := tagsIn(dir, known, &found)
	if err != nil {
		return nil, err
	}
	const common = "github.com/dapr/components-contrib/common/"
	for _, path := range imported {
		if below, ok := strings.CutPrefix(path, common); ok {
			if _, err := tagsIn(filepath.Join(root, "common", below), known, &found); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(found)
	return found, nil
}

// tagsIn adds the names in the tags of a folder's files to known, those that are new also to found, and returns what the
// files import.
func tagsIn(dir string, known map[string]bool, found *[]string) (imported []string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, i := range tree.Imports {
			imported = append(imported, unquoted(i.Path))
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			f, ok := n.(*ast.Field)
			if !ok || f.Tag == nil {
				return true
			}
			for _, name := range tagNames(f.Tag.Value) {
				if !known[name] {
					known[name] = true
					*found = append(*found, name)
				}
			}
			return true
		})
	}
	return imported, nil
}

func tagNames(literal string) []string {
	text, err := strconv.Unquote(literal)
	if err != nil {
		return nil
	}
	tag := reflect.StructTag(text)
	name, _, _ := strings.Cut(tag.Get("mapstructure"), ",")
	if name == "" || name == "-" {
		return nil
	}
	names := []string{name}
	for alias := range strings.SplitSeq(tag.Get("mapstructurealiases"), ",") {
		if alias = strings.TrimSpace(alias); alias != "" {
			names = append(names, alias)
		}
	}
	return names
}
