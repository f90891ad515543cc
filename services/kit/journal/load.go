package journal

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"time"

	"github.com/go-json-experiment/json"
)

// errSnapshotReplaced says that chunks of the snapshot vanished while they were read.
var errSnapshotReplaced = errors.New("journal: the snapshot was replaced while it was read")

// maxMissingChunks is how often the chunks of one and the same header may be missing before it is called damaged.
const maxMissingChunks = 5

// load makes the newest state that the store holds the committed one: the snapshot and every segment after it. It
// starts again when a newer snapshot takes the place of the one it reads, and retries until ctx ends.
func (s *shard[S]) load(ctx context.Context) error {
	began, missing := time.Now(), map[string]int{}
	for backOff := firstBackOff; ; backOff = min(2*backOff, maxBackOff) {
		set, err := s.loadOnce(ctx)
		switch {
		case err == nil:
			s.report(nil)
			s.journal.metrics.loadTimes.Observe(time.Since(began).Seconds())
			return nil
		case isFatal(err):
			return err
		case errors.Is(err, errSnapshotReplaced):
			if missing[set]++; missing[set] >= maxMissingChunks {
				return fatalf("journal: snapshot %s names chunk set %s, which is not there; restore the keys under it from a backup",
					s.journal.keys.Header(s.number), set)
			}
		case !errors.Is(err, errTrimmedAhead):
			s.report(err)
		}
		if ended := pause(ctx, backOff); ended != nil {
			return fmt.Errorf("%w (last: %w)", ended, err)
		}
	}
}

// loadOnce is one try; set is the chunk set that it read.
func (s *shard[S]) loadOnce(ctx context.Context) (set string, err error) {
	call, cancel := context.WithTimeout(ctx, storeCallWithin)
	h, _, err := s.readHeader(call)
	cancel()
	if err != nil {
		return "", err
	}
	if h.Seq > s.head().seq {
		v, err := s.readSnapshot(ctx, h)
		if err != nil {
			return h.Set, err
		}
		s.planSnapshot(h, v.bytes)
		s.advance(v)
	} else if s.nextSnapshot.Load().seq == math.MaxUint64 {
		s.planSnapshot(h, s.head().bytes)
	}
	s.headKnown = time.Time{} // so that catchUp compares what it finds with the newest header
	return h.Set, s.catchUp(ctx)
}

// readSnapshot reads the chunks that a header names, in windows, and applies them in order.
func (s *shard[S]) readSnapshot(ctx context.Context, h Header) (*view[S], error) {
	v := emptyView(s.journal.machine)
	for start := 0; start < h.Chunks; start += maxBulkChunkKeys * maxParallelReads {
		names := make([]string, min(maxBulkChunkKeys*maxParallelReads, h.Chunks-start))
		for i := range names {
			names[i] = s.journal.keys.Chunk(s.number, h.Set, start+i)
		}
		call, cancel := context.WithTimeout(ctx, storeCallWithin)
		values, err := readMany(call, s.journal.deps.State, names, maxBulkChunkKeys)
		cancel()
		if err != nil {
			return nil, err
		}
		for i, value := range values {
			if value == nil {
				return nil, errSnapshotReplaced
			}
			if err := loadChunk(s.journal.machine, v, value, names[i]); err != nil {
				return nil, err
			}
		}
	}
	v.seq, v.at = h.Seq, h.At
	return v, nil
}

// loadChunk adds the records of one chunk to v. An error is fatal.
func loadChunk[S any](m Machine[S], v *view[S], value []byte, key string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fatalf("journal: loading snapshot chunk %s panicked: %v\n%s", key, p, debug.Stack())
		}
	}()
	var c chunk
	if err := json.Unmarshal(value, &c); err != nil {
		return fatalf("journal: snapshot chunk %s cannot be read: %w; restore this key from a backup", key, err)
	}
	for i, r := range c.Records {
		var err error
		if _, own := systemTypes[r.Kind]; own {
			err = v.system.load(r.Kind, r.Data)
		} else {
			err = m.Load(v.domain, r.Kind, r.Data)
		}
		if err != nil {
			return fatalf("journal: record %d (%s) of snapshot chunk %s cannot be loaded: %w; run the version that wrote it", i, r.Kind, key, err)
		}
	}
	return nil
}
