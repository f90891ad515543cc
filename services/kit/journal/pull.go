package journal

import (
	"context"

	"github.com/go-json-experiment/json"
)

// Segments gives committed segments of a shard after a number, at most limit (and at most 200 or 4 MiB). An empty
// answer says that there are none yet. When the first of them has been trimmed it is errs Gone with the code
// CodeTrimmed and the Extra "start_after": the smallest number that can be asked for.
func (j *Journal[S]) Segments(ctx context.Context, shard int, after uint64, limit int) ([]Segment, error) {
	found, err := j.documents(ctx, shard, after, limit)
	if err != nil {
		return nil, err
	}
	list := make([]Segment, len(found))
	for i, d := range found {
		if err := json.Unmarshal(d.value, &list[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// documents is Segments as they are stored; the bound in bytes is of what they come to unpacked.
func (j *Journal[S]) documents(ctx context.Context, shard int, after uint64, limit int) ([]document, error) {
	s, err := j.shard(shard)
	if err != nil {
		return nil, err
	}
	head := s.head().seq
	if after >= head {
		return []document{}, nil
	}
	count := min(max(limit, 1), maxPullSegments, int(min(head-after, maxPullSegments)))
	if found, ok := s.recent.after(after, count); ok {
		return bounded(found), nil
	}
	return s.pull(ctx, after, count)
}

// pull reads segments from the store.
func (s *shard[S]) pull(ctx context.Context, after uint64, count int) ([]document, error) {
	ctx, cancel := context.WithTimeout(ctx, storeCallWithin)
	defer cancel()
	found, err := s.reader.many(ctx, after+1, count)
	if err != nil {
		return nil, unavailable(err)
	}
	// After the read and not before: another replica may trim in between, and what stands in a hole is no commit.
	h, _, err := s.readHeader(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	if h.TrimmedThrough > after {
		return nil, trimmed(h.TrimmedThrough)
	}
	if len(found) == 0 {
		return nil, unavailable(errMissing)
	}
	list := make([]document, len(found))
	for i, f := range found {
		list[i] = f.document()
	}
	return bounded(list), nil
}

// bounded keeps as many segments as fit into one answer, always at least one.
func bounded(found []document) []document {
	bytes := 0
	for i, d := range found {
		if bytes += d.unpacked; bytes > maxPullBytes && i > 0 {
			return found[:i]
		}
	}
	return found
}
