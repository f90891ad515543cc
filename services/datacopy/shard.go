package datacopy

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/sidecart/sidecart/services/kit/journal"
)

// progress is what the target remembers of a shard's copy, under sidecart/copy/{service}/{shard}: a run that is
// repeated goes on from it. Everything up to Through is in the target, with the views and lists that it names.
type progress struct {
	Begun    bool      `json:"begun"`
	First    uint64    `json:"first"`    // what the source had trimmed when it began: never in the target
	Through  uint64    `json:"through"`  // last segment copied, or trimmed in the source
	At       time.Time `json:"at"`       // its time
	Pages    int       `json:"pages"`    // of the catalogue
	Snapshot uint64    `json:"snapshot"` // the segment that the copied snapshot is the state after
}

// shardCopy copies one shard. It is for one goroutine.
type shardCopy struct {
	*Copier
	record  record
	service Service
	keys    journal.Keys
	shard   int
	at      progress
	closing bool            // the pause has begun
	tail    journal.Segment // the source's segment Through, once it was seen; zero when that was trimmed
}

func (s *shardCopy) progressKey() string {
	return recordKey + "/" + s.service.Name + "/" + s.label()
}

// resume reads what an earlier run has done.
func (s *shardCopy) resume(ctx context.Context) error {
	item, err := s.get(ctx, s.target, s.progressKey())
	if err != nil || item.Value == nil {
		return err
	}
	if err := json.Unmarshal(item.Value, &s.at); err != nil {
		return finalf("%s in the target cannot be read: %w; wipe the target", s.progressKey(), err)
	}
	return nil
}

// note records the progress. Of two runs the one that is further wins; what it says is true in either case.
func (s *shardCopy) note(ctx context.Context) error {
	value, err := json.Marshal(s.at)
	if err != nil {
		return err
	}
	return s.change(ctx, s.target, s.progressKey(), func(now []byte) ([]byte, error) {
		var there progress
		if now != nil {
			if err := json.Unmarshal(now, &there); err != nil {
				return nil, &finalError{err}
			}
		}
		if there.Through > s.at.Through || there.Pages > s.at.Pages || there == s.at {
			return nil, nil
		}
		return value, nil
	})
}

// errGone says that the source has trimmed what was to be copied next.
var errGone = errors.New("the source trims what is being copied")

// pass copies what the source has now. What comes meanwhile is left to the next pass: the source may be faster.
func (s *shardCopy) pass(ctx context.Context) error {
	end, err := s.end(ctx)
	if err != nil {
		return err
	}
	for {
		if err := s.once(ctx, end); !errors.Is(err, errGone) {
			return err
		}
	}
}

// once is a pass up to end, or further, that ends early when the source trims under it.
func (s *shardCopy) once(ctx context.Context, end uint64) error {
	h, err := s.header(ctx, s.source)
	if err != nil {
		return err
	}
	if !s.at.Begun {
		s.at.Begun, s.at.First = true, h.TrimmedThrough
		if err := s.note(ctx); err != nil {
			return err
		}
	}
	if s.wants(h) {
		if err := s.copySnapshot(ctx, h); err != nil {
			return err
		}
	}
	if h.TrimmedThrough > s.at.Through {
		if err := s.skip(ctx, h); err != nil {
			return err
		}
	}
	// After the header: whatever is trimmed by now is in these pages.
	if err := s.copyCatalogue(ctx); err != nil {
		return err
	}
	for s.at.Through < end {
		n, err := s.copySegments(ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			return finalf("segment %s of the source is missing: the source is damaged", s.keys.Segment(s.shard, s.at.Through+1))
		}
	}
	return nil
}

// wants tells whether the source's snapshot is to be copied: when the target has none, when segments that it lacks are
// trimmed, or when starting from the one it has would take long. In the pause only what must be is copied.
func (s *shardCopy) wants(h journal.Header) bool {
	switch {
	case h.Seq <= s.at.Snapshot:
		return false
	case h.TrimmedThrough > max(s.at.Through, s.at.Snapshot):
		return true
	case s.closing:
		return false
	}
	return s.at.Snapshot == 0 || h.Seq-s.at.Snapshot >= refreshSegments
}

// skip passes over what the source has trimmed: the snapshot has it, and the target's header must say so.
func (s *shardCopy) skip(ctx context.Context, h journal.Header) error {
	err := s.changeTargetHeader(ctx, func(t *journal.Header) bool {
		if t.TrimmedThrough >= h.TrimmedThrough {
			return false
		}
		t.TrimmedThrough = h.TrimmedThrough
		return true
	})
	s.at.Through, s.tail = h.TrimmedThrough, journal.Segment{}
	if h.Seq == h.TrimmedThrough {
		s.at.At = h.At
	}
	return err
}

// copySegments copies the next batch and what it names, and says how many segments there were.
func (s *shardCopy) copySegments(ctx context.Context) (int, error) {
	documents, segments, err := s.nextSegments(ctx)
	if err != nil || len(segments) == 0 {
		return 0, err
	}
	if err := s.createAll(ctx, documents); err != nil {
		return 0, err
	}
	if a := s.service.Archive; a != nil {
		var ids []string
		for _, segment := range segments {
			more, err := a.IDs(segment)
			if err != nil {
				return 0, &finalError{err}
			}
			ids = append(ids, more...)
		}
		if err := s.copyArchived(ctx, ids); err != nil {
			return 0, err
		}
	}
	s.tail = segments[len(segments)-1]
	s.at.Through, s.at.At = s.tail.Seq, s.tail.At
	s.totals.segments.Add(int64(len(segments)))
	s.totals.digest(s.service.Name, s.shard, documents)
	s.tell()
	return len(segments), s.note(ctx)
}

// nextSegments reads the segments after Through. It looks at the header after the read: what stands in a trimmed number is
// no commit.
func (s *shardCopy) nextSegments(ctx context.Context) ([]document, []journal.Segment, error) {
	documents := make([]document, batchSegments)
	keys := make([]string, batchSegments)
	for i := range keys {
		keys[i] = s.keys.Segment(s.shard, s.at.Through+1+uint64(i))
	}
	items, err := s.getMany(ctx, s.source, keys)
	if err != nil {
		return nil, nil, err
	}
	h, err := s.header(ctx, s.source)
	if err != nil {
		return nil, nil, err
	}
	if h.TrimmedThrough > s.at.Through {
		return nil, nil, errGone
	}
	var segments []journal.Segment
	for i, item := range items {
		if item.Value == nil {
			break
		}
		segment, err := s.decode(keys[i], s.at.Through+1+uint64(i), item.Value)
		if err != nil {
			return nil, nil, err
		}
		documents[i] = document{keys[i], item.Value}
		segments = append(segments, segment)
	}
	return slices.Clip(documents[:len(segments)]), segments, nil
}

func (s *shardCopy) decode(key string, seq uint64, value []byte) (journal.Segment, error) {
	var segment journal.Segment
	if err := json.Unmarshal(value, &segment); err != nil {
		return segment, finalf("segment %s of the source cannot be read: %w", key, err)
	}
	switch id := s.record.Journals[s.service.Name]; {
	case segment.Service != s.service.Name || segment.Shard != s.shard || segment.Seq != seq:
		return segment, finalf("segment %s says it is %s/%d/%d: the source is damaged", key, segment.Service, segment.Shard, segment.Seq)
	case segment.Journal != "" && segment.Journal != id:
		return segment, finalf("segment %s is of journal %s, the source's is %s: the source is damaged", key, segment.Journal, id)
	}
	return segment, nil
}

// last gives the source's last segment that was copied, reading it when this run has not; false when it was trimmed.
func (s *shardCopy) last(ctx context.Context) (journal.Segment, bool, error) {
	if s.tail.Seq == s.at.Through && s.tail.Seq > 0 {
		return s.tail, true, nil
	}
	if s.at.Through == 0 {
		return journal.Segment{}, false, nil
	}
	key := s.keys.Segment(s.shard, s.at.Through)
	item, err := s.get(ctx, s.source, key)
	if err != nil || item.Value == nil {
		return journal.Segment{}, false, err
	}
	segment, err := s.decode(key, s.at.Through, item.Value)
	if err == nil {
		s.tail = segment
	}
	return segment, err == nil, err
}

// end finds the source's last segment, which is 0 when there is none: no store lists its keys, but numbers have no gaps.
func (s *shardCopy) end(ctx context.Context) (uint64, error) {
	h, err := s.header(ctx, s.source)
	if err != nil {
		return 0, err
	}
	exists := func(seq uint64) (bool, error) {
		item, err := s.get(ctx, s.source, s.keys.Segment(s.shard, seq))
		return item.Value != nil, err
	}
	low := max(h.Seq, h.TrimmedThrough, s.at.Through) // exists, or did
	high, step := low+1, uint64(1)
	for {
		ok, err := exists(high)
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		low, high, step = high, high+step, step*2
	}
	for low+1 < high { // low exists, high does not
		middle := low + (high-low)/2
		ok, err := exists(middle)
		if err != nil {
			return 0, err
		}
		if ok {
			low = middle
		} else {
			high = middle
		}
	}
	return low, nil
}
