package foreign

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/sidecart/sidecart/services/gateway/foreign/foreigntest"
)

const inventory = "../../inventory"

func TestTheSectionIsChecked(t *testing.T) {
	full := GRPC{Contract: "a.yaml", Descriptors: "a.binpb"}
	many := Config{}
	for i := range maxServices + 1 {
		many["s"+strings.Repeat("x", i)] = Service{GRPC: full}
	}
	for want, c := range map[string]Config{
		"":                              {"pricing": {GRPC: full}},
		"/Pricing: want the app id":     {"Pricing": {GRPC: full}},
		"/a.b: want the app id":         {"a.b": {GRPC: full}},
		"/pricing/grpc: needs the file": {"pricing": {GRPC: GRPC{Descriptors: "a.binpb"}}},
		"/rates/grpc: needs the file":   {"rates": {GRPC: GRPC{Contract: "a.yaml"}}},
		"has 17 services":               many,
	} {
		faults := c.Check()
		if want == "" {
			assert.Empty(t, faults)
			continue
		}
		require.Len(t, faults, 1, want)
		assert.Contains(t, faults[0].Error(), want)
	}
	assert.Equal(t, []string{"a.yaml", "a.binpb", "b.yaml", "b.binpb"}, Config{"two": {GRPC: GRPC{"b.yaml", "b.binpb"}}, "one": {GRPC: full}}.Files())
}

func TestAServiceIsOpenedAsItsContractSays(t *testing.T) {
	dir := t.TempDir()
	opened, faults := Open(Config{"shelf": {GRPC: GRPC{foreigntest.Contract(t, dir, inventory, nil), foreigntest.Descriptors(t, dir)}}}, nil)
	require.Empty(t, faults)
	require.Len(t, opened, 1)
	require.NotEmpty(t, opened[0].Operations())
	for _, o := range opened[0].Operations() {
		assert.Equal(t, "shelf", o.Service)
		assert.NotNil(t, o.Via, o)
	}
}

// The gateway has judged who may call the operation: no path that a caller writes may lead to the method of another one.
func TestAnOperationLeadsToItsOwnMethodAlone(t *testing.T) {
	dir := t.TempDir()
	var asked []string
	opened, faults := Open(Config{"shelf": {GRPC: GRPC{foreigntest.Contract(t, dir, inventory, nil), foreigntest.Descriptors(t, dir)}}},
		func(string) grpc.ClientConnInterface { return noted{&asked} })
	require.Empty(t, faults)
	for _, o := range opened[0].Operations() {
		asked = nil
		for _, other := range opened[0].Operations() {
			resp, err := o.Via.RoundTrip(httptest.NewRequest(other.Method, strings.NewReplacer("{", "", "}", "").Replace(other.Template), strings.NewReader("{}")))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		}
		require.Len(t, asked, 1, o)
		assert.True(t, strings.EqualFold(path.Base(asked[0]), o.ID), "%s: %s", o, asked)
	}
}

// noted notes which methods are called.
type noted struct{ methods *[]string }

func (n noted) Invoke(_ context.Context, method string, _, _ any, _ ...grpc.CallOption) error {
	*n.methods = append(*n.methods, method)
	return nil
}

func (noted) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errors.New("none is wanted")
}

// Everything that may be wrong with the files is a fault of the key that names them, and nothing is opened beside.
func TestFilesThatDoNotFitAreFaults(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	edited := func(pairs ...string) string {
		return foreigntest.Contract(t, t.TempDir(), inventory, strings.NewReplacer(pairs...))
	}
	contract, descriptors := foreigntest.Contract(t, dir, inventory, nil), foreigntest.Descriptors(t, dir)
	raw, err := os.ReadFile(descriptors)
	require.NoError(t, err)
	for _, c := range []struct {
		grpc        GRPC
		place, says string
	}{
		{GRPC{contract, filepath.Join(dir, "none")}, "/shelf/grpc/descriptors", "there is no file"},
		{GRPC{contract, dir}, "/shelf/grpc/descriptors", "is not a file"},
		{GRPC{contract, write("empty", "")}, "/shelf/grpc/descriptors", "is no descriptor set"},
		{GRPC{contract, write("text", "syntax = \"proto3\";")}, "/shelf/grpc/descriptors", "is no descriptor set"},
		{GRPC{contract, write("half", string(raw[len(raw)/2:]))}, "/shelf/grpc/descriptors", ""},
		{GRPC{contract, write("large", strings.Repeat("x", maxFileBytes+1))}, "/shelf/grpc/descriptors", "over 1048576"},
		{GRPC{filepath.Join(dir, "none"), descriptors}, "/shelf/grpc/contract", "there is no file"},
		{GRPC{write("bad.yaml", "openapi: 3.0.3"), descriptors}, "/shelf/grpc/contract", "contract of shelf"},
		{GRPC{edited("/v1/inventory/{sku}/restock:", "/v1/inventory/{sku}/refill:"), descriptors}, "/shelf/grpc/contract", "POST /v1/inventory/{sku}/refill: no method"},
		{GRPC{edited("x-roles:", "x-role:"), descriptors}, "/shelf/grpc/contract", "x-roles"},
		{GRPC{edited("      operationId: getItem\n", ""), descriptors}, "/shelf/grpc/contract", "has no operationId"},
	} {
		opened, faults := Open(Config{"good": {GRPC: GRPC{contract, descriptors}}, "shelf": {GRPC: c.grpc}}, nil)
		require.Len(t, faults, 1, c.says)
		assert.Equal(t, c.place, faults[0].Place)
		assert.Contains(t, faults[0].Message, c.says)
		assert.Empty(t, opened)
	}
}
