package journal

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// pause waits about d (between half and all of it, so that replicas do not march in step); it fails when ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d/2 + rand.N(d/2+1))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// retry calls op, each time with at most within, until it succeeds, fails for good or ctx ends.
func retry(ctx context.Context, within time.Duration, op func(context.Context) error) error {
	for backOff := firstBackOff; ; backOff = min(2*backOff, maxBackOff) {
		attempt, cancel := context.WithTimeout(ctx, within)
		err := op(attempt)
		cancel()
		if err == nil || isFatal(err) {
			return err
		}
		if ended := pause(ctx, backOff); ended != nil {
			return fmt.Errorf("%w (last: %w)", ended, err)
		}
	}
}

// stored is a segment with its value.
type stored struct {
	segment Segment
	value   []byte
}

// decode checks that a value is the segment that its key says, of the journal that this is.
func (r reader) decode(seq uint64, value []byte) (stored, error) {
	key := r.keys.Segment(r.shard, seq)
	var s Segment
	if err := json.Unmarshal(value, &s); err != nil {
		return stored{}, fatalf("journal: segment %s cannot be read: %w; restore this key from a backup", key, err)
	}
	if s.Service != r.service || s.Shard != r.shard || s.Seq != seq {
		return stored{}, fatalf("journal: segment %s says it is %s/%d/%d; restore this key from a backup", key, s.Service, s.Shard, s.Seq)
	}
	if s.Journal != "" && s.Journal != r.journal {
		return stored{}, fatalf("journal: segment %s is of journal %s, this is journal %s: a process that was not stopped has written into a store "+
			"that was replaced; stop every process, then restore this store as a whole", key, s.Journal, r.journal)
	}
	return stored{s, value}, nil
}

// reader reads segments of one shard; its methods do not retry.
type reader struct {
	state   sidecar.State
	keys    Keys
	service string
	journal string
	shard   int
}

// one reads a segment; ok is false when the number is free (or trimmed).
func (r reader) one(ctx context.Context, seq uint64) (s stored, ok bool, err error) {
	key := r.keys.Segment(r.shard, seq)
	item, err := r.state.Get(ctx, key)
	if err != nil || item.Value == nil {
		return stored{}, false, err
	}
	s, err = r.decode(seq, item.Value)
	return s, err == nil, err
}

// many reads the segments from, from+1, … up to the first that is missing, at most count. The reads are not of one
// instant: that a number is missing holds for some moment of the call only.
func (r reader) many(ctx context.Context, from uint64, count int) ([]stored, error) {
	if count == 1 {
		s, ok, err := r.one(ctx, from)
		if err != nil || !ok {
			return nil, err
		}
		return []stored{s}, nil
	}
	names := make([]string, count)
	for i := range names {
		names[i] = r.keys.Segment(r.shard, from+uint64(i))
	}
	items, err := readMany(ctx, r.state, names, maxBulkSegmentKeys)
	if err != nil {
		return nil, err
	}
	found := make([]stored, 0, count)
	for i, item := range items {
		if item == nil {
			break
		}
		s, err := r.decode(from+uint64(i), item)
		if err != nil {
			return nil, err
		}
		found = append(found, s)
	}
	return found, nil
}

// readMany reads names in parallel bulks; a missing key gives nil at its place. The first nil is the truth, the others need
// not be: a bulk read has no consistency setting, and on some stores (DynamoDB) it may miss what was written a moment ago. Where a
// key's absence says something (the head, a trimmed number, a snapshot that was replaced) it is the first that does, so
// that one is read again, by itself and with strong consistency. What is there never changes: segments and chunks are
// written once.
func readMany(ctx context.Context, state sidecar.State, names []string, bulkKeys int) ([][]byte, error) {
	values := make([][]byte, len(names))
	g, bulk := errgroup.WithContext(ctx)
	g.SetLimit(maxParallelReads)
	for start := 0; start < len(names); start += bulkKeys {
		part := names[start:min(start+bulkKeys, len(names))]
		g.Go(func() error {
			items, err := state.GetBulk(bulk, part)
			if err != nil {
				return err
			}
			for i, name := range part {
				values[start+i] = items[name].Value
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i, value := range values {
		if value != nil {
			continue
		}
		item, err := state.Get(ctx, names[i])
		if err != nil {
			return nil, err
		}
		if item.Value == nil {
			break
		}
		values[i] = item.Value
	}
	return values, nil
}
