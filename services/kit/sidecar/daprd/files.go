package daprd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sidecart/sidecart/services/kit/sidecar/setfiles"
)

// resources is what the sidecar is given of a set: the components named in only, every secret store, and no scopes.
func resources(set string, only []string) ([]byte, error) {
	files, err := setfiles.List(set)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no .yaml file in %s", set)
	}
	var out bytes.Buffer
	var there []string
	for _, file := range files {
		documents, err := components(file)
		if err != nil {
			return nil, err
		}
		for _, d := range documents {
			there = append(there, d.name)
			if !slices.Contains(only, d.name) && !strings.HasPrefix(d.kind, "secretstores.") {
				continue
			}
			text, err := yaml.Marshal(d.node)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			out.WriteString("---\n")
			out.Write(text)
		}
	}
	for _, name := range only {
		if !slices.Contains(there, name) {
			return nil, fmt.Errorf("no component named %q in %s (there are: %s)", name, set, strings.Join(there, ", "))
		}
	}
	return out.Bytes(), nil
}

// component is one document of kind Component.
type component struct {
	name, kind string // kind is spec.type
	node       *yaml.Node
}

// components reads the Component documents of a file and takes their scopes away. Other kinds are passed over.
func components(file string) ([]component, error) {
	text, err := setfiles.Read(file)
	if err != nil {
		return nil, err
	}
	var found []component
	for in := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var node yaml.Node
		if err := in.Decode(&node); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		var head struct {
			Kind     string `yaml:"kind"`
			Metadata struct {
				Name string `yaml:"name"`
			} `yaml:"metadata"`
			Spec struct {
				Type string `yaml:"type"`
			} `yaml:"spec"`
		}
		if err := node.Decode(&head); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if head.Kind != "Component" || len(node.Content) == 0 || node.Content[0].Kind != yaml.MappingNode {
			continue
		}
		withoutMember(node.Content[0], "scopes")
		found = append(found, component{head.Metadata.Name, head.Spec.Type, &node})
	}
}

func withoutMember(mapping *yaml.Node, name string) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			mapping.Content = slices.Delete(mapping.Content, i, i+2)
			return
		}
	}
}
