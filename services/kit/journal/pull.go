package journal

import (
	"context"
)

// Segments gives committed segments of a shard after a number, at most limit (and at most 200 or 4 MiB). An empty
// answer says that there are none yet. When the first of them has been trimmed it is errs Gone with the code
// CodeTrimmed and the Extra "start_after": the smallest number that can be asked for.
func (j *Journal[S]) Segments(ctx context.Context, shard int, after uint64, limit int) ([]Segment, error) {
	s, err := j.shard(shard)
	if err != nil {
		return nil, err
	}
	head := s.head().seq
	if after >= head {
		return []Segment{}, nil
	}
	count := min(max(limit, 1), maxPullSegments, int(min(head-after, maxPullSegments)))
	if found, ok := s.recent.after(after, count); ok {
		return bounded(found), nil
	}
	return s.pull(ctx, after, count)
}

// pull reads segments from the store.
func (s *shard[S]) pull(ctx context.Context, after uint64, count int) ([]Segment, error) {
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
	return bounded(found), nil
}

// bounded keeps as many segments as fit into one answer, always at least one.
func bounded(found []stored) []Segment {
	list, bytes := make([]Segment, 0, len(found)), 0
	for _, f := range found {
		if bytes += f.bytes; bytes > maxPullBytes && len(list) > 0 {
			break
		}
		list = append(list, f.segment)
	}
	return list
}
