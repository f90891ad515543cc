package rules

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEveryKeyIsDocumented: the table of docs/gateway-rules.md has a row for each key, and none beside, and its examples are good.
func TestEveryKeyIsDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "gateway-rules.md"))
	require.NoError(t, err)
	var rows []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| [^|]+ \\| [^|]+ \\| [^|]+ \\|$").FindAllStringSubmatch(string(text), -1) {
		rows = append(rows, m[1])
	}
	keys := leaves("", reflect.TypeFor[File]())
	for i, k := range keys {
		keys[i] = regexp.MustCompile(`\.gray\.(stable|canary|preview)\.`).ReplaceAllString(k, ".gray.{stage}.")
	}
	slices.Sort(keys)
	assert.ElementsMatch(t, slices.Compact(keys), rows)

	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, examples)
	for _, e := range examples {
		_, err := Parse("example", []byte(e[1]))
		require.NoError(t, err, e[1])
	}
}

// names are what the keys of maps stand for, by what is around them.
var names = map[string][]string{"routes": {"{operation}"}, "terminals": {"{terminal}", "{operation}"}, "screens": {"{screen}"}, "parts": {"{part}"}, "services": {"{service}"}}

// leaves are the keys of all values below a type.
func leaves(at string, typ reflect.Type) (all []string) {
	switch {
	case typ.Kind() == reflect.Pointer:
		return leaves(at, typ.Elem())
	case typ.Kind() == reflect.Struct:
		for i := range typ.NumField() {
			name, inline := tagOf(typ.Field(i))
			if inline {
				all = append(all, leaves(at, typ.Field(i).Type)...)
			} else {
				all = append(all, leaves(strings.TrimPrefix(at+"."+name, "."), typ.Field(i).Type)...)
			}
		}
		return all
	case typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct:
		return leaves(at+"[]", typ.Elem())
	case typ.Kind() == reflect.Map && typ.Elem().Kind() != reflect.String:
		for _, name := range names[at[strings.LastIndexByte(at, '.')+1:]] {
			at += "." + name
			if typ = typ.Elem(); typ.Kind() != reflect.Map {
				break
			}
		}
		return leaves(at, typ)
	}
	return []string{at}
}
