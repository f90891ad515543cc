package journaltest

import (
	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/journal"
)

// RequireExact holds an event to what journal.Exact promises: it writes what json.Marshal writes, an error for the same
// values, and what is read back is equal to it.
func RequireExact(t require.TestingT, types journal.Types, e journal.Exact) {
	want, err := json.Marshal(e)
	got, appendErr := e.AppendJSON([]byte("before"))
	if err != nil {
		require.Error(t, appendErr)
		return
	}
	require.NoError(t, appendErr)
	require.Equal(t, "before"+string(want), string(got))
	back, err := types.Decode(journal.Record{Type: e.EventType(), Data: want})
	require.NoError(t, err)
	require.Equal(t, e, back)
}
