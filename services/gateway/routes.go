package gateway

import (
	"net/url"
	"slices"
	"strings"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// route is one operation of a contract.
type route struct {
	service   string
	method    string // upper case
	template  string // "/v1/orders/{id}"
	operation string // operationId
}

// node is a segment in the tree of all paths. It is not changed once the table is made.
type node struct {
	static  map[string]*node
	param   *node
	methods map[string]route // nil: no path ends here
}

// insert adds a route. An operation that is there already stays; insert then reports false.
func (n *node) insert(r route) bool {
	for _, segment := range split(r.template) {
		if isParam(segment) {
			if n.param == nil {
				n.param = &node{}
			}
			n = n.param
			continue
		}
		if n.static == nil {
			n.static = make(map[string]*node)
		}
		if n.static[segment] == nil {
			n.static[segment] = &node{}
		}
		n = n.static[segment]
	}
	if n.methods == nil {
		n.methods = make(map[string]route)
	}
	if _, taken := n.methods[r.method]; taken {
		return false
	}
	n.methods[r.method] = r
	return true
}

// find gives the node where the path of these segments ends; a literal segment goes before a parameter.
func (n *node) find(segments []string) *node {
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

// allow lists the methods of a node for the header of that name.
func (n *node) allow() string {
	methods := make([]string, 0, len(n.methods)+1)
	for m := range n.methods {
		methods = append(methods, m)
	}
	if _, get := n.methods["GET"]; get {
		methods = append(methods, "HEAD")
	}
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}

func split(path string) []string { return strings.Split(strings.TrimPrefix(path, "/"), "/") }

func isParam(segment string) bool { return strings.HasPrefix(segment, "{") }

// segmentsOf takes a request's path apart, decoded. Whoever decodes it behind us must come to the same segments,
// however often it does so: a segment that hides a separator or a step upwards is refused.
func segmentsOf(u *url.URL) ([]string, error) {
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

// join puts segments together again, each escaped in the one way that we escape.
func join(segments []string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}

// echoPath writes a template the way Echo wants it.
func echoPath(template string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(template)
}
