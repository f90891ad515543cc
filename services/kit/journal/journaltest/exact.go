package journaltest

import (
	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/journal"
)

// RequireAppends holds what writes itself, such as a record of a snapshot, to what json.Marshal writes.
func RequireAppends(t require.TestingT, v interface {
	AppendJSON(to []byte) ([]byte, error)
}) {
	want, err := json.Marshal(v)
	got, appendErr := v.AppendJSON([]byte("before"))
	if err != nil {
		require.Error(t, appendErr)
		return
	}
	require.NoError(t, appendErr)
	require.Equal(t, "before"+string(want), string(got))
}

// RequireExact holds an event to what journal.Exact promises: it writes what json.Marshal writes, an error for the same
// values, and what is read back is equal to it.
func RequireExact(t require.TestingT, types journal.Types, e journal.Exact) {
	RequireAppends(t, e)
	data, err := e.AppendJSON(nil)
	if err != nil {
		return
	}
	back, err := types.Decode(journal.Record{Type: e.EventType(), Data: data})
	require.NoError(t, err)
	require.Equal(t, e, back)
}
