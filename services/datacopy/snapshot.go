package datacopy

import (
	"context"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

func (s *shardCopy) label() string { return strconv.Itoa(s.shard) }

// header reads the shard's snapshot header in a store; empty when there is none.
func (s *shardCopy) header(ctx context.Context, in sidecar.State) (journal.Header, error) {
	item, err := s.get(ctx, in, s.keys.Header(s.shard))
	if err != nil {
		return journal.Header{}, err
	}
	return s.decodeHeader(item.Value)
}

func (s *shardCopy) decodeHeader(value []byte) (journal.Header, error) {
	h := journal.Header{Version: journal.HeaderVersion}
	if value == nil {
		return h, nil
	}
	if err := json.Unmarshal(value, &h); err != nil {
		return h, finalf("%s cannot be read: %w", s.keys.Header(s.shard), err)
	}
	if h.Version != journal.HeaderVersion {
		return h, finalf("%s has layout %d, this program reads %d: run the version that wrote it", s.keys.Header(s.shard), h.Version, journal.HeaderVersion)
	}
	return h, nil
}

// copySnapshot brings the source's snapshot to the target, by the journal's own rules: the chunk set is announced in the
// header before its first chunk and installed after its last, so that sets that a killed run leaves are found and deleted
// by the journal that opens there.
func (s *shardCopy) copySnapshot(ctx context.Context, h journal.Header) error {
	err := s.changeTargetHeader(ctx, func(t *journal.Header) bool {
		if t.Set == h.Set || t.Seq >= h.Seq || slices.ContainsFunc(t.OtherSets, func(o journal.ChunkSet) bool { return o.ID == h.Set }) {
			return false
		}
		t.OtherSets = append(t.OtherSets, journal.ChunkSet{ID: h.Set, Since: s.cfg.Now().UTC().Round(0)})
		return true
	})
	if err != nil {
		return err
	}
	for from := 0; from < h.Chunks; from += bulkKeys / 2 {
		keys := make([]string, min(bulkKeys/2, h.Chunks-from))
		for i := range keys {
			keys[i] = s.keys.Chunk(s.shard, h.Set, from+i)
		}
		items, err := s.getMany(ctx, s.source, keys)
		if err != nil {
			return err
		}
		documents := make([]document, len(keys))
		for i, item := range items {
			if item.Value == nil {
				return s.replaced(ctx, h)
			}
			documents[i] = document{keys[i], item.Value}
		}
		if err := s.createAll(ctx, documents); err != nil {
			return err
		}
		s.totals.chunks.Add(int64(len(documents)))
		s.tell()
	}
	err = s.changeTargetHeader(ctx, func(t *journal.Header) bool {
		if t.Set == h.Set || t.Seq >= h.Seq {
			return false
		}
		t.OtherSets = slices.DeleteFunc(t.OtherSets, func(o journal.ChunkSet) bool { return o.ID == h.Set })
		if t.Set != "" {
			t.OtherSets = append(t.OtherSets, journal.ChunkSet{ID: t.Set, Since: s.cfg.Now().UTC().Round(0), Retired: true})
		} else {
			t.DeletedThrough = s.at.First // these were never here
		}
		t.Seq, t.At, t.Set, t.Chunks, t.Records, t.Bytes = h.Seq, h.At, h.Set, h.Chunks, h.Records, h.Bytes
		t.TrimmedThrough = max(t.TrimmedThrough, h.TrimmedThrough)
		return true
	})
	if err != nil {
		return err
	}
	s.at.Snapshot = h.Seq
	return nil
}

// replaced tells a snapshot that was replaced while it was copied, which is no failure, from one that is damaged.
func (s *shardCopy) replaced(ctx context.Context, h journal.Header) error {
	now, err := s.header(ctx, s.source)
	if err != nil {
		return err
	}
	if now.Set == h.Set {
		return finalf("snapshot %s of the source names chunk set %s, which is not there: the source is damaged", s.keys.Header(s.shard), h.Set)
	}
	return errGone
}

// changeTargetHeader applies edit to the target's header; it answers false when there is nothing to do.
func (s *shardCopy) changeTargetHeader(ctx context.Context, edit func(t *journal.Header) bool) error {
	return s.change(ctx, s.target, s.keys.Header(s.shard), func(value []byte) ([]byte, error) {
		t, err := s.decodeHeader(value)
		if err != nil || !edit(&t) {
			return nil, err
		}
		return json.Marshal(t)
	})
}
