package journal

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"
)

// Header is the value of {service}/snapshot/{shard}: which chunks are the snapshot, how far segments are trimmed, and
// which other chunk sets exist. It is changed only by ETag, so all replicas agree on the order of its changes.
type Header struct {
	Version        int        `json:"version"`
	Seq            uint64     `json:"seq"` // the snapshot is the state after this segment; 0: there is none yet
	At             time.Time  `json:"at"`  // of that segment
	Set            string     `json:"set"`
	Chunks         int        `json:"chunks"`
	Records        int        `json:"records"`
	Bytes          int        `json:"bytes"`
	TrimmedThrough uint64     `json:"trimmed_through"` // intent: segments up to here are deleted or being deleted
	DeletedThrough uint64     `json:"deleted_through"` // segments up to here are deleted
	OtherSets      []ChunkSet `json:"other_sets"`
}

// ChunkSet is a set of chunks that is not the snapshot: being written, or to be deleted. It stands in the header
// before its first chunk is written and until its last is deleted, because no store can list keys.
type ChunkSet struct {
	ID      string    `json:"id"`
	Since   time.Time `json:"since"`
	Retired bool      `json:"retired"` // to be deleted
}

// HeaderVersion is the layout that this code writes.
const HeaderVersion = 1

// readHeader reads the header with its ETag; where there is none yet, an empty header and no ETag.
func (s *shard[S]) readHeader(ctx context.Context) (Header, string, error) {
	key := s.journal.keys.Header(s.number)
	item, err := s.journal.deps.State.Get(ctx, key)
	if err != nil {
		return Header{}, "", err
	}
	h := Header{Version: HeaderVersion}
	if item.Value != nil {
		if err := json.Unmarshal(item.Value, &h); err != nil {
			return Header{}, "", fatalf("journal: snapshot header %s cannot be read: %w; restore this key from a backup", key, err)
		}
		if h.Version != HeaderVersion {
			return Header{}, "", fatalf("journal: snapshot header %s has layout %d, this program reads %d; run the version that wrote it", key, h.Version, HeaderVersion)
		}
	}
	s.trimmedThrough.Store(h.TrimmedThrough)
	return h, item.ETag, nil
}

// changeHeader applies change to the newest header until it is stored or ctx ends. After an error, which may hide a
// success, change sees the header again: it must recognize its own work and answer false when there is nothing to do.
func (s *shard[S]) changeHeader(ctx context.Context, change func(h *Header) bool) (Header, error) {
	var h Header
	err := retry(ctx, storeCallWithin, func(ctx context.Context) error {
		now, etag, err := s.readHeader(ctx)
		if err != nil {
			return err
		}
		h = now
		if !change(&h) {
			h = now
			return nil
		}
		value, err := json.Marshal(h)
		if err != nil {
			return err
		}
		key := s.journal.keys.Header(s.number)
		if etag == "" {
			err = s.journal.deps.State.Create(ctx, key, value)
		} else {
			err = s.journal.deps.State.Replace(ctx, key, value, etag)
		}
		if err == nil {
			s.trimmedThrough.Store(h.TrimmedThrough)
		}
		return err
	})
	return h, err
}
