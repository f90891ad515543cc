package rules

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const good = `version: 1
routes:
  placeOrder:
    priority: high
    budget: 5s
    limit: {per_second: 800, burst: 200}
    gray:
      canary: {app: order-canary, version: 1.40, groups: [beta], users: [ada], percent: 5}
terminals:
  ios:
    getOrder: {drop: [/lines]}
`

func TestAGoodDocument(t *testing.T) {
	d, err := Parse("gateway.yaml", []byte(good))
	require.NoError(t, err)
	place := d.File.Routes["placeOrder"]
	assert.Equal(t, "high", place.Priority)
	assert.Equal(t, 5*time.Second, place.Budget)
	assert.Equal(t, 800.0, place.Limit.PerSecond)
	assert.Equal(t, 200, place.Limit.Burst)
	assert.Equal(t, "1.40", place.Gray.Canary.Version, "text is what stands there, not the number that it could be")
	assert.Equal(t, 5.0, place.Gray.Canary.Percent)
	assert.Nil(t, place.Gray.Preview)
	assert.Equal(t, []string{"/lines"}, d.File.Terminals["ios"]["getOrder"].Drop)
	assert.Len(t, d.File.Gray(), 1)
	assert.Equal(t, []string{"placeOrder"}, d.File.Unknown(func(string) bool { return false }))

	_, err = Parse("gateway.yaml", []byte("version: 1\nroutes:\nlimits:\n  client:\n"))
	require.NoError(t, err, "a section of which nothing is said has its defaults")
}

// TestEveryFaultHasItsLineAndColumn, its path, and says what would be right.
func TestEveryFaultHasItsLineAndColumn(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                                        {"1:1: is empty: want at least `version: 1`"},
		"routes: {}\n":                                            {"1:1: /version: is required, and only 1 is known"},
		"version: 2\n":                                            {"1:10: /version: is required, and only 1 is known"},
		"version: one\n":                                          {"1:10: /version: want a whole number"},
		"version: 1\nversion: 1\n":                                {"2:1: /version: stands here twice"},
		"version: 1\nroute: {}\n":                                 {"2:1: /route: is no key that is read here; did you mean routes? Allowed: "},
		"- version: 1\n":                                          {"1:1: want keys with values"},
		"version: 1\n---\nversion: 1\n":                           {"1:1: has more than one document"},
		"version: [1\n":                                           {"is no YAML"},
		"version: &v 1\n":                                         {"1:10: /version: anchors and aliases are not read here"},
		"version: 1\n<<: {version: 1}\n":                          {"2:1: want plain names as keys"},
		"version: 1\nhosts: shop\n":                               {"2:8: /hosts: want a list"},
		"version: 1\nhosts: [a, 'B:80']\n":                        {"2:12: /hosts/1: want a host name in small letters"},
		"version: 1\nhosts: [[a]]\n":                              {"2:9: /hosts/0: want one value"},
		"version: 1\nhosts: [true]\n":                             {"2:9: /hosts/0: want text: put true in quotes"},
		"version: 1\nroutes: {a b: {}}\n":                         {"2:10: /routes/a b: want an operationId"},
		"version: 1\nroutes:\n  o: {budget: 5}\n":                 {"3:15: /routes/o/budget: want a duration such as 500ms"},
		"version: 1\nroutes:\n  o: {budget: 1ms}\n":               {"3:15: /routes/o/budget: want a duration from 10ms to 30s"},
		"version: 1\nroutes:\n  o: {priority: urgent}\n":          {"3:17: /routes/o/priority: "},
		"version: 1\nroutes:\n  o: {limit: {per_second: x}}\n":    {"3:27: /routes/o/limit/per_second: want a number"},
		"version: 1\nroutes:\n  o: {limit: {per_second: .nan}}\n": {"3:27: /routes/o/limit/per_second: want a number"},
		"version: 1\nroutes:\n  o:\n    gray:\n      canary: {percent: 101}\n      header: x\n": {
			"5:7: /routes/o/gray/canary/app: is missing", "5:25: /routes/o/gray/canary/percent: want 0 to 100", "6:15: /routes/o/gray/header: want on or off"},
		"version: 1\nroutes:\n  o:\n    gray:\n      canray: {}\n      canary: {app: c, weight: 1.5, users: {}}\n": {
			"5:7: /routes/o/gray/canray: is no key that is read here; did you mean canary?", "6:32: /routes/o/gray/canary/weight: want a whole number",
			"6:44: /routes/o/gray/canary/users: want a list"},
		"version: 1\nroutes:\n  o: {gray: {judge: {off: yes please}}}\n": {"3:27: /routes/o/gray/judge/off: want true or false"},
	} {
		_, err := Parse("x.yaml", []byte(text))
		require.Error(t, err, text)
		lines := strings.Split(err.Error(), "\n")
		require.Len(t, lines, len(want), "%s\n%v", text, err)
		for i, w := range want {
			assert.True(t, strings.HasPrefix(lines[i], "x.yaml:"), lines[i])
			assert.Contains(t, lines[i], w, text)
		}
	}
	_, err := Parse("x.yaml", []byte("version: 1\n"+strings.Repeat("# long\n", maxBytes/7)))
	require.ErrorContains(t, err, "over 262144")
	many := "version: 1\n"
	for i := range 200 {
		many += "k" + strings.Repeat("x", i) + ": 1\n"
	}
	_, err = Parse("x.yaml", []byte(many))
	assert.Len(t, strings.Split(err.Error(), "\n"), maxFaults)
}

// TestEveryTypeCanBeRead walks the types of all sections: whoever adds a field that the reader does not know hears of it here.
func TestEveryTypeCanBeRead(t *testing.T) {
	var walk func(at string, typ reflect.Type)
	walk = func(at string, typ reflect.Type) {
		switch {
		case typ == durationType, reflect.PointerTo(typ).Implements(textType):
		case typ.Kind() == reflect.Struct:
			for i := range typ.NumField() {
				f := typ.Field(i)
				name, inline := tagOf(f)
				assert.True(t, f.IsExported() && (name != "" || inline), "%s.%s needs a yaml tag", at, f.Name)
				walk(at+"."+f.Name, f.Type)
			}
		case typ.Kind() == reflect.Pointer, typ.Kind() == reflect.Slice:
			walk(at, typ.Elem())
		case typ.Kind() == reflect.Map:
			assert.Equal(t, reflect.String, typ.Key().Kind(), at)
			walk(at, typ.Elem())
		default:
			assert.Contains(t, []reflect.Kind{reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64}, typ.Kind(), at)
		}
	}
	walk("File", reflect.TypeFor[File]())
}

func TestTheShippedFileIsGood(t *testing.T) {
	_, err := Load(filepath.Join("..", "..", "..", "dapr-config", "gateway.yaml"))
	require.NoError(t, err)
}

func TestAFileThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	_, err := Load(filepath.Join(dir, "none.yaml"))
	require.ErrorContains(t, err, "SIDECART_GATEWAY_RULES")
	_, err = Load(dir)
	require.ErrorContains(t, err, "is not a file")
	big := filepath.Join(dir, "big.yaml")
	require.NoError(t, os.WriteFile(big, make([]byte, maxBytes+1), 0o600))
	_, err = Load(big)
	require.ErrorContains(t, err, "over")
}

// FuzzParse: whatever stands in the file, the answer is a document or faults with places, and never a panic.
func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Add("version: 1\nroutes: {o: {gray: {canary: {app: c}}}}")
	f.Add("version: &a [*a]")
	f.Add("? [a]\n: b")
	f.Add("!!binary x: y")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse("x", []byte(text))
		if err == nil {
			assert.Equal(t, layout, d.File.Version)
			return
		}
		var faults *Faults
		require.ErrorAs(t, err, &faults)
		require.NotEmpty(t, faults.List)
		for _, one := range faults.List {
			assert.Positive(t, one.Line)
			assert.Positive(t, one.Column)
		}
	})
}
