package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
)

// catalog is the file's content. services/components reads it; the names here are the names there.
type catalog struct {
	Contrib    string      `json:"contrib"`
	Dapr       string      `json:"dapr"`
	Components []component `json:"components"`
}

// component is one type in one version.
type component struct {
	Type    string   `json:"type"`
	Version string   `json:"version"`
	Aliases []string `json:"aliases,omitempty"` // other types that are the same
	Status  string   `json:"status,omitempty"`
	// Of bindings only.
	Input      bool     `json:"input,omitempty"`
	Output     bool     `json:"output,omitempty"`
	Operations []string `json:"operations,omitempty"`
	// Unlisted: Dapr registers it and publishes no list of its fields.
	Unlisted bool      `json:"unlisted,omitempty"`
	Fields   []field   `json:"fields,omitempty"`
	Profiles []profile `json:"profiles,omitempty"`
	// ReadToo are fields that the code reads and the list does not have: old names, mostly.
	ReadToo []string `json:"read_too,omitempty"`
}

type field struct {
	Name       string   `json:"name"`
	Kind       string   `json:"kind,omitempty"` // number, bool, duration or bytesize; none: text
	Required   bool     `json:"required,omitempty"`
	Sensitive  bool     `json:"sensitive,omitempty"`
	Deprecated bool     `json:"deprecated,omitempty"`
	Allowed    []string `json:"allowed,omitempty"`
}

// profile is one way to authenticate.
type profile struct {
	Title  string  `json:"title"`
	Fields []field `json:"fields,omitempty"`
}

// misnamed are types that a metadata.yaml calls otherwise than daprd does.
var misnamed = map[string]string{
	"crypto.jwks":                     "crypto.dapr.jwks",
	"crypto.kubernetes.secrets":       "crypto.dapr.kubernetes.secrets",
	"crypto.localstorage":             "crypto.dapr.localstorage",
	"secretstores.aws.secretsmanager": "secretstores.aws.secretmanager",
}

// merge gives each listed component the other names it is registered under, adds what is registered and not listed, and
// leaves out what is listed and not registered: a file that names it would be refused.
func merge(listed []component, registered []registration) []component {
	known := map[string]bool{}
	for _, r := range registered {
		for _, version := range r.versions {
			known[r.name+"/"+version] = true
		}
	}
	for i, c := range listed {
		if name, ok := misnamed[c.Type]; ok {
			listed[i].Type = name
		}
	}
	listed = slices.DeleteFunc(listed, func(c component) bool { return !known[c.Type+"/"+c.Version] })
	at := map[string]int{}
	for i, c := range listed {
		at[c.Type+"/"+c.Version] = i
	}
	for _, r := range registered {
		for _, version := range r.versions {
			if _, ok := at[r.name+"/"+version]; ok {
				continue
			}
			same := slices.IndexFunc(listed, func(c component) bool {
				return c.Version == version && slices.Contains(r.together, c.Type) && !c.Unlisted
			})
			if same >= 0 {
				listed[same].Aliases = append(listed[same].Aliases, r.name)
				continue
			}
			at[r.name+"/"+version] = len(listed)
			listed = append(listed, component{Type: r.name, Version: version, Unlisted: true})
		}
	}
	for i := range listed {
		slices.Sort(listed[i].Aliases)
		listed[i].Aliases = slices.Compact(listed[i].Aliases)
	}
	slices.SortFunc(listed, func(a, b component) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Version, b.Version))
	})
	return listed
}

// encode writes one component a line, so that a change of version shows in a diff as what it is.
func encode(c catalog) ([]byte, error) {
	var out bytes.Buffer
	head, err := json.Marshal(map[string]string{"contrib": c.Contrib, "dapr": c.Dapr})
	if err != nil {
		return nil, err
	}
	out.Write(head[:len(head)-1])
	out.WriteString(`,"components":[`)
	for i, component := range c.Components {
		line, err := json.Marshal(component)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteByte('\n')
		out.Write(line)
	}
	out.WriteString("\n]}\n")
	return out.Bytes(), nil
}
