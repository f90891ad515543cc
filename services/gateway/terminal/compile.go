package terminal

import (
	"fmt"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecart/sidecart/services/kit/fault"
)

// node says what becomes of a JSON value. A nil one: it stays as it is. It is not changed once it is compiled.
type node struct {
	members map[string]member // of an object
	others  bool              // whether members that are not in there stay
	items   *node             // of an array
}

// member says what becomes of a member of an object.
type member struct {
	drop  bool
	name  []byte // its new name as JSON; nil: its own
	value *node
}

// draft is a node while paths are put into it. schemas are those that the value may have; nil without contract.
type draft struct {
	children   map[string]*draft
	schemas    []*openapi3.Schema
	keep, drop bool
	rename     string
}

// compile makes a rule's tree. schemas are those of the operation's answers; nil leaves out what needs them. What is
// faulty is not in the tree.
func compile(r Rule, schemas []*openapi3.Schema) (*node, []fault.Fault) {
	keep, drop, rename, bad := r.paths()
	root := &draft{schemas: schemas, keep: len(keep) == 0}
	put := func(p path, problem func(all []*draft) string, set func(*draft)) {
		all, wrong := root.along(p.segments, schemas != nil)
		if wrong == "" {
			wrong = problem(all)
		}
		if wrong != "" {
			bad = append(bad, fault.Fault{Place: p.place, Message: fmt.Sprintf("the path %q %s", p.text, wrong)})
			return
		}
		set(root.grow(all, p.segments))
	}
	slices.SortFunc(keep, shortest)
	slices.SortFunc(drop, shortest)
	for _, p := range keep {
		put(p, func(all []*draft) string {
			if slices.ContainsFunc(all, func(d *draft) bool { return d.keep }) {
				return "is kept already by a shorter one"
			}
			return ""
		}, func(d *draft) { d.keep = true })
	}
	gone := func(all []*draft) string {
		switch last := all[len(all)-1]; {
		case slices.ContainsFunc(all, func(d *draft) bool { return d.drop }):
			return "is dropped already"
		case !slices.ContainsFunc(all, func(d *draft) bool { return d.keep }) && !last.keepsBelow():
			return "is not kept"
		}
		return ""
	}
	for _, p := range drop {
		put(p, func(all []*draft) string {
			if last := all[len(all)-1]; last.keep || last.keepsBelow() {
				return "is, or holds, something that is kept"
			}
			return gone(all)
		}, func(d *draft) { d.drop = true })
	}
	for _, p := range rename {
		put(p, gone, func(d *draft) { d.rename = p.rename })
	}
	n := root.compile(false, "", func(pointer, message string) {
		bad = append(bad, fault.Fault{Place: fault.At("rename", pointer), Message: message})
	})
	slices.SortStableFunc(bad, byPlace)
	return n, bad
}

func shortest(a, b path) int { return len(a.segments) - len(b.segments) }

// along walks down a path and gives what is on it, the root first; what is not there yet is made, but not put in. With
// typed it says where the schemas have no such path.
func (d *draft) along(segments []string, typed bool) (all []*draft, wrong string) {
	all = []*draft{d}
	for i, s := range segments {
		next := d.children[s]
		if next == nil {
			next = &draft{}
			if typed {
				if next.schemas = below(d.schemas, s); next.schemas == nil {
					return nil, missing(segments[:i+1], d.schemas)
				}
			}
		}
		d, all = next, append(all, next)
	}
	return all, ""
}

// grow puts what along gave into the tree and gives the last of it.
func (d *draft) grow(all []*draft, segments []string) *draft {
	for i, s := range segments {
		if all[i].children == nil {
			all[i].children = map[string]*draft{}
		}
		all[i].children[s] = all[i+1]
	}
	return all[len(all)-1]
}

func (d *draft) keepsBelow() bool {
	for _, c := range d.children {
		if c.keep || c.keepsBelow() {
			return true
		}
	}
	return false
}

// compile makes the node of d, which stays if kept; nil if nothing is to be done below. pointer is where d is.
func (d *draft) compile(kept bool, pointer string, collides func(pointer, message string)) *node {
	kept = kept || d.keep
	if len(d.children) == 0 {
		return nil
	}
	n := &node{others: kept}
	if items := d.children["*"]; items != nil {
		n.items = items.compile(kept, pointer+"/*", collides)
	}
	taken := d.namesKept(kept)
	var given []string
	for _, name := range sortedNames(d.children) {
		c := d.children[name]
		if name == "*" {
			continue
		}
		if n.members == nil {
			n.members = map[string]member{}
		}
		m := member{drop: c.drop || !kept && !c.keep && !c.keepsBelow()}
		if !m.drop {
			m.value = c.compile(kept, pointer+fault.At(name), collides)
		}
		if c.rename != "" && !m.drop {
			if taken[c.rename] {
				collides(pointer+fault.At(name), fmt.Sprintf("%q is the name of another member beside it", c.rename))
			} else {
				taken[c.rename] = true
				m.name, _ = jsontext.AppendQuote(nil, c.rename)
				given = append(given, c.rename)
			}
		}
		n.members[name] = m
	}
	// What no schema names may still come; under a name that was given to something else it would be there twice.
	for _, name := range given {
		if _, ruled := n.members[name]; !ruled {
			n.members[name] = member{drop: true}
		}
	}
	return n
}

// namesKept are the names that members have which keep theirs.
func (d *draft) namesKept(kept bool) map[string]bool {
	names := map[string]bool{}
	if kept {
		for name := range properties(d.schemas) {
			names[name] = true
		}
	}
	for name, c := range d.children {
		stays := !c.drop && (kept || c.keep || c.keepsBelow())
		names[name] = stays && c.rename == ""
	}
	return names
}
