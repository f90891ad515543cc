package servers

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"
)

const (
	maxFileBytes  = 1 << 20
	envStoreType  = "secretstores.local.env"
	prefixSetting = "prefix"
)

// Set is what a component set needs around it.
type Set struct {
	types     []string // of its components, such as "state.redis"
	variables []string // environment variables that its components take values from
}

// component is a Dapr component's file, as far as it matters here.
type component struct {
	Kind     string
	Metadata struct{ Name string }
	Auth     struct {
		SecretStore string `yaml:"secretStore"`
	}
	Spec struct {
		Type     string
		Metadata []struct {
			Name         string
			Value        any
			SecretKeyRef struct{ Name string } `yaml:"secretKeyRef"`
		}
	}
}

// ReadSet reads the component files of a folder. What else is wrong with them is for daprd to say; here an unreadable
// file is an error that names it.
func ReadSet(dir string) (Set, error) {
	var set Set
	var found []component
	entries, err := os.ReadDir(dir)
	if err != nil {
		return set, fmt.Errorf("component set: %w", err)
	}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); e.IsDir() || ext != ".yaml" && ext != ".yml" {
			continue
		}
		more, err := readFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return set, fmt.Errorf("component set: %w", err)
		}
		found = append(found, more...)
	}
	prefixes := map[string]string{} // of the stores that are the environment
	for _, c := range found {
		set.types = append(set.types, c.Spec.Type)
		if c.Spec.Type != envStoreType {
			continue
		}
		prefixes[c.Metadata.Name] = ""
		for _, m := range c.Spec.Metadata {
			if text, ok := m.Value.(string); ok && m.Name == prefixSetting {
				prefixes[c.Metadata.Name] = text
			}
		}
	}
	for _, c := range found {
		prefix, ok := prefixes[c.Auth.SecretStore]
		if !ok {
			continue
		}
		for _, m := range c.Spec.Metadata {
			if m.SecretKeyRef.Name != "" {
				set.variables = append(set.variables, prefix+m.SecretKeyRef.Name)
			}
		}
	}
	return set, nil
}

func readFile(path string) ([]component, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	documents := yaml.NewDecoder(io.LimitReader(f, maxFileBytes))
	var out []component
	for {
		var c component
		err := documents.Decode(&c)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if c.Kind == "Component" {
			out = append(out, c)
		}
	}
}

// Has reports whether a component of the set has this type, such as "pubsub.jetstream".
func (s Set) Has(componentType string) bool { return slices.Contains(s.types, componentType) }

// reads reports whether a component of the set takes a value from an environment variable.
func (s Set) reads(variable string) bool { return slices.Contains(s.variables, variable) }
