package onewriter

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/dapr/components-contrib/metadata"
	"github.com/dapr/components-contrib/state"
	"github.com/dapr/kit/logger"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// opened is a store with an empty file and these properties beside.
func opened(t testing.TB, properties map[string]string) *store {
	t.Helper()
	all := map[string]string{"connectionString": filepath.Join(t.TempDir(), "state.db"), "busyTimeout": "1ms", "cleanupInterval": "0s"}
	for name, value := range properties {
		all[name] = value
	}
	s := New(logger.NewLogger("test")).(*store)
	require.NoError(t, s.Init(t.Context(), state.Metadata{Base: metadata.Base{Properties: all}}))
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func create(key, value string) *state.SetRequest {
	return &state.SetRequest{Key: key, Value: []byte(value), Options: state.SetStateOption{Concurrency: state.FirstWrite}}
}

// What is created by our statement is contrib's row, and a key that is there is as contrib has it: whatever the table is called.
func TestANewKeyIsAsContribWouldWriteIt(t *testing.T) {
	for name, properties := range map[string]map[string]string{
		"by the prepared insert": {"timeout": "6s"}, "by contrib": {"tableName": "another"},
	} {
		t.Run(name, func(t *testing.T) {
			s := opened(t, properties)
			assert.Equal(t, properties["tableName"] == "", s.insert != nil)
			require.NoError(t, s.Set(t.Context(), create("k", "a\x00\xff")))
			err := s.Set(t.Context(), create("k", "b"))
			_, refused := errors.AsType[*state.ETagError](err)
			assert.True(t, refused, "%v", err)
			got, err := s.Get(t.Context(), &state.GetRequest{Key: "k"})
			require.NoError(t, err)
			assert.Equal(t, "a\x00\xff", string(got.Data))
			require.NotNil(t, got.ETag)

			update := create("k", "c")
			update.ETag = got.ETag
			require.NoError(t, s.Set(t.Context(), update))
			err = s.Set(t.Context(), update)
			_, refused = errors.AsType[*state.ETagError](err)
			assert.True(t, refused, "the ETag is another by now: %v", err)
			require.NoError(t, s.Delete(t.Context(), &state.DeleteRequest{Key: "k"}))
			require.NoError(t, s.Set(t.Context(), create("k", "again")))
		})
	}
}

func TestAKeyThatHasExpiredIsNew(t *testing.T) {
	s := opened(t, nil)
	expiring := create("k", "old")
	expiring.Metadata = map[string]string{"ttlInSeconds": "3600"}
	require.NoError(t, s.Set(t.Context(), expiring))
	require.Error(t, s.Set(t.Context(), create("k", "new")))
	_, err := s.GetDBAccess().GetConnection().ExecContext(t.Context(), `UPDATE state SET expiration_time = DATETIME(CURRENT_TIMESTAMP, '-1 seconds')`)
	require.NoError(t, err)
	require.NoError(t, s.Set(t.Context(), create("k", "new")))
	got, err := s.Get(t.Context(), &state.GetRequest{Key: "k"})
	require.NoError(t, err)
	assert.Equal(t, "new", string(got.Data))
	assert.Empty(t, got.Metadata, "it does not expire")
}

// BenchmarkCreate writes new keys with and without the prepared insert.
func BenchmarkCreate(b *testing.B) {
	for _, kib := range []int{1, 8} {
		value := string(make([]byte, kib<<10))
		for name, properties := range map[string]map[string]string{"prepared": nil, "contrib": {"tableName": "another"}} {
			b.Run(fmt.Sprintf("%s/%dKiB", name, kib), func(b *testing.B) {
				s := opened(b, properties)
				for i := 0; b.Loop(); i++ {
					require.NoError(b, s.Set(b.Context(), create(fmt.Sprintf("order/journal/0/%d", i), value)))
				}
			})
		}
	}
}
