package rules

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sidecart/sidecart/services/kit/fault"
	"github.com/sidecart/sidecart/services/kit/suggest"
)

// Fault is one thing that is wrong with a document.
type Fault struct {
	Line    int    `json:"line"`   // from 1
	Column  int    `json:"column"` // from 1
	Path    string `json:"path"`   // JSON pointer; "" is the document
	Message string `json:"message"`
}

// String is the fault as compilers write theirs, to be put behind the file's name and a colon.
func (f Fault) String() string {
	return fmt.Sprintf("%d:%d: %s", f.Line, f.Column, fault.Fault{Place: f.Path, Message: f.Message}.Error())
}

// Faults are everything that is wrong with a document, in its order.
type Faults struct {
	Source string
	List   []Fault
}

// Error has a line for each fault.
func (f *Faults) Error() string {
	lines := make([]string, len(f.List))
	for i, one := range f.List {
		lines[i] = f.Source + ":" + one.String()
	}
	return strings.Join(lines, "\n")
}

// maxFaults bounds how many are reported of one document.
const maxFaults = 50

// Document is a File and where its parts stand.
type Document struct {
	File File
	root *yaml.Node // a mapping
}

// Parse reads and checks a document. A source's name goes into the error, which is a *Faults.
func Parse(source string, text []byte) (*Document, error) {
	refuse := func(faults ...Fault) (*Document, error) {
		slices.SortStableFunc(faults, func(a, b Fault) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column)) })
		return nil, &Faults{Source: source, List: faults[:min(len(faults), maxFaults)]}
	}
	start := func(message string) (*Document, error) { return refuse(Fault{Line: 1, Column: 1, Message: message}) }
	if len(text) > maxBytes {
		return start(fmt.Sprintf("has %d bytes, over %d", len(text), maxBytes))
	}
	var node yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	switch err := decoder.Decode(&node); {
	case errors.Is(err, io.EOF):
		return start("is empty: want at least `version: 1`")
	case err != nil:
		return refuse(Fault{Line: max(1, lineOf(err)), Column: 1, Message: "is no YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")})
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return start("has more than one document (a line ---): want one")
	}
	d := &Document{root: node.Content[0]}
	read := reader{}
	read.into(d.root, reflect.ValueOf(&d.File).Elem(), "")
	if len(read.faults) > 0 { // the sections' owners would complain of what is only missing because it could not be read
		return refuse(read.faults...)
	}
	if faults := d.locate(d.File.check()); len(faults) > 0 {
		return refuse(faults...)
	}
	return d, nil
}

// lineOf finds the line in a parser's error, which gives it in words only.
func lineOf(err error) (line int) {
	if _, after, ok := strings.Cut(err.Error(), "line "); ok {
		_, _ = fmt.Sscanf(after, "%d", &line)
	}
	return line
}

// Locate gives faults of a section, whose places begin there, their lines and columns.
func (d *Document) Locate(faults []fault.Fault, section string) []Fault {
	var c checker
	c.section(faults, section)
	return d.locate(c.faults)
}

// locate gives faults their lines and columns.
func (d *Document) locate(faults []fault.Fault) []Fault {
	var all []Fault
	for _, f := range faults {
		n := d.find(f.Place)
		all = append(all, Fault{Line: n.Line, Column: n.Column, Path: f.Place, Message: f.Message})
	}
	return all
}

// find is the node of a place, or of the innermost part around it that is there: what is missing has no line of its own.
func (d *Document) find(place string) *yaml.Node {
	at, key := d.root, d.root
	for part := range strings.SplitSeq(strings.TrimPrefix(place, "/"), "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch at.Kind {
		case yaml.MappingNode:
			next := 0
			for next < len(at.Content) && at.Content[next].Value != part {
				next += 2
			}
			if next >= len(at.Content) {
				return key
			}
			key, at = at.Content[next], at.Content[next+1]
		case yaml.SequenceNode:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(at.Content) {
				return key
			}
			key, at = at.Content[i], at.Content[i]
		default:
			return key
		}
	}
	if at.Kind == yaml.ScalarNode {
		return at
	}
	return key
}

// Strangers are the routes that are none of the known operations.
func (d *Document) Strangers(known map[string]bool) []Fault {
	var faults []fault.Fault
	for _, id := range d.File.Unknown(func(id string) bool { return known[id] }) {
		near := suggest.Ending(id, slices.Sorted(maps.Keys(known)))
		faults = append(faults, fault.Fault{Place: fault.At("routes", id), Message: "is no operation of a contract" + near})
	}
	return d.locate(faults)
}
