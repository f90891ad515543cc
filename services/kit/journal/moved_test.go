package journal_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// appendOwn puts an event of the journal's own behind whatever is there, as a copier does, and gives its number.
func appendOwn(store *journaltest.Store, event journal.Event) (uint64, error) {
	client := store.Client("copier", journaltest.Faults{})
	record, err := journal.RecordOf(event)
	if err != nil {
		return 0, err
	}
	for {
		var h journal.Header
		_ = json.Unmarshal(store.Value("test/snapshot/0"), &h) // none: nothing was trimmed
		last := journal.Segment{Seq: h.TrimmedThrough, At: h.At}
		for seq := last.Seq + 1; ; seq++ {
			value := store.Value(journal.Keys{Service: "test"}.Segment(0, seq))
			if value == nil {
				break
			}
			last = journal.Segment{}
			if err := json.Unmarshal(value, &last); err != nil {
				return 0, err
			}
		}
		at := time.Now().UTC().Round(0)
		if at.Before(last.At) {
			at = last.At
		}
		value, err := json.Marshal(journal.Segment{Version: journal.SegmentVersion, Service: "test", Seq: last.Seq + 1, Writer: "copier",
			Batch: last.Seq + 1, At: at, Events: []journal.Record{record}})
		if err != nil {
			return 0, err
		}
		err = client.Create(context.Background(), journal.Keys{Service: "test"}.Segment(0, last.Seq+1), value)
		if !errors.Is(err, sidecar.ErrConflict) {
			return last.Seq + 1, err
		}
	}
}

func TestNothingIsCommittedAfterMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		cfg := quickUpkeep()
		knows, behind := start(t, store, options{name: "a", config: cfg}), start(t, store, options{name: "b", config: cfg})
		fill(t, knows, "x", 12)
		seal, err := appendOwn(store, journal.Moved{To: "redis", Copy: "c"})
		require.NoError(t, err)
		for _, r := range []*replica{behind, knows} {
			_, err := r.buy(t.Context(), "late")
			require.True(t, errs.HasCode(err, journal.CodeMoved), "%v", err)
			require.Equal(t, errs.Unavailable, errs.From(err).Kind)
			require.Positive(t, errs.From(err).RetryAfter)
			_, err = r.buy(t.Context(), "x1")
			require.True(t, errs.HasCode(err, journal.CodeMoved), "an answer is not given from what was left behind either")
			require.True(t, errs.HasCode(r.Ready(), journal.CodeMoved))
			require.NoError(t, r.Sync(t.Context(), 0), "reading goes on")
			require.Equal(t, 12, r.State(0).sold.Len())
		}
		require.True(t, errs.HasCode(knows.Acknowledge(t.Context(), "order", 0, 1), journal.CodeMoved), "the journal's own commands too")
		rest(time.Second) // a snapshot that was under way is done
		before := store.Writes()
		rest(3 * time.Hour)
		require.Equal(t, before, store.Writes(), "no snapshot, no trim")
		require.Nil(t, store.Value(fmt.Sprintf("test/journal/0/%d", seal+1)))

		fresh := start(t, store, options{name: "c", config: cfg})
		_, err = fresh.buy(t.Context(), "late")
		require.True(t, errs.HasCode(err, journal.CodeMoved))
		_, err = appendOwn(store, journal.Reopened{Copy: "c"})
		require.NoError(t, err)
		for i, r := range []*replica{fresh, knows, behind} {
			require.NoError(t, r.Sync(t.Context(), 0))
			require.NoError(t, r.Ready())
			n, err := r.buy(t.Context(), "late")
			require.NoError(t, err)
			require.Equal(t, 13, n, i)
		}
	})
}

// inspected is shard 0 as Inspect sees it.
func inspected(t *testing.T, store *journaltest.Store) journal.Inspection[*tickets] {
	t.Helper()
	before := store.Writes()
	shards, err := journal.Inspect(t.Context(), "test", box{1 << 30}, store.Client("inspector", journaltest.Faults{}))
	require.NoError(t, err)
	require.Equal(t, before, store.Writes())
	require.Len(t, shards, 1)
	return shards[0]
}

// What Inspect sees is the state, not how it is stored: as segments, or as a snapshot and the rest.
func TestInspect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plain, kept := journaltest.NewStore(), journaltest.NewStore()
		cfg := quickUpkeep()
		a, b := start(t, plain, options{name: "a"}), start(t, kept, options{name: "b", config: cfg})
		fill(t, a, "x", 25)
		fill(t, b, "x", 25)
		waitFor(t, "the trim", func() bool { return headerOf(t, kept).DeletedThrough >= 20 })
		one, other := inspected(t, plain), inspected(t, kept)
		require.EqualValues(t, 25, one.Head)
		require.EqualValues(t, 27, one.Records)
		require.Equal(t, one.Digest, other.Digest)
		require.Equal(t, picture(a.State(0)), picture(other.State))
		fill(t, a, "y", 1)
		require.NotEqual(t, one.Digest, inspected(t, plain).Digest)

		open := inspected(t, kept)
		require.Nil(t, open.Moved)
		_, err := appendOwn(kept, journal.Moved{To: "there", Copy: "c"})
		require.NoError(t, err)
		sealed := inspected(t, kept)
		require.Equal(t, "there", sealed.Moved.To)
		require.NotEqual(t, open.Digest, sealed.Digest, "that it was moved is part of the state")
		_, err = appendOwn(kept, journal.Reopened{Copy: "c"})
		require.NoError(t, err)
		require.Equal(t, open.Digest, inspected(t, kept).Digest)

		_, err = journal.Inspect(t.Context(), "test", box{1}, journaltest.NewStore().Client("i", journaltest.Faults{}))
		require.ErrorContains(t, err, "no journal of test")
	})
}

func TestMovedTo(t *testing.T) {
	segment := func(e journal.Event) journal.Segment {
		r, err := journal.RecordOf(e)
		require.NoError(t, err)
		return journal.Segment{Events: []journal.Record{{Type: "test.bought"}, r}}
	}
	moved, reopened := segment(journal.Moved{To: "there", Copy: "c"}), segment(journal.Reopened{Copy: "c"})
	for _, c := range []struct {
		segments []journal.Segment
		moved    bool
	}{
		{nil, false}, {[]journal.Segment{moved}, true}, {[]journal.Segment{moved, reopened}, false}, {[]journal.Segment{reopened, moved, {}}, true},
	} {
		m, err := journal.MovedTo(c.segments...)
		require.NoError(t, err)
		require.Equal(t, c.moved, m != nil)
	}
	_, err := journal.RecordOf(bought{})
	require.Error(t, err)
}

// TestSaleThroughMoves is TestSale with a shard that is moved and reopened under the replicas, once or more: nothing is
// committed in between, by nobody, and nothing is lost or answered wrongly over it.
func TestSaleThroughMoves(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		plan := drawSale(rt)
		plan.config.SnapshotEverySegments = 1000
		for range rapid.IntRange(1, 3).Draw(rt, "moves") {
			plan.moves = append(plan.moves, move{
				after:   time.Duration(rapid.IntRange(0, 1500).Draw(rt, "move_after_ms")) * time.Millisecond,
				lasting: time.Duration(rapid.IntRange(1, 20_000).Draw(rt, "move_ms")) * time.Millisecond,
			})
		}
		var err error
		synctest.Test(t, func(*testing.T) { err = holdSale(plan) })
		if err != nil {
			rt.Fatalf("%+v\n%v", plan, err)
		}
	})
}

// move is a time in which the shard is moved.
type move struct{ after, lasting time.Duration }

// carryOut moves the shard and reopens it, and says whether anything was committed in between.
func (m *market) carryOut(moves []move) error {
	for i, mv := range moves {
		rest(mv.after)
		seal, err := appendOwn(m.store, journal.Moved{To: "elsewhere", Copy: fmt.Sprint(i)})
		if err != nil {
			return err
		}
		rest(mv.lasting)
		reopened, err := appendOwn(m.store, journal.Reopened{Copy: fmt.Sprint(i)})
		if err != nil {
			return err
		}
		if reopened != seal+1 {
			return fmt.Errorf("moved at %d, but %d segments came after it", seal, reopened-seal-1)
		}
	}
	return nil
}
