package onewriter

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/dapr/components-contrib/state"
	"github.com/dapr/kit/logger"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/semver"
)

// TestWritersDoNotMeetInTheFile has many write at once with SQLite told to give up at once when it is busy: whoever met another would fail.
func TestWritersDoNotMeetInTheFile(t *testing.T) {
	s := opened(t, nil)
	key := func(writer, n int) string { return fmt.Sprintf("k/%d/%d", writer, n) }
	const writers, each = 16, 10
	var all sync.WaitGroup
	for writer := range writers {
		all.Go(func() {
			for n := range each {
				set := state.SetRequest{Key: key(writer, n), Value: []byte{byte(n)}, Options: state.SetStateOption{Concurrency: state.FirstWrite}}
				switch n % 3 {
				case 0:
					assert.NoError(t, s.Set(t.Context(), &set))
				case 1:
					more := set
					more.Key += "/more"
					assert.NoError(t, s.BulkSet(t.Context(), []state.SetRequest{set, more}, state.BulkStoreOpts{}))
				default:
					assert.NoError(t, s.Multi(t.Context(), &state.TransactionalStateRequest{Operations: []state.TransactionalStateOperation{set}}))
				}
			}
			assert.NoError(t, s.Delete(t.Context(), &state.DeleteRequest{Key: key(writer, 0)}))
		})
	}
	all.Wait()
	for writer := range writers {
		for n := range each {
			got, err := s.Get(t.Context(), &state.GetRequest{Key: key(writer, n)})
			require.NoError(t, err)
			assert.Equal(t, n == 0, got.Data == nil, "%s: %s", key(writer, n), got.Data)
		}
	}
}

func TestWhoGivesUpDoesNotWrite(t *testing.T) {
	s := New(logger.NewLogger("test")).(*store)
	<-s.turn // somebody writes
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, s.Set(ctx, &state.SetRequest{Key: "k"}))
}

// TestSQLiteKeepsWhatIsCommittedBesideACheckpoint holds the release of SQLite: until 3.51.3 a commit of one sidecar could be lost, without an error,
// to checkpoints of others (sqlite.org/wal.html#walresetbug). Contrib's go.mod asks for an older driver, so a tidied go.mod could bring that back.
func TestSQLiteKeepsWhatIsCommittedBesideACheckpoint(t *testing.T) {
	var version string
	row := opened(t, nil).GetDBAccess().GetConnection().QueryRowContext(t.Context(), `SELECT sqlite_version()`)
	require.NoError(t, row.Scan(&version))
	assert.GreaterOrEqual(t, semver.Compare("v"+version, "v3.51.3"), 0, "SQLite %s", version)
}
