package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"pgregory.net/rapid"
)

// parse compiles a .proto file of these declarations.
func parse(t testing.TB, declarations string) protoreflect.FileDescriptor {
	const head = "syntax = \"proto3\";\npackage x;\nimport \"google/api/annotations.proto\";\nimport \"google/protobuf/timestamp.proto\";\nimport \"google/protobuf/struct.proto\";\n"
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(protocompile.CompositeResolver{
		protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
			if !strings.HasPrefix(path, "google/api/") {
				return protocompile.SearchResult{}, protoregistry.NotFound
			}
			file, err := protoregistry.GlobalFiles.FindFileByPath(path)
			return protocompile.SearchResult{Desc: file}, err
		}),
		&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{"x.proto": head + declarations})},
	})}
	out, err := compiler.Compile(context.Background(), "x.proto")
	require.NoError(t, err)
	return out[0]
}

const everything = `
message All {
  enum Colour { COLOUR_UNSPECIFIED = 0; COLOUR_DARK_RED = 1; COLOUR_BLUE = 7; }
  bool a = 1; int32 b = 2; sint32 c = 3; sfixed32 d = 4; int64 e = 5; sint64 f = 6; sfixed64 g = 7; uint32 h = 8; fixed32 i = 9;
  uint64 j = 10; fixed64 k = 11; float l = 12; double m = 13; string n = 14; bytes o = 15; Colour p = 16; google.protobuf.Timestamp q = 17;
  optional int64 r = 18; optional string s = 19; optional Colour t = 20; All u = 21;
  repeated int64 v = 22; repeated string w = 23; repeated Colour x = 24; repeated All y = 25; repeated google.protobuf.Timestamp z = 26;
}
service S { rpc Do(All) returns (All) { option (google.api.http) = {post: "/v1/do" body: "*"}; } }
`

func drawScalar(t *rapid.T, fd protoreflect.FieldDescriptor) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rapid.Bool().Draw(t, "bool"))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(rapid.Int32().Draw(t, "int32"))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(rapid.Int64().Draw(t, "int64"))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(rapid.Uint32().Draw(t, "uint32"))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(rapid.Uint64().Draw(t, "uint64"))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(rapid.Float32().Draw(t, "float"))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(rapid.Float64().Draw(t, "double"))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(rapid.SampledFrom([]protoreflect.EnumNumber{1, 7}).Draw(t, "enum"))
	}
	return protoreflect.ValueOfString(rapid.String().Draw(t, "string"))
}

func drawMessage(t *rapid.T, m protoreflect.Message, depth int) {
	if m.Descriptor().FullName() == timestamp {
		fields := m.Descriptor().Fields()
		at := rapid.Int64Range(-62135596800, 253402300799).Draw(t, "seconds") // the years 1 to 9999
		m.Set(fields.ByName("seconds"), protoreflect.ValueOfInt64(at))
		m.Set(fields.ByName("nanos"), protoreflect.ValueOfInt32(rapid.Int32Range(0, 999999999).Draw(t, "nanos")))
		return
	}
	for i := range m.Descriptor().Fields().Len() {
		fd := m.Descriptor().Fields().Get(i)
		isMessage := fd.Kind() == protoreflect.MessageKind
		if depth == 0 && isMessage || !rapid.Bool().Draw(t, "set") {
			continue
		}
		switch {
		case fd.IsList():
			for range rapid.IntRange(0, 2).Draw(t, "length") {
				if isMessage {
					drawMessage(t, m.Mutable(fd).List().AppendMutable().Message(), depth-1)
				} else {
					m.Mutable(fd).List().Append(drawScalar(t, fd))
				}
			}
		case isMessage:
			drawMessage(t, m.Mutable(fd).Message(), depth-1)
		default:
			m.Set(fd, drawScalar(t, fd))
		}
	}
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	bound, err := Bind(parse(t, everything))
	require.NoError(t, err)
	b := bound[0]
	rapid.Check(t, func(t *rapid.T) {
		m := b.input.New()
		drawMessage(t, m, 2)
		raw, err := b.in.appendMessage(nil, m, nil)
		require.NoError(t, err)
		require.True(t, json.Valid(raw), "%s", raw)
		back := b.input.New()
		require.NoError(t, b.in.decode(raw, back, true), "%s", raw)
		require.True(t, proto.Equal(m.Interface(), back.Interface()), "%s", raw)
	})
}

func TestHowValuesAreWritten(t *testing.T) {
	bound, err := Bind(parse(t, everything))
	require.NoError(t, err)
	b := bound[0]
	fields := b.input.Descriptor().Fields()
	m := b.input.New()
	m.Set(fields.ByName("p"), protoreflect.ValueOfEnum(1))
	m.Set(fields.ByName("e"), protoreflect.ValueOfInt64(math.MaxInt64))
	m.Mutable(fields.ByName("q")).Message().Set(b.in.byName["q"].descriptor.Message().Fields().ByName("seconds"), protoreflect.ValueOfInt64(time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC).Unix()))
	raw, err := b.in.appendMessage(nil, m, map[string]bool{"n": true})
	require.NoError(t, err)
	assert.Equal(t, `{"a":false,"b":0,"c":0,"d":0,"e":9223372036854775807,"f":0,"g":0,"h":0,"i":0,"j":0,"k":0,"l":0,"m":0,"o":"","p":"dark_red","q":"2026-05-04T00:00:00Z","v":[],"w":[],"x":[],"y":[],"z":[]}`, string(raw))

	for field, v := range map[string]protoreflect.Value{"m": protoreflect.ValueOfFloat64(math.NaN()), "l": protoreflect.ValueOfFloat32(float32(math.Inf(1))), "n": protoreflect.ValueOfString("\xff")} {
		m := b.input.New()
		m.Set(fields.ByName(protoreflect.Name(field)), v)
		_, err := b.in.appendMessage(nil, m, nil)
		assert.ErrorContains(t, err, field+":")
	}
	m = b.input.New()
	m.Mutable(fields.ByName("q")).Message().Set(b.in.byName["q"].descriptor.Message().Fields().ByName("nanos"), protoreflect.ValueOfInt32(-1))
	_, err = b.in.appendMessage(nil, m, nil)
	assert.ErrorContains(t, err, "q: is not a time")
}

// An answer may have values that are newer than the .proto file; what is asked for may not.
func TestAValueThatAnEnumDoesNotHave(t *testing.T) {
	bound, err := Bind(parse(t, everything))
	require.NoError(t, err)
	b := bound[0]
	for _, raw := range []string{`{"p":"red"}`, `{"t":"red"}`, `{"t":""}`, `{"x":["red"]}`, `{"u":{"t":"COLOUR_BLUE"}}`} {
		require.ErrorIs(t, b.in.decode([]byte(raw), b.input.New(), true), errUnknownValue, raw)
		require.NoError(t, b.in.decode([]byte(raw), b.input.New(), false), raw)
	}
	m := b.input.New()
	require.NoError(t, b.in.decode([]byte(`{"p":"red","t":"red","x":["red","blue"]}`), m, false))
	assert.False(t, m.Has(b.in.byName["t"].descriptor), "as if it were not there")
	assert.Equal(t, 1, m.Get(b.in.byName["x"].descriptor).List().Len())
}

func TestWhatCannotBeBound(t *testing.T) {
	for declaration, want := range map[string]string{
		`message M {} service S { rpc Do(M) returns (M); }`:                                                                                         "has no option google.api.http",
		`message M {} service S { rpc Do(stream M) returns (M) { option (google.api.http) = {get: "/v1/x"}; } }`:                                    "streams",
		`message M { map<string, string> m = 1; } service S { rpc Do(M) returns (M) { option (google.api.http) = {get: "/v1/x"}; } }`:               "maps",
		`message M { oneof o { string a = 1; string b = 2; } } service S { rpc Do(M) returns (M) { option (google.api.http) = {get: "/v1/x"}; } }`:  "oneofs",
		`message M { google.protobuf.Struct s = 1; } service S { rpc Do(M) returns (M) { option (google.api.http) = {post: "/v1/x" body: "*"}; } }`: "google.protobuf.Struct has no JSON",
		`message M { string a = 1; } service S { rpc Do(M) returns (M) { option (google.api.http) = {get: "/v1/{b}"}; } }`:                          `"{b}" must name`,
		`message M { repeated string a = 1; } service S { rpc Do(M) returns (M) { option (google.api.http) = {get: "/v1/{a}"}; } }`:                 `"{a}" must name`,
		`message M { string a = 1; } service S { rpc Do(M) returns (M) { option (google.api.http) = {get: "/v1/{a=**}"}; } }`:                       `"{a=**}" must name`,
		`message M { M a = 1; } service S { rpc Do(M) returns (M) { option (google.api.http) = {get: "/v1/x"}; } }`:                                 "neither in the path nor in the query",
		`message M { M a = 1; } service S { rpc Do(M) returns (M) { option (google.api.http) = {post: "/v1/x" body: "a"}; } }`:                      "a body other than *",
		`message M { enum E { E_0 = 0; E_1 = 2000; } E e = 1; } service S { rpc Do(M) returns (M) { option (google.api.http) = {get: "/v1/x"}; } }`: "is not from 0 to 1024",
		`message M {} service S { rpc Do(M) returns (M) { option (google.api.http) = {get: "/v1/x" additional_bindings {get: "/v1/y"}}; } }`:        "additional_bindings",
		`message M { optional string a = 1; } service S { rpc Do(M) returns (M) { option (google.api.http) = {delete: "/v1/{a}"}; } }`:              `"{a}" must name`,
	} {
		_, err := Bind(parse(t, declaration))
		assert.ErrorContains(t, err, want, declaration)
		assert.ErrorContains(t, err, "x.S.Do")
	}
	for verb, rule := range map[string]string{"PATCH": `patch: "/v1/x" body: "*"`, "DELETE": `delete: "/v1/x"`, "PUT": `put: "/v1/x"`} {
		bound, err := Bind(parse(t, fmt.Sprintf(`message M { repeated string a = 1; } service S { rpc Do(M) returns (M) { option (google.api.http) = {%s}; } }`, rule)))
		require.NoError(t, err)
		assert.Equal(t, verb, bound[0].Verb)
		assert.Equal(t, "/x.S/Do", bound[0].FullMethod())
	}
}

func FuzzDecode(f *testing.F) {
	bound, err := Bind(parse(f, everything))
	require.NoError(f, err)
	b := bound[0]
	f.Add([]byte(`{"a":true,"u":{"v":[1,2],"q":"2026-05-04T10:00:00Z"},"p":"blue","l":1e3}`))
	f.Add([]byte(`{"t":""}`))                           // an optional enum: nothing is said, which was not the same as a value that is not known
	f.Add([]byte(`{"u":{"q":"0000-01-01T00:00:00Z"}}`)) // RFC 3339 has a year 0, a Timestamp has none
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := b.input.New()
		if b.in.decode(raw, m, false) != nil {
			return
		}
		if !json.Valid(raw) {
			t.Fatalf("%q was read", raw)
		}
		again, err := b.in.appendMessage(nil, m, nil)
		if err != nil {
			t.Fatalf("%q was read and cannot be written: %v", raw, err)
		}
		back := b.input.New()
		if err := b.in.decode(again, back, true); err != nil || !proto.Equal(m.Interface(), back.Interface()) {
			t.Fatalf("%q became %q: %v", raw, again, err)
		}
	})
}
