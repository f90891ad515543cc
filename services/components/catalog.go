package components

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

//go:embed catalog.json
var catalogText []byte

// Catalog is what Dapr says about its component types, in the versions that the sidecars are built from.
type Catalog struct {
	Contrib    string `json:"contrib"` // version of components-contrib
	Dapr       string `json:"dapr"`    // version of the runtime
	Components []Spec `json:"components"`
}

// Spec describes one type in one version.
type Spec struct {
	Type    string   `json:"type"`
	Version string   `json:"version"`
	Aliases []string `json:"aliases"` // other types that are the same
	Status  string   `json:"status"`  // stable, beta, alpha, development-only
	// Of bindings only.
	Input      bool     `json:"input"`
	Output     bool     `json:"output"`
	Operations []string `json:"operations"`
	// Unlisted: Dapr knows the type and publishes no list of its fields.
	Unlisted bool        `json:"unlisted"`
	Fields   []FieldSpec `json:"fields"`
	Profiles []Profile   `json:"profiles"`
	// ReadToo are fields that the component's code reads though its list does not have them: old names, mostly.
	ReadToo []string `json:"read_too"`
}

// FieldSpec describes one field of a component's metadata.
type FieldSpec struct {
	Name       string   `json:"name"`
	Kind       string   `json:"kind"` // number, bool, duration or bytesize; empty: text
	Required   bool     `json:"required"`
	Sensitive  bool     `json:"sensitive"`
	Deprecated bool     `json:"deprecated"`
	Allowed    []string `json:"allowed"`
}

// Profile is one way to authenticate, and the fields it takes.
type Profile struct {
	Title  string      `json:"title"`
	Fields []FieldSpec `json:"fields"`
}

// DaprCatalog returns the embedded catalog. It is not to be changed.
var DaprCatalog = sync.OnceValue(func() *Catalog {
	var c Catalog
	if err := json.Unmarshal(catalogText, &c); err != nil {
		panic("components: the embedded catalog cannot be read: " + err.Error()) // a build of ours that no test has seen
	}
	return &c
})

// Find returns the type in that version.
func (c *Catalog) Find(kind, version string) (Spec, bool) {
	i := slices.IndexFunc(c.Components, func(s Spec) bool { return s.is(kind) && s.Version == version })
	if i < 0 {
		return Spec{}, false
	}
	return c.Components[i], true
}

// versions of a type; none when Dapr does not know it.
func (c *Catalog) versions(kind string) []string {
	var all []string
	for _, s := range c.Components {
		if s.is(kind) {
			all = append(all, s.Version)
		}
	}
	return all
}

// types of a building block, or all types when the block is none.
func (c *Catalog) types(block string) []string {
	var block1, all []string
	for _, s := range c.Components {
		all = append(all, s.Type)
		if strings.HasPrefix(s.Type, block+".") {
			block1 = append(block1, s.Type)
		}
	}
	if len(block1) > 0 {
		return slices.Compact(block1)
	}
	return slices.Compact(all)
}

func (s Spec) is(kind string) bool { return s.Type == kind || slices.Contains(s.Aliases, kind) }

// unknownKind is the kind of a field that no list describes.
const unknownKind = "unknown"

// field finds what a field may hold. One that stands in several profiles may hold what any of them allows; it is required
// only where its profile is chosen.
func (s Spec) field(name string) (FieldSpec, bool) {
	var found FieldSpec
	known := false
	see := func(fields []FieldSpec) {
		for _, f := range fields {
			switch {
			case f.Name != name:
			case !known:
				found, known = f, true
				found.Allowed = slices.Clone(f.Allowed)
			case len(found.Allowed) > 0 && len(f.Allowed) > 0:
				found.Allowed = append(found.Allowed, f.Allowed...)
			default: // one of them allows everything
				found.Allowed = nil
			}
		}
	}
	see(s.Fields)
	for _, p := range s.Profiles {
		see(p.Fields)
	}
	slices.Sort(found.Allowed)
	found.Allowed = slices.Compact(found.Allowed)
	if !known && slices.Contains(s.ReadToo, name) {
		return FieldSpec{Name: name, Kind: unknownKind}, true
	}
	return found, known
}

// names of every listed field, in alphabetical order.
func (s Spec) names() []string {
	var all []string
	for _, f := range s.Fields {
		all = append(all, f.Name)
	}
	for _, p := range s.Profiles {
		for _, f := range p.Fields {
			all = append(all, f.Name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
