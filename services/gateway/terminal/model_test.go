package terminal

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// treeSchema has members a to d, of which b is an object and c an array of objects, three levels deep.
func treeSchema(depth int) *openapi3.Schema {
	s := openapi3.NewObjectSchema().WithProperty("a", openapi3.NewStringSchema()).WithProperty("d", openapi3.NewInt64Schema())
	if depth > 0 {
		s.WithProperty("b", treeSchema(depth-1)).WithProperty("c", openapi3.NewArraySchema().WithItems(treeSchema(depth-1)))
	}
	return s
}

func drawValue(t *rapid.T, depth int) map[string]any {
	v := map[string]any{}
	for _, name := range []string{"a", "b", "c", "d", "unknown", "x"} {
		if !rapid.Bool().Draw(t, name) {
			continue
		}
		switch {
		case name == "b" && depth > 0:
			v[name] = drawValue(t, depth-1)
		case name == "c" && depth > 0:
			items := []any{}
			for range rapid.IntRange(0, 2).Draw(t, "items") {
				items = append(items, drawValue(t, depth-1))
			}
			v[name] = items
		default:
			v[name] = rapid.SampledFrom([]any{"text \" \\ é", 1.5, nil, true, []any{}, map[string]any{"a": "b"}}).Draw(t, "value")
		}
	}
	return v
}

func drawPath(t *rapid.T) string {
	var b strings.Builder
	for range rapid.IntRange(0, 3).Draw(t, "depth") {
		b.WriteString(rapid.SampledFrom([]string{"/b", "/c/*"}).Draw(t, "inner"))
	}
	return b.String() + rapid.SampledFrom([]string{"/a", "/b", "/c", "/d"}).Draw(t, "last")
}

// model does what a rule says in the simplest way: every member is looked at with its whole path.
func model(v any, at string, r Rule) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, child := range v {
			p := at + "/" + name
			if kept(p, r.Keep) && !has(r.Drop, p) {
				to := name
				if renamed := r.Rename[p]; renamed != "" {
					to = renamed
				}
				if to == name && given(at, name, r) {
					continue // its name belongs to another one
				}
				out[to] = model(child, p, r)
			}
		}
		return out
	case []any:
		out := []any{}
		for _, child := range v {
			out = append(out, model(child, at+"/*", r))
		}
		return out
	}
	return v
}

// kept tells whether p, something above or something below it is kept.
func kept(p string, keep []string) bool {
	if len(keep) == 0 {
		return true
	}
	for _, k := range keep {
		if k == p || strings.HasPrefix(p, k+"/") || strings.HasPrefix(k, p+"/") {
			return true
		}
	}
	return false
}

// given tells whether a sibling is renamed to name.
func given(at, name string, r Rule) bool {
	for p, to := range r.Rename {
		if to == name && p[:strings.LastIndexByte(p, '/')] == at && kept(p, r.Keep) && !has(r.Drop, p) {
			return true
		}
	}
	return false
}

func has(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func TestMappingDoesWhatTheModelDoes(t *testing.T) {
	schemas := []*openapi3.Schema{treeSchema(3)}
	rapid.Check(t, func(t *rapid.T) {
		r := Rule{
			Keep: rapid.SliceOfN(rapid.Custom(drawPath), 0, 4).Draw(t, "keep"), Drop: rapid.SliceOfN(rapid.Custom(drawPath), 0, 3).Draw(t, "drop"),
			Rename: rapid.MapOfN(rapid.Custom(drawPath), rapid.SampledFrom([]string{"x", "y", "z", "a"}), 0, 3).Draw(t, "rename"),
		}
		n, bad := compile(r, schemas)
		if len(bad) > 0 {
			t.Skip("a rule with faults")
		}
		value := drawValue(t, 3)
		body, err := json.Marshal(value)
		require.NoError(t, err)
		if n == nil {
			return
		}
		got, err := n.apply(body)
		require.NoError(t, err, "%s", body)
		want, err := json.Marshal(model(value, "", r))
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(got), fmt.Sprintf("%+v", r))
		require.Equal(t, strings.Count(string(want), ":"), strings.Count(string(got), ":"), "no member twice")
	})
}

func FuzzApply(f *testing.F) {
	n, bad := compile(Rule{Keep: []string{"/a", "/c/*/b/d"}, Rename: map[string]string{"/a": "x"}}, []*openapi3.Schema{treeSchema(3)})
	require.Empty(f, bad)
	f.Add([]byte(`{"a":1,"c":[{"b":{"d":[]}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := n.apply(body)
		if err == nil && json.Valid(body) && !json.Valid(got) {
			t.Fatalf("%q became %q", body, got)
		}
	})
}
