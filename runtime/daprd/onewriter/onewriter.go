// Package onewriter has the writers of one SQLite file take turns in the sidecar.
//
// SQLite lets one connection write at a time. The others do not queue: they sleep and look again, 1, 2, 5, 10, 15, 20, 25 ms and more
// (sqliteDefaultBusyCallback in SQLite's main.c), so whoever comes while the file is busy waits for much longer than the write before it
// takes, and is overtaken by those who come later. Contrib's component (v1.18.3) gives every request a connection of its own. Behind this
// package a sidecar's writes wait for each other in order and without sleeping; those of several sidecars still meet in the file.
//
// Reads do not wait: in WAL mode they never did. New keys are written by a statement of our own (create.go).
package onewriter

import (
	"context"
	"database/sql"
	"time"

	"github.com/dapr/components-contrib/state"
	"github.com/dapr/components-contrib/state/sqlite"
	"github.com/dapr/kit/logger"
)

// store is contrib's store with its writes in a queue.
type store struct {
	*sqlite.SQLiteStore
	state.BulkStore               // whose single writes take turns, too
	turn            chan struct{} // holds one token while nobody writes
	insert          *sql.Stmt     // newKey; nil: contrib does everything
	timeout         time.Duration // of a statement
}

// New makes a state.sqlite.
func New(log logger.Logger) state.Store {
	inner := sqlite.NewSQLiteStateStore(log)
	own, ok := inner.(*sqlite.SQLiteStore)
	if !ok {
		return inner
	}
	s := &store{SQLiteStore: own, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	s.BulkStore = state.NewDefaultBulkStore(s)
	return s
}

// write runs do when it is its turn, unless ctx ends before.
func (s *store) write(ctx context.Context, do func() error) error {
	select {
	case <-s.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { s.turn <- struct{}{} }()
	return do()
}

// Set is contrib's.
func (s *store) Set(ctx context.Context, req *state.SetRequest) error {
	return s.write(ctx, func() error { return s.set(ctx, req) })
}

// Delete is contrib's.
func (s *store) Delete(ctx context.Context, req *state.DeleteRequest) error {
	return s.write(ctx, func() error { return s.SQLiteStore.Delete(ctx, req) })
}

// BulkGet is contrib's: one query.
func (s *store) BulkGet(ctx context.Context, req []state.GetRequest, opts state.BulkGetOpts) ([]state.BulkGetResponse, error) {
	return s.SQLiteStore.BulkGet(ctx, req, opts)
}

// Multi is contrib's: one transaction.
func (s *store) Multi(ctx context.Context, req *state.TransactionalStateRequest) error {
	return s.write(ctx, func() error { return s.SQLiteStore.Multi(ctx, req) })
}
