package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// registration is a type that daprd knows, as one of its files registers it.
type registration struct {
	name     string   // with its building block: state.redis
	versions []string // v1 unless the file says others
	together []string // the names of the same file: what is an alias of what
}

// blocks are the first words of the file names in dapr/cmd/daprd/components, and what types begin with.
var blocks = map[string]string{
	"bindings": "bindings", "configuration": "configuration", "conversation": "conversation", "crypto": "crypto", "lock": "lock",
	"middleware": "middleware.http", "pubsub": "pubsub", "secretstores": "secretstores", "state": "state",
}

// readRegistrations reads the names in the calls of Register… of every file in the folder.
func readRegistrations(dir string) ([]registration, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var all []registration
	for _, file := range files {
		first, _, _ := strings.Cut(filepath.Base(file), "_")
		block, ok := blocks[first]
		if !ok {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		found := registrationsIn(tree, block)
		together := make([]string, 0, len(found))
		for _, r := range found {
			together = append(together, r.name)
		}
		for _, r := range found {
			r.together = together
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no file registers a component: has the layout of the Dapr module changed?", dir)
	}
	return all, nil
}

func registrationsIn(tree *ast.File, block string) []registration {
	var found []registration
	ast.Inspect(tree, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		called, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !strings.HasPrefix(called.Sel.Name, "Register") {
			return true
		}
		var names []string
		versions := []string{"v1"}
		for _, arg := range call.Args {
			switch arg := arg.(type) {
			case *ast.BasicLit:
				names = append(names, unquoted(arg))
			case *ast.CompositeLit:
				versions = versionsIn(arg)
			}
		}
		for _, name := range names {
			known := slices.ContainsFunc(found, func(r registration) bool { return r.name == block+"."+name })
			if !known { // a two-way binding is registered twice
				found = append(found, registration{name: block + "." + name, versions: versions})
			}
		}
		return true
	})
	return found
}

// versionsIn are the values of the fields named Version.
func versionsIn(lit *ast.CompositeLit) []string {
	var versions []string
	ast.Inspect(lit, func(n ast.Node) bool {
		pair, ok := n.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		key, isName := pair.Key.(*ast.Ident)
		value, isText := pair.Value.(*ast.BasicLit)
		if isName && isText && key.Name == "Version" {
			versions = append(versions, unquoted(value))
		}
		return true
	})
	return versions
}

func unquoted(lit *ast.BasicLit) string {
	text, err := strconv.Unquote(lit.Value)
	if err != nil {
		return lit.Value
	}
	return text
}
