package archive

import (
	"fmt"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// reload is x after a snapshot and a start.
func reload(t require.TestingT, x *Index) *Index {
	back := NewIndex()
	require.NoError(t, x.Dump(func(kind string, record any) error {
		text, err := json.Marshal(record)
		require.NoError(t, err)
		require.Less(t, len(text), 64<<10, kind)
		mine, err := back.Load(kind, jsontext.Value(text))
		require.True(t, mine)
		return err
	}))
	return back
}

func TestIndexIsNeverWronglyNo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, n := NewIndex(), 0
		var earlier *Index
		var at int
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				ids := make([]string, rapid.SampledFrom([]int{1, 50, maxRecentIDs / 4}).Draw(t, "ids"))
				for i := range ids {
					ids[i] = fmt.Sprint("id", n)
					n++
				}
				before := x.Generation()
				next := x.Clone()
				next.Add(ids)
				require.Greater(t, next.Generation(), before)
				require.Equal(t, before, x.Generation(), "the copy is independent")
				x = next
			},
			"keep":   func(*rapid.T) { earlier, at = x, n },
			"reload": func(t *rapid.T) { x = reload(t, x) },
			"": func(t *rapid.T) {
				for i := 0; i < n; i += 1 + n/40 {
					require.True(t, x.Maybe(fmt.Sprint("id", i)))
				}
				for i := 0; i < at; i += 1 + at/40 {
					require.True(t, earlier.Maybe(fmt.Sprint("id", i)))
				}
			},
		})
	})
}

func TestIndexGrowsAndSeldomWronglySaysYes(t *testing.T) {
	const ids, probes = 100_000, 10_000
	x := NewIndex()
	for range ids / 250 {
		some := make([]string, 250)
		for i := range some {
			some[i] = uuid.NewString()
		}
		x.Add(some)
	}
	require.Len(t, x.filters, 3, "of 16 thousand, 65 thousand and 262 thousand ids")
	require.Less(t, x.recent.Len(), maxRecentIDs)
	require.Equal(t, x.Generation(), uint64(ids/250))
	wrong := 0
	back := reload(t, x)
	for range probes {
		id := uuid.NewString()
		require.Equal(t, x.Maybe(id), back.Maybe(id))
		if x.Maybe(id) {
			wrong++
		}
	}
	require.Less(t, wrong, probes*len(x.filters)/500, "twice what the filters promise")
	back.Add([]string{"one more"}) // a filter that was loaded is copied like any other
	require.True(t, back.Maybe("one more"))
}

func TestIndexRefusesRecordsThatDoNotFit(t *testing.T) {
	for _, text := range []string{
		`{"bits":64,"hashes":3,"from":1,"words":"AAAAAAAAAAA="}`,
		`{"bits":64,"hashes":3,"from":0,"words":"AAAAAAAAAAAAAAAAAAAAAA=="}`,
		`{"bits":64,"hashes":3,"from":0,"words":"AAAA"}`,
		`[]`,
	} {
		mine, err := NewIndex().Load(kindFilter, jsontext.Value(text))
		require.True(t, mine)
		require.Error(t, err, text)
	}
	mine, err := NewIndex().Load("order", jsontext.Value(`{}`))
	require.False(t, mine)
	require.NoError(t, err)
}
