package onewriter

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"github.com/dapr/components-contrib/state"
	"github.com/dapr/components-contrib/state/utils"
	"github.com/google/uuid"
)

// Most of what is written is a key that is not there yet. Contrib has SQLite read its statement anew for each, with a query inside that looks for
// the key and copies the value once more; a plain insert that is prepared once takes about half of the time (BenchmarkCreate; docs/adr/0017-sqlite.md).
// Only a key that is there is contrib's to decide on: whether it has expired, and how to refuse.

// newKey adds a row as contrib (v1.18.3, state/sqlite) would, unless the key has one.
const newKey = `INSERT INTO state (key, value, is_binary, etag, update_time) VALUES (?, ?, TRUE, ?, CURRENT_TIMESTAMP) ON CONFLICT (key) DO NOTHING`

// contribTimeout bounds a statement where the component says nothing.
const contribTimeout = 20 * time.Second

// Init is contrib's. A component that names its table goes without the insert.
func (s *store) Init(ctx context.Context, metadata state.Metadata) error {
	if err := s.SQLiteStore.Init(ctx, metadata); err != nil {
		return err
	}
	s.timeout = contribTimeout
	for name, value := range metadata.Properties {
		switch strings.ToLower(name) {
		case "tablename":
			return nil
		case "timeout":
			if d, err := time.ParseDuration(value); err == nil {
				s.timeout = d
			}
		}
	}
	var err error
	s.insert, err = s.GetDBAccess().GetConnection().PrepareContext(ctx, newKey)
	return err
}

// Close is contrib's.
func (s *store) Close() error {
	if s.insert != nil {
		_ = s.insert.Close() // with its connections
	}
	return s.SQLiteStore.Close()
}

// set is contrib's Set, for whoever's turn it is. The write goes on when ctx ends, as contrib's does.
func (s *store) set(ctx context.Context, req *state.SetRequest) error {
	if value, ok := s.isNew(req); ok {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
		defer cancel()
		done, err := s.insert.ExecContext(ctx, req.Key, base64.StdEncoding.EncodeToString(value), uuid.NewString())
		if err != nil {
			return err
		}
		if rows, err := done.RowsAffected(); err != nil || rows == 1 {
			return err
		}
	}
	return s.SQLiteStore.Set(ctx, req)
}

// isNew tells a request for a key that must not be there and never expires, and gives its value.
func (s *store) isNew(req *state.SetRequest) (value []byte, ok bool) {
	if s.insert == nil || req.Key == "" || req.HasETag() || req.Options.Concurrency != state.FirstWrite || state.CheckRequestOptions(req.Options) != nil {
		return nil, false
	}
	if ttl, err := utils.ParseTTL(req.Metadata); err != nil || ttl != nil {
		return nil, false
	}
	value, ok = req.Value.([]byte)
	return value, ok
}
