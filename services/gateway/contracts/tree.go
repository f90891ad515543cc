package contracts

import (
	"net/url"
	"slices"
	"strings"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// Node is a segment in the tree of all paths. It is not changed once the Set is made.
type Node struct {
	static  map[string]*Node
	param   *Node
	methods map[string]*Operation // nil: no path ends here
	allow   string                // the methods, for the header of that name
}

// insert adds an operation. One that is there already stays; insert then reports false.
func (n *Node) insert(o *Operation) bool {
	for _, segment := range o.Segments {
		if isParam(segment) {
			if n.param == nil {
				n.param = &Node{}
			}
			n = n.param
			continue
		}
		if n.static == nil {
			n.static = make(map[string]*Node)
		}
		if n.static[segment] == nil {
			n.static[segment] = &Node{}
		}
		n = n.static[segment]
	}
	if n.methods == nil {
		n.methods = make(map[string]*Operation)
	}
	if _, taken := n.methods[o.Method]; taken {
		return false
	}
	n.methods[o.Method] = o
	n.allow = allowed(n.methods)
	return true
}

// find gives the node where the path of these segments ends; a literal segment goes before a parameter.
func (n *Node) find(segments []string) *Node {
	if len(segments) == 0 {
		if n.methods == nil {
			return nil
		}
		return n
	}
	if next := n.static[segments[0]]; next != nil {
		if found := next.find(segments[1:]); found != nil {
			return found
		}
	}
	if n.param == nil || segments[0] == "" {
		return nil
	}
	return n.param.find(segments[1:])
}

// Operation is the one of a method at this path; nil if there is none. HEAD is GET without the body.
func (n *Node) Operation(method string) *Operation {
	if method == "HEAD" {
		method = "GET"
	}
	return n.methods[method]
}

// Allow lists the methods for the header of that name.
func (n *Node) Allow() string { return n.allow }

func allowed(operations map[string]*Operation) string {
	list := make([]string, 0, len(operations)+1)
	for m := range operations {
		list = append(list, m)
	}
	if _, get := operations["GET"]; get {
		list = append(list, "HEAD")
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func split(path string) []string { return strings.Split(strings.TrimPrefix(path, "/"), "/") }

func isParam(segment string) bool { return strings.HasPrefix(segment, "{") }

// Segments takes a request's path apart, decoded. Whoever decodes it behind us must come to the same segments,
// however often it does so: a segment that hides a separator or a step upwards is refused.
func Segments(u *url.URL) ([]string, error) {
	segments := split(u.EscapedPath())
	for i, escaped := range segments {
		segment, err := url.PathUnescape(escaped)
		if err != nil {
			return nil, errs.InvalidField("path", "is not properly escaped")
		}
		segments[i] = segment
		for again := segment; ; {
			if strings.ContainsAny(again, `/\`) || again == "." || again == ".." {
				return nil, errs.InvalidField("path", "a segment must not contain a separator or be a dot segment")
			}
			next, err := url.PathUnescape(again)
			if err != nil || next == again {
				break
			}
			again = next
		}
	}
	return segments, nil
}

// Join puts segments together again, each escaped in the one way that we escape.
func Join(segments []string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}
