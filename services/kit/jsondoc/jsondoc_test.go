package jsondoc

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSame(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{`{"a":1,"b":[true,null]}`, ` { "b" : [true, null], "a" : 1 }`, true},
		{`"é"`, `"\u00e9"`, true},
		{`1.50`, `1.5`, true},
		{`1e2`, `100`, true},
		{`9007199254740993`, `9007199254740992`, false},
		{`1e99999`, `1e99998`, false},
		{`{"a":1}`, `{"a":1,"b":null}`, false},
		{`{"a":1}`, `{"b":1}`, false},
		{`[1,2]`, `[2,1]`, false},
		{`[1]`, `[1,1]`, false},
		{`"1"`, `1`, false},
		{`{}`, `[]`, false},
		{`null`, ``, false},
		{`1 2`, `1`, false},
		{`{`, `{}`, false},
	} {
		assert.Equal(t, c.same, Same([]byte(c.a), []byte(c.b)), "%s and %s", c.a, c.b)
		assert.Equal(t, c.same, Same([]byte(c.b), []byte(c.a)), "%s and %s", c.b, c.a)
	}
	assert.True(t, sameNumber("1e999999999", "1e999999999"))
	assert.False(t, sameNumber("1e999999999", "2e999999999"), "without filling the memory")
}

// A document stays the same when it is written in another way, and no longer when a value in it changes.
func TestSameHoldsForEveryDocument(t *testing.T) {
	leaf := rapid.OneOf(rapid.Map(rapid.String(), func(s string) any { return s }), rapid.Map(rapid.Int64(), func(n int64) any { return n }), rapid.Just[any](true), rapid.Just[any](nil))
	rapid.Check(t, func(t *rapid.T) {
		members := rapid.MapOf(rapid.StringN(0, 8, -1), rapid.SliceOf(leaf)).Draw(t, "members")
		plain, err := json.Marshal(members)
		require.NoError(t, err)
		again, err := json.MarshalIndent(members, " ", "\t")
		require.NoError(t, err)
		require.True(t, Same(plain, again))
		for name, list := range members {
			changed := maps.Clone(members)
			changed[name] = append(slices.Clone(list), "one more")
			other, err := json.Marshal(changed)
			require.NoError(t, err)
			require.False(t, Same(plain, other))
		}
	})
}
