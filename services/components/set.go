package components

import (
	"errors"
	"slices"
	"strings"
)

// Set is a component set as its files say it, in the order of file names.
type Set struct {
	Dir        string
	Components []Component
}

// Component is one component of a set.
type Component struct {
	File        string // with the set's folder
	Name        string
	Type        string // with its building block: state.redis
	Version     string
	Fields      []Field // spec.metadata
	SecretStore string  // auth.secretStore
	Scopes      []string

	lines lines
	// ignoreErrors and initTimeout of the spec.
	ignoreErrors, initTimeout scalar
}

// Field is one entry of a component's metadata.
type Field struct {
	Name  string
	Value string // as the file says it: empty when it only refers
	// Secret is not nil when the value comes from the secret store. A Value beside it stands when the secret is missing.
	Secret *SecretRef
	Env    string // name of the sidecar's environment variable that is the value
	Line   int    // of its name

	valueLine int // of its value; that of the name when it has none
}

// SecretRef names a value in the secret store. Key is empty when it is the same as Name.
type SecretRef struct {
	Name, Key string
	line      int
}

// lines say where parts of a component stand in its file, from 1. Absent parts have the line of what should hold them.
type lines struct{ name, kind, version, fields, secretStore, scopes int }

type scalar struct {
	text string
	line int
}

// Load reads the set in dir. An error names every file and line that cannot be read as what daprd takes for a component.
// A set that loads may still be unfit: see Check.
func Load(dir string) (Set, error) {
	set, findings, err := read(dir)
	if err != nil {
		return Set{}, err
	}
	var errs []error
	for _, f := range findings {
		if f.Severity == Error {
			errs = append(errs, errors.New(f.String()))
		}
	}
	return set, errors.Join(errs...)
}

// Component returns the component of that name.
func (s Set) Component(name string) (Component, bool) {
	i := slices.IndexFunc(s.Components, func(c Component) bool { return c.Name == name })
	if i < 0 {
		return Component{}, false
	}
	return s.Components[i], true
}

// Block is the building block: state, pubsub, bindings, secretstores, …
func (c Component) Block() string {
	block, _, _ := strings.Cut(c.Type, ".")
	return block
}

// Field returns the entry of that name.
func (c Component) Field(name string) (Field, bool) {
	i := slices.IndexFunc(c.Fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return Field{}, false
	}
	return c.Fields[i], true
}

// refers tells whether the value comes from elsewhere, with or without a default beside it.
func (f Field) refers() bool { return f.Secret != nil || f.Env != "" }
