package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/sidecart/sidecart/services/kit/failpoint"
)

// snapshotRecord is one record of a snapshot: of the journal's own part (its kind is one of its event types) or of the
// domain's Dump.
type snapshotRecord struct {
	Kind string         `json:"kind"`
	Data jsontext.Value `json:"data"`
}

// appendTo appends the record as JSON. Its kind is a name that needs no escapes, and its data is JSON already.
func (r snapshotRecord) appendTo(to []byte) []byte {
	to = append(append(append(to, `{"kind":"`...), r.Kind...), `","data":`...)
	return append(append(to, r.Data...), '}')
}

// chunk is the value of {service}/snapshot/{shard}/{set}/{n}.
type chunk struct {
	Records []snapshotRecord `json:"records"`
}

// appender is a record that writes itself as json.Marshal would: see Exact.
type appender interface {
	AppendJSON(to []byte) ([]byte, error)
}

// dump gives the whole of a view as records, encoded one by one. A record's data is emit's until emit returns.
func dump[S any](m Machine[S], v *view[S], emit func(snapshotRecord) error) error {
	var data []byte
	encode := func(kind string, record any) (err error) {
		if quick, ok := record.(appender); ok {
			data, err = quick.AppendJSON(data[:0])
		} else {
			data, err = json.Marshal(record)
		}
		if err != nil {
			return fmt.Errorf("journal: snapshot record %q: %w", kind, err)
		}
		return emit(snapshotRecord{kind, data})
	}
	if err := v.system.dump(encode); err != nil {
		return err
	}
	return m.Dump(v.domain, encode)
}

// snapshotPoint is when the next snapshot is due: when both are reached.
type snapshotPoint struct {
	seq   uint64
	bytes uint64 // as view.bytes counts
}

func (p *snapshotPoint) reached(seq, bytes uint64) bool { return seq >= p.seq && bytes >= p.bytes }

// planSnapshot says when the next snapshot is due after the one that h names, bytes being the view's at that time.
func (s *shard[S]) planSnapshot(h Header, bytes uint64) {
	next := snapshotPoint{seq: h.Seq + s.journal.cfg.SnapshotEverySegments, bytes: bytes}
	if h.Bytes > smallSnapshotBytes {
		next.bytes += snapshotEveryOwnSizes * uint64(h.Bytes)
	}
	s.nextSnapshot.Store(&next)
}

// snapshot writes the committed state in the background. Chunks come first and the header last, by ETag and only over
// an older one, so that a crash anywhere leaves a header whose chunks are all there.
func (s *shard[S]) snapshot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, snapshotWithin)
	defer cancel()
	v, began := s.head(), time.Now()
	// Unless this one succeeds:
	s.nextSnapshot.Store(&snapshotPoint{v.seq + max(s.journal.cfg.SnapshotEverySegments/8, 1), v.bytes})
	set, h, err := s.announceSet(ctx, v.seq)
	switch {
	case err != nil:
		return err
	case h.Seq >= v.seq: // another replica was first, or nothing has changed
		s.planSnapshot(h, v.bytes)
		return nil
	case set == "":
		return nil
	}
	written, err := s.writeChunks(ctx, v, set)
	if err == nil {
		failpoint.Hit(failpoint.SnapshotHeader)
		h, err = s.installSet(ctx, v, set, written)
	}
	if err != nil {
		s.retireSet(context.WithoutCancel(ctx), set)
		return fmt.Errorf("journal: snapshot of shard %d at %d: %w", s.number, v.seq, err)
	}
	s.planSnapshot(h, v.bytes)
	s.journal.metrics.snapshotSeconds.Observe(time.Since(began).Seconds())
	s.journal.metrics.snapshotBytes.Observe(float64(written.bytes))
	return nil
}

// announceSet enters a new chunk set into the header and gives that. It gives no id when the snapshot in it is as new,
// another replica is writing one, or too many sets wait for their deletion.
func (s *shard[S]) announceSet(ctx context.Context, seq uint64) (set string, h Header, err error) {
	id, due := uuid.NewString(), false
	h, err = s.changeHeader(ctx, func(h *Header) bool {
		if slices.ContainsFunc(h.OtherSets, func(o ChunkSet) bool { return o.ID == id }) {
			due = true // an earlier try was stored although it reported an error
			return false
		}
		due = false
		now := s.journal.deps.Now().UTC().Round(0)
		changed := false
		for i, o := range h.OtherSets {
			if !o.Retired && now.Sub(o.Since) > abandonedSetAfter {
				h.OtherSets[i].Retired, changed = true, true
			}
		}
		busy := slices.ContainsFunc(h.OtherSets, func(o ChunkSet) bool { return !o.Retired })
		if h.Seq >= seq || busy || len(h.OtherSets) >= retiredSetsPerShard {
			return changed
		}
		h.OtherSets = append(h.OtherSets, ChunkSet{ID: id, Since: now})
		due = true
		return true
	})
	if err != nil || !due {
		return "", h, err
	}
	return id, h, nil
}

// chunksWritten says what a set came to.
type chunksWritten struct{ chunks, records, bytes int }

// writeChunks writes the view in chunks, one after the other, so that what a crash leaves is always the first few. It
// rests after each, because who waits for a commit needs the processor, the sidecar and the store more; a state so large that
// it might come too late for that is written without rests in the second half of its time.
func (s *shard[S]) writeChunks(ctx context.Context, v *view[S], set string) (chunksWritten, error) {
	var done chunksWritten
	var next []byte // a chunk as JSON, but for its end
	var nextBytes int
	started := time.Now()
	began, renewed := started, started
	flush := func() error {
		if next == nil {
			return nil
		}
		value := append(next, "]}"...)
		if err := s.writeChunk(ctx, s.journal.keys.Chunk(s.number, set, done.chunks), value); err != nil {
			return err
		}
		failpoint.Hit(failpoint.SnapshotChunk)
		done.chunks, done.bytes = done.chunks+1, done.bytes+len(value)
		next, nextBytes = nil, 0
		if time.Since(started) < snapshotWithin/2 {
			if err := pause(ctx, min(snapshotRests*time.Since(began), maxSnapshotRest)); err != nil {
				return err
			}
		}
		began = time.Now()
		if began.Sub(renewed) < renewSetEvery {
			return nil
		}
		renewed = began
		return s.renewSet(ctx, set)
	}
	err := dump(s.journal.machine, v, func(r snapshotRecord) error {
		size := len(r.Kind) + len(r.Data) + recordOverheadBytes
		if size > maxChunkBytes {
			return fmt.Errorf("journal: snapshot record %q has %d bytes, over the bound of a chunk", r.Kind, size)
		}
		if nextBytes+size > maxChunkBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		if next == nil {
			next = append(make([]byte, 0, maxChunkBytes), `{"records":[`...)
		} else {
			next = append(next, ',')
		}
		next, nextBytes = r.appendTo(next), nextBytes+size
		done.records++
		return nil
	})
	if err == nil {
		err = flush()
	}
	return done, err
}

// writeChunk creates one chunk. Its key is nobody else's, so that it exists proves that our write arrived.
func (s *shard[S]) writeChunk(ctx context.Context, key string, value []byte) error {
	return retry(ctx, storeCallWithin, func(ctx context.Context) error {
		err := s.journal.deps.State.Create(ctx, key, value)
		if err == nil {
			return nil
		}
		if item, readErr := s.journal.deps.State.Get(ctx, key); readErr == nil && item.Value != nil {
			return nil
		}
		return err
	})
}

// installSet makes the set the snapshot and retires the one before it, unless there is a newer one.
func (s *shard[S]) installSet(ctx context.Context, v *view[S], set string, w chunksWritten) (Header, error) {
	gone := false
	h, err := s.changeHeader(ctx, func(h *Header) bool {
		mine := slices.IndexFunc(h.OtherSets, func(o ChunkSet) bool { return o.ID == set && !o.Retired })
		gone = mine < 0 && h.Set != set && h.Seq < v.seq
		if h.Set == set || mine < 0 {
			return false
		}
		if h.Seq >= v.seq {
			h.OtherSets[mine].Retired = true
			return true
		}
		h.OtherSets = slices.Delete(h.OtherSets, mine, mine+1)
		if h.Set != "" {
			h.OtherSets = append(h.OtherSets, ChunkSet{ID: h.Set, Since: s.journal.deps.Now().UTC().Round(0), Retired: true})
		}
		h.Seq, h.At, h.Set = v.seq, v.at, set
		h.Chunks, h.Records, h.Bytes = w.chunks, w.records, w.bytes
		return true
	})
	if err == nil && gone {
		err = errSetGone
	}
	return h, err
}

// errSetGone says that another replica took this process for dead and gave its chunk set up.
var errSetGone = errors.New("journal: the chunk set was given up by another replica")

// renewSet shows the other replicas that the writer of a set is alive.
func (s *shard[S]) renewSet(ctx context.Context, set string) error {
	now, gone := s.journal.deps.Now().UTC().Round(0), false
	_, err := s.changeHeader(ctx, func(h *Header) bool {
		mine := slices.IndexFunc(h.OtherSets, func(o ChunkSet) bool { return o.ID == set && !o.Retired })
		if gone = mine < 0; gone || h.OtherSets[mine].Since.Equal(now) {
			return false
		}
		h.OtherSets[mine].Since = now
		return true
	})
	if err == nil && gone {
		return errSetGone
	}
	return err
}

// retireSet gives up a set of ours; if even that fails, its age will.
func (s *shard[S]) retireSet(ctx context.Context, set string) {
	ctx, cancel := context.WithTimeout(ctx, storeCallWithin)
	defer cancel()
	_, _ = s.changeHeader(ctx, func(h *Header) bool {
		mine := slices.IndexFunc(h.OtherSets, func(o ChunkSet) bool { return o.ID == set && !o.Retired })
		if mine < 0 {
			return false
		}
		h.OtherSets[mine].Retired = true
		return true
	})
}

// sweep deletes the chunks of retired sets and forgets the sets.
func (s *shard[S]) sweep(ctx context.Context) error {
	h, _, err := s.readHeader(ctx)
	if err != nil {
		return err
	}
	for _, o := range h.OtherSets {
		if !o.Retired {
			continue
		}
		if err := s.deleteChunks(ctx, o.ID); err != nil {
			return fmt.Errorf("journal: deleting old snapshot %s of shard %d: %w", o.ID, s.number, err)
		}
		_, err := s.changeHeader(ctx, func(h *Header) bool {
			before := len(h.OtherSets)
			h.OtherSets = slices.DeleteFunc(h.OtherSets, func(x ChunkSet) bool { return x.ID == o.ID })
			return len(h.OtherSets) != before
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// deleteChunks removes a set whose size nobody recorded: chunks are written upwards without gaps and deleted
// downwards, so the first number that is missing is always the end.
func (s *shard[S]) deleteChunks(ctx context.Context, set string) error {
	end := 0
	for {
		names := make([]string, maxBulkChunkKeys)
		for i := range names {
			names[i] = s.journal.keys.Chunk(s.number, set, end+i)
		}
		values, err := readMany(ctx, s.journal.deps.State, names, maxBulkChunkKeys)
		if err != nil {
			return err
		}
		missing := slices.IndexFunc(values, func(v []byte) bool { return v == nil })
		if missing >= 0 {
			end += missing
			break
		}
		end += len(names)
	}
	for n := end - 1; n >= 0; n-- {
		err := retry(ctx, storeCallWithin, func(ctx context.Context) error {
			return s.journal.deps.State.Delete(ctx, s.journal.keys.Chunk(s.number, set, n))
		})
		if err != nil {
			return fmt.Errorf("chunk %s: %w", strconv.Itoa(n), err)
		}
	}
	return nil
}
