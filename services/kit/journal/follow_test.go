package journal_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

func steps(ids ...string) []journal.Step {
	list := []journal.Step{}
	for i, id := range ids {
		list = append(list, journal.Step{Index: i, Cmd: buy{id}, At: time.Unix(int64(i), 0).UTC(),
			Event: journal.Record{Type: "other.event", Data: jsontext.Value(`{"id":"` + id + `"}`)}})
	}
	return list
}

func TestFollowedIsOnceAndAllOrNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		r := start(t, store, options{tickets: 3})
		first := journal.Followed{Source: "other", SourceShard: 1, Seq: 5, Steps: steps("a", "b")}
		for range 2 {
			_, err := r.DoShard(t.Context(), 0, first)
			require.NoError(t, err)
		}
		require.EqualValues(t, 1, r.Heads()[0], "the duplicate wrote nothing")
		require.EqualValues(t, 5, r.Offset(0, "other", 1))
		require.Zero(t, r.Offset(0, "other", 0))

		second := journal.Followed{Source: "other", SourceShard: 1, Seq: 6, Steps: steps("c", "d", "e")}
		_, err := r.DoShard(t.Context(), 0, second)
		var refused *journal.StepError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, 1, refused.Step)
		require.ErrorIs(t, err, errSoldOut)
		require.Equal(t, 2, r.State(0).sold.Len(), "the step before the refused one is undone")
		require.EqualValues(t, 5, r.Offset(0, "other", 1))

		second.Park = map[int]string{1: "sold out", 2: "sold out"}
		_, err = r.DoShard(t.Context(), 0, second)
		require.NoError(t, err)
		require.Equal(t, 3, r.State(0).sold.Len())
		again := start(t, store, options{name: "w2", tickets: 3})
		require.Equal(t, r.Parked(), again.Parked())
		parked := again.Parked()
		require.Len(t, parked, 2)
		require.Equal(t, "0.other.1.6.1", parked[0].ID)
		require.JSONEq(t, `{"id":"d"}`, string(parked[0].Event.Data))
		require.Equal(t, time.Unix(1, 0).UTC(), parked[0].At)

		require.ErrorIs(t, again.Unpark(t.Context(), parked[0].ID, []journal.Command{buy{"d"}}), errSoldOut)
		require.Equal(t, 1, again.Parked()[0].Attempts)
		require.NoError(t, again.Unpark(t.Context(), parked[0].ID, []journal.Command{buy{"a"}}))
		require.NoError(t, again.Discard(t.Context(), parked[1].ID))
		require.Empty(t, again.Parked())
		for _, id := range []string{parked[0].ID, "0.nothing", "9.other.1.6.1", "x", ""} {
			err := again.Discard(t.Context(), id)
			assert.Equal(t, errs.NotFound, errs.From(err).Kind, "%q: %v", id, err)
			err = again.Unpark(t.Context(), id, nil)
			assert.Equal(t, errs.NotFound, errs.From(err).Kind, "%q: %v", id, err)
		}
		require.NoError(t, r.Sync(t.Context(), 0))
		require.Empty(t, r.Parked())
	})
}

// A refused command must leave nothing behind in the batch that it was decided in.
func TestRefusedStepsAreUndoneInsideABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		r := start(t, store, options{tickets: 5, faults: journaltest.Faults{Script: func(op, _ string, _ int) (journaltest.Fault, bool) {
			return journaltest.Delay, op == journaltest.OpCreate
		}}})
		var callers sync.WaitGroup
		callers.Go(func() { _, _ = r.buy(t.Context(), "first") }) // the others wait for this commit and go together
		synctest.Wait()
		callers.Go(func() {
			_, err := r.DoShard(t.Context(), 0, journal.Followed{Source: "other", Seq: 1, Steps: steps("a", "b", "c", "d", "e", "f")})
			assert.ErrorIs(t, err, errSoldOut)
		})
		synctest.Wait()
		for i := range 4 {
			callers.Go(func() {
				_, err := r.buy(t.Context(), fmt.Sprint("after", i))
				assert.NoError(t, err)
			})
		}
		callers.Wait()
		require.EqualValues(t, 2, r.Heads()[0], "all of it was one batch")
		require.Equal(t, picture(r.State(0)), picture(start(t, store, options{name: "w2", tickets: 5}).State(0)))
	})
}

func TestFollowedStepPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, journaltest.NewStore(), options{})
		for _, in := range []string{"decide", "apply"} {
			_, err := r.DoShard(t.Context(), 0, journal.Followed{Source: "other", Seq: 1, Steps: []journal.Step{{Cmd: buy{in}}, {Index: 1, Cmd: crash{in}}}})
			var refused *journal.StepError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, 1, refused.Step)
		}
		require.Zero(t, r.State(0).sold.Len())
	})
}

// TestFollowedParts: whatever parts of segments are given by however many overlapping followers, each event's effect
// is in once and the progress is that of what is in.
func TestFollowedParts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		events := rapid.SliceOfN(rapid.IntRange(1, 5), 1, 6).Draw(rt, "events of each segment")
		picks := rapid.SliceOfN(rapid.IntRange(0, 10), 0, 40).Draw(rt, "parts")
		var err error
		synctest.Test(t, func(t *testing.T) { err = followParts(t, events, picks) })
		if err != nil {
			rt.Fatal(err)
		}
	})
}

func followParts(t *testing.T, events, picks []int) error {
	r := start(t, journaltest.NewStore(), options{})
	part := func(seq, from, through int) journal.Followed {
		f := journal.Followed{Source: "other", Seq: uint64(seq)}
		if through < events[seq-1] {
			f.Through = through
		}
		for i := from; i < through; i++ {
			f.Steps = append(f.Steps, journal.Step{Index: i, Cmd: pad{fmt.Sprintf("%d.%d", seq, i), "x"}})
		}
		return f
	}
	want := 0
	for _, pick := range append(picks, make([]int, len(events)+1)...) {
		done, through := r.Progress(0, "other", 0)
		if int(done) == len(events) {
			break
		}
		seq := int(done) + 1
		count := events[seq-1]
		to := count
		if pick > 0 {
			to = min(pick, count)
		}
		if last := min(seq+pick-7, len(events)); last > seq { // several segments at once
			f := part(last, 0, events[last-1])
			for between := last - 1; between >= seq; between-- {
				steps := part(between, 0, events[between-1]).Steps
				for i := range steps {
					steps[i].Seq = uint64(between)
				}
				f.Steps = append(steps, f.Steps...)
			}
			if _, err := r.DoShard(t.Context(), 0, f); err != nil {
				return err
			}
			if now, nowThrough := r.Progress(0, "other", 0); int(now) != last || nowThrough != 0 {
				return fmt.Errorf("segments %d to %d are in, progress says %d/%d", seq, last, now, nowThrough)
			}
			continue
		}
		from := min(pick/2, through) // a slower follower gives some again
		if _, err := r.DoShard(t.Context(), 0, part(seq, from, to)); err != nil {
			return err
		}
		now, nowThrough := r.Progress(0, "other", 0)
		switch {
		case to == count && (int(now) != seq || nowThrough != 0):
			return fmt.Errorf("segment %d is in, progress says %d/%d", seq, now, nowThrough)
		case to < count && (int(now) != seq-1 || nowThrough != max(through, to)):
			return fmt.Errorf("%d/%d is in, progress says %d/%d", seq-1, max(through, to), now, nowThrough)
		}
	}
	for _, n := range events {
		want += n
	}
	if got := r.State(0).texts.Len(); got != want {
		return fmt.Errorf("%d effects, want %d", got, want)
	}
	return nil
}

func get(t *testing.T, e *echo.Echo, method, path string, into any) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	if into != nil {
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), into), "%s", w.Body)
	}
	return w.Result()
}

func TestRoutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		r := start(t, store, options{name: "a", config: journal.Config{PollEvery: time.Hour}})
		fill(t, r, "x", 5)
		served := start(t, store, options{name: "b", config: journal.Config{PollEvery: time.Hour}})
		fill(t, r, "y", 3)
		e := echo.New()
		e.HTTPErrorHandler = func(err error, c echo.Context) { _ = c.JSON(errs.From(err).Kind.Status(), errs.From(err).Extra) }
		served.Register(e.Group("/test"))

		var heads journal.HeadsAnswer
		get(t, e, "GET", "/test/journal", &heads)
		require.Equal(t, journal.HeadsAnswer{Service: "test", Journal: served.ID(), Shards: 1, Heads: []uint64{8}, First: []uint64{1},
			Followers: []journal.Follower{}}, heads,
			"the heads are the store's, not what this replica happened to know")

		var page journal.SegmentsAnswer[journal.Segment]
		get(t, e, "GET", "/test/journal/0?after=2&limit=4&follower=order&acked=2", &page)
		require.Len(t, page.Segments, 4)
		require.EqualValues(t, 3, page.Segments[0].Seq)
		require.EqualValues(t, 9, page.Head, "the registration is a commit")
		get(t, e, "GET", "/test/journal", &heads)
		require.Equal(t, "order", heads.Followers[0].Name)
		require.EqualValues(t, 2, *heads.Followers[0].Acknowledged[0])
		get(t, e, "GET", "/test/journal/0?after=9", &page)
		require.NotNil(t, page.Segments)
		require.Empty(t, page.Segments)

		for path, status := range map[string]int{
			"/test/journal/7": 404, "/test/journal/-1": 404, "/test/journal/x": 400, "/test/journal/0?after=-1": 400, "/test/journal/0?after=x": 400, "/test/journal/0?layout=x": 400,
			"/test/journal/0?limit=0": 400, "/test/journal/0?limit=201": 400, "/test/journal/0?follower=NO&acked=1": 400,
			"/test/journal/0?follower=order&acked=x": 400, "/test/journal/99999999999999999999": 400,
		} {
			assert.Equal(t, status, get(t, e, "GET", path, nil).StatusCode, path)
		}
		require.Equal(t, http.StatusNoContent, get(t, e, "DELETE", "/test/journal/followers/order", nil).StatusCode)
		require.Empty(t, served.Followers())

		lines := bufio.NewScanner(get(t, e, "GET", "/test/journal/0/snapshot", nil).Body)
		var kinds []string
		copied := box{1 << 30}.New()
		for lines.Scan() {
			var line struct {
				Seq     uint64         `json:"seq"`
				Kind    string         `json:"kind"`
				Record  jsontext.Value `json:"record"`
				End     bool           `json:"end"`
				Records int            `json:"records"`
			}
			require.NoError(t, json.Unmarshal(lines.Bytes(), &line))
			switch {
			case line.Kind != "":
				kinds = append(kinds, line.Kind)
				require.NoError(t, box{}.Load(copied, line.Kind, line.Record))
			case line.End:
				require.Len(t, kinds, line.Records)
			default:
				require.EqualValues(t, 10, line.Seq)
			}
		}
		require.Equal(t, picture(served.State(0)), picture(copied))
	})
}

// A segment of many events is stored packed, read by everybody, and handed out packed to those who can read that.
func TestPackedSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		for i, version := range []int{journal.SegmentVersion, journal.PackedVersion} {
			r := start(t, store, options{name: fmt.Sprint("w", version), config: journal.Config{SegmentVersion: version}})
			var ids []string
			for n := range 40 {
				ids = append(ids, fmt.Sprint(version, "-", n))
			}
			_, err := r.DoShard(t.Context(), 0, journal.Followed{Source: "other", Seq: uint64(i + 1), Steps: steps(ids...)})
			require.NoError(t, err)
			var stored journal.Document
			require.NoError(t, json.Unmarshal(store.Value(fmt.Sprintf("test/journal/0/%d", i+1)), &stored))
			require.Equal(t, version, stored.Version)
		}
		served := start(t, store, options{name: "reader", config: journal.Config{RecentBytes: 1}})
		e := echo.New()
		served.Register(e.Group("/test"))
		for layout, wanted := range map[string]int{"": journal.SegmentVersion, "&layout=1": journal.SegmentVersion, "&layout=2": journal.PackedVersion} {
			var page struct {
				Segments []journal.Document `json:"segments"`
			}
			get(t, e, "GET", "/test/journal/0?after=0"+layout, &page)
			versions, events := map[int]bool{}, 0
			for _, d := range page.Segments {
				versions[d.Version] = true
				s, err := d.Segment()
				require.NoError(t, err)
				events += len(s.Events)
			}
			require.Equal(t, map[int]bool{journal.SegmentVersion: true, wanted: true}, versions, layout)
			require.Equal(t, 2*41, events, layout) // with the offsets
		}
	})
}

// What is out of memory comes from the store, the same.
func TestSegmentsFromMemoryAndStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		small := start(t, store, options{name: "a", config: journal.Config{RecentBytes: 2000}})
		fill(t, small, "x", 100)
		large := start(t, store, options{name: "b"})
		for after := uint64(0); after <= 100; after += 7 {
			want, err := large.Segments(t.Context(), 0, after, 50)
			require.NoError(t, err)
			got, err := small.Segments(t.Context(), 0, after, 50)
			require.NoError(t, err)
			for i := range min(len(got), len(want)) {
				a, _ := json.Marshal(want[i])
				b, _ := json.Marshal(got[i])
				require.Equal(t, string(a), string(b))
			}
			require.NotEmpty(t, append(got, journal.Segment{})[:1])
			require.LessOrEqual(t, len(got), 50)
		}
	})
}
