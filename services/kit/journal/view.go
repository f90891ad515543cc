package journal

import (
	"runtime/debug"
	"strings"
	"time"

	"fmt"
)

// view is a shard's state after segment seq. A committed view is never changed again.
type view[S any] struct {
	seq    uint64
	at     time.Time // of segment seq
	bytes  uint64    // of events applied since this process loaded the shard: what a snapshot is measured against
	domain S
	system *system
	moved  chan struct{} // closed when a later view is committed
}

func emptyView[S any](m Machine[S]) *view[S] {
	return &view[S]{domain: m.New(), system: newSystem(), moved: make(chan struct{})}
}

// clone is an independent copy; only the shard's goroutine may make one, because copying a persistent map marks
// the original as shared.
func (v *view[S]) clone(m Machine[S]) *view[S] {
	return &view[S]{seq: v.seq, at: v.at, bytes: v.bytes, domain: m.Clone(v.domain), system: v.system.clone(), moved: make(chan struct{})}
}

// apply changes the view by one decoded event of either kind.
func (v *view[S]) apply(m Machine[S], at At, e Event) {
	if own, ok := e.(systemEvent); ok {
		own.apply(v.system, at)
		return
	}
	m.Apply(v.domain, at, e)
}

// applySegment advances the view by a committed segment. An error is fatal, and the view is then not to be used.
func (v *view[S]) applySegment(m Machine[S], types Types, s Segment, key string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fatalf("journal: applying committed segment %s panicked: %v; the service's code cannot read its own past: "+
				"run the version that wrote it or fix Apply\n%s", key, p, debug.Stack())
		}
	}()
	at := At{Shard: s.Shard, Seq: s.Seq, Time: s.At}
	for i, r := range s.Events {
		e, err := decodeRecord(types, r)
		if err != nil {
			return fatalf("journal: event %d of committed segment %s cannot be read: %w; run the version that wrote it", i, key, err)
		}
		v.apply(m, at, e)
		v.bytes += uint64(r.size())
	}
	v.seq, v.at = s.Seq, s.At
	return nil
}

// decodeRecord reads a record of the journal's own kind or of the domain's.
func decodeRecord(types Types, r Record) (Event, error) {
	if strings.HasPrefix(r.Type, SystemPrefix) {
		return systemTypes.Decode(r)
	}
	return types.Decode(r)
}

// panicError is a panic of Decide or Apply that was caught before anything was committed.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }
