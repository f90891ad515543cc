package check

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// place is a file of the services and a method.
type place struct{ file, method string }

// sites are how many places there are that call another service. Who adds one adds its paths to Calls, and to
// k8s/base/shop/configuration.yaml, or it is refused in the cluster; then the number here.
var sites = map[place]int{
	{"gateway/brokers.go", "GET"}:         1,
	{"gateway/ops.go", "GET"}:             2,
	{"gateway/ops.go", "POST"}:            2,
	{"gateway/ops.go", "DELETE"}:          1,
	{"gateway/contracts/fetch.go", "GET"}: 1,
	{"kit/follow/seed.go", "GET"}:         1,
	{"kit/follow/source.go", "GET"}:       2,
	{"kit/identity/source.go", "GET"}:     1,
	{"order/holds.go", "POST"}:            2,
	{"order/place.go", "POST"}:            1,
}

// elsewhere are the places that call something else.
var elsewhere = map[string]string{
	"kit/httpx/call.go":          "is what the others call with",
	"kit/sidecar/client.go":      "asks the sidecar whether it is up",
	"cmd/sidecart/broker.go":     "a command that asks the gateway",
	"conformance/probe/probe.go": "writes to a sidecar's store",
}

// TestCallsAreThoseOfTheCode finds every place in the services that calls another one, and compares it with Calls.
func TestCallsAreThoseOfTheCode(t *testing.T) {
	found := map[place]int{}
	services := filepath.Join(root, "services")
	require.NoError(t, filepath.WalkDir(services, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(filepath.Dir(path), "test") {
			return err
		}
		file, err := filepath.Rel(services, path)
		if err != nil {
			return err
		}
		file = filepath.ToSlash(file)
		for method, n := range callsIn(t, path) {
			if elsewhere[file] == "" {
				found[place{file, method}] = n
			}
		}
		return nil
	}))
	assert.Equal(t, sites, found, "places that call another service")
	listed := map[place]bool{}
	for _, c := range Calls {
		listed[place{c.Source, c.Method}] = true
	}
	for p := range sites {
		assert.True(t, listed[p], "no call of Calls is made in %s by %s", p.file, p.method)
	}
	assert.Len(t, listed, len(sites))
}

// TestJournalsAreWhereTheCodeHasThem reads journal.Route: the services are another module.
func TestJournalsAreWhereTheCodeHasThem(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "services/kit/journal/http.go"), nil, 0)
	require.NoError(t, err)
	var route string
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && spec.Names[0].Name == "Route" {
			route = spec.Values[0].(*ast.BasicLit).Value
		}
		return true
	})
	assert.Equal(t, strconv.Quote(journalRoute), route)
}

// callsIn counts, by method, the uses of httpx.Call and of http.NewRequestWithContext in a file.
func callsIn(t *testing.T, path string) map[string]int {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	require.NoError(t, err)
	methods := map[string]int{}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if !selects(call.Fun, "httpx", "Call") && !selects(call.Fun, "http", "NewRequestWithContext") && !selects(call.Fun, "http", "NewRequest") {
			return true
		}
		method := "of a variable"
		for _, arg := range call.Args {
			if s, ok := arg.(*ast.SelectorExpr); ok && selects(arg, "http", s.Sel.Name) && strings.HasPrefix(s.Sel.Name, "Method") {
				method = strings.ToUpper(strings.TrimPrefix(s.Sel.Name, "Method"))
			}
		}
		methods[method]++
		return true
	})
	return methods
}

// selects tells whether e is pkg.name.
func selects(e ast.Expr, pkg, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	id, ok := s.X.(*ast.Ident)
	return ok && id.Name == pkg
}
