package contracts

import (
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

// FuzzContract: whatever a service tells, it is refused or becomes a set that can be asked.
func FuzzContract(f *testing.F) {
	f.Add(stall)
	f.Add("openapi: 3.0.3\ninfo: {title: x, version: '1'}\npaths: {}\n")
	f.Add(`{"openapi":"3.0.3","info":{"title":"x","version":"1"},"paths":{"/v1/{a}":{"get":{"parameters":[{"name":"a","in":"path","required":true,"schema":{"type":"string"}}],"responses":{"200":{"description":"ok"}}}}}}`)
	f.Add(`{"openapi":"3.0.3","info":{"title":"x","version":"1"},"paths":{"/v1/{a}":{"get":{"parameters":[{"name":"a","in":"path","required":true,"schema":{"type":"string"}}],"responses":{"":{"description":"ok"}}}}}}`)
	f.Add("openapi: 3.0.3\ninfo: {title: x, version: '1'}\npaths: {}\ncomponents: {schemas: {A: {properties: {a: {$ref: '#/components/schemas/A'}}}}}")
	known, err := Read("stall", []byte(stall))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Read("stall", []byte(text))
		if err != nil {
			return
		}
		Breaks(known, c)
		Breaks(c, known)
		set, err := NewSet([]*Contract{c}, nil, nil, "http://127.0.0.1:8080")
		if err != nil {
			return
		}
		for _, o := range c.Operations() {
			r := httptest.NewRequest(o.Method, "http://x/v1/a?limit=1", strings.NewReader("{}"))
			_ = o.CheckRequest(r, o.Segments, []byte("{}"))
			_ = o.CheckAnswer(200, "application/json", []byte("{}"))
			_ = set.Find(o.Segments)
		}
	})
}

// FuzzBody: whatever is sent, it is refused with the fields named, or it is what the library takes for good, too.
func FuzzBody(f *testing.F) {
	raw, err := os.ReadFile("../../order/openapi.yaml")
	require.NoError(f, err)
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	require.NoError(f, err)
	ref := doc.Components.Schemas["PlaceOrder"]
	s, err := compiler{}.compile(ref)
	require.NoError(f, err)
	f.Add([]byte(order))
	f.Add([]byte(`{"contact":{"email":"a"},"lines":[{"sku":"a","quantity":1.0}]}`))
	f.Add([]byte(`{"lines":[{"sku":"\u0061","quantity":1e2}],"contact":{"phone":"1"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		faults, err := checkJSON(s, body, false)
		for _, fault := range faults {
			require.NotEmpty(t, fault.Field)
			require.NotEmpty(t, fault.Message)
			require.Less(t, len(fault.Field), 2*maxPointerBytes)
		}
		var v any
		if err != nil || json.Unmarshal(body, &v) != nil {
			return
		}
		theirs := ref.Value.VisitJSON(v, openapi3.VisitAsRequest())
		require.Equal(t, theirs == nil, len(faults) == 0, "%s: %v: %v", body, faults, theirs)
	})
}

// FuzzSegments: segments that are put together again are the same segments.
func FuzzSegments(f *testing.F) {
	for _, seed := range []string{"/v1/things", "/v1/a%20b", "/v1/%25", "/v1/a%2fb", "/v1/..", "/v1/%252e", "//", "/v1/é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		segments, err := Segments(u)
		if err != nil {
			return
		}
		again, err := url.ParseRequestURI(Join(segments))
		require.NoError(t, err)
		same, err := Segments(again)
		require.NoError(t, err)
		require.Equal(t, segments, same)
	})
}
