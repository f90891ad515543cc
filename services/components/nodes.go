package components

import (
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/sidecart/sidecart/services/kit/suggest"
)

// object calls the function of each key of a mapping (nil: nothing to do) and reports keys that are unknown or repeated.
func (r *reader) object(n *yaml.Node, at string, known map[string]func(*yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		r.errorf(n.Line, at, "want keys with values")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolved(n.Content[i+1])
		where := key.Value
		if at != "" {
			where = at + "." + key.Value
		}
		use, ok := known[key.Value]
		switch {
		case seen[key.Value]:
			r.errorf(key.Line, where, "stands here twice")
		case !ok:
			r.errorf(key.Line, where, "is no key that Dapr reads here%s", suggest.Ending(key.Value, slices.Sorted(maps.Keys(known))))
		case use != nil:
			use(value)
		}
		seen[key.Value] = true
	}
}

func (r *reader) text(n *yaml.Node, at string) string {
	if n.Kind != yaml.ScalarNode {
		r.errorf(n.Line, at, "want one value")
		return ""
	}
	return scalarText(n)
}

func (r *reader) texts(n *yaml.Node, at string) []string {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.errorf(n.Line, at, "want a list")
		return nil
	}
	var all []string
	for _, item := range n.Content {
		all = append(all, r.text(resolved(item), at))
	}
	return all
}

// child is the value of a key, or nil. It takes nil, so that lookups can be chained.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return resolved(n.Content[i+1])
		}
	}
	return nil
}

// resolved follows an alias to what it stands for, which is never an alias itself.
func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func scalarText(n *yaml.Node) string {
	if isNull(n) {
		return ""
	}
	return n.Value
}
