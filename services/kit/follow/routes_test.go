package follow

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// fakeTasks are parked effects on the outside world.
type fakeTasks struct{ items []Parked }

func (f *fakeTasks) Parked() []Parked { return f.items }
func (f *fakeTasks) Retry(_ context.Context, id string) error {
	for i, p := range f.items {
		if p.ID == id {
			f.items = append(f.items[:i:i], f.items[i+1:]...)
			return nil
		}
	}
	return errs.New(errs.NotFound, CodeParkedNotFound, "no such task")
}
func (f *fakeTasks) Discard(ctx context.Context, id string) error { return f.Retry(ctx, id) }

// parkedEvent puts an event into the fake journal's parked ones.
func parkedEvent(target *fakeTarget, n int, record journal.Record) {
	at := time.Unix(int64(1000+n), 0).UTC()
	target.parked = append(target.parked, journal.Parked{
		ID: fmt.Sprintf("0.src.0.%d.0", n), Source: "src", Shard: 0, Seq: uint64(n), Event: record, Reason: "why", At: at, ParkedAt: at,
	})
}

func server(t *testing.T, target *fakeTarget, tasks Tasks) *echo.Echo {
	e := httpx.NewEcho(httpx.Config{}, httpx.Deps{})
	f := follower(t, newFakeSource(1), target, nil)
	RegisterParked(e.Group("/own"), "own", target, []*Follower{f}, tasks)
	RegisterStatus(e.Group("/own"), "own", target, []*Follower{f}, tasks)
	return e
}

func call[T any](t *testing.T, e *echo.Echo, method, path string, status int) (out T) {
	t.Helper()
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	require.Equal(t, status, w.Code, w.Body.String())
	if w.Body.Len() > 0 {
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &out))
	}
	return out
}

func TestParkedListMergesEventsAndTasksInPages(t *testing.T) {
	target, tasks := newFakeTarget(2), &fakeTasks{}
	for i := range 5 {
		parkedEvent(target, 2*i, journal.Record{Type: "src.happened", Data: []byte(`{"aggregate":"b","n":1}`)})
		tasks.items = append(tasks.items, Parked{ID: fmt.Sprint(i), Type: "charge", ParkedAt: time.Unix(int64(1001+2*i), 0).UTC()})
	}
	e := server(t, target, tasks)
	var got []string
	cursor := ""
	for range 5 {
		page := call[httpx.List[Parked]](t, e, http.MethodGet, "/own/internal/parked?limit=3&cursor="+cursor, 200)
		for _, p := range page.Items {
			got = append(got, p.Kind+" "+p.ID)
			assert.Equal(t, "own", p.Service)
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	assert.Equal(t, []string{
		"event e-0.src.0.0.0", "task t-0", "event e-0.src.0.2.0", "task t-1", "event e-0.src.0.4.0", "task t-2",
		"event e-0.src.0.6.0", "task t-3", "event e-0.src.0.8.0", "task t-4",
	}, got)
	for _, bad := range []string{"x", "!!", "W10", "eyJ9"} {
		p := call[httpx.Problem](t, e, http.MethodGet, "/own/internal/parked?cursor="+bad, 400)
		assert.Equal(t, errs.CodeInvalidRequest, p.Code)
	}
	status := call[ServiceStatus](t, e, http.MethodGet, "/own/internal/status", 200)
	assert.Equal(t, 10, status.Parked)
	assert.Equal(t, 2, status.Journal.Shards)
}

func TestRetryRunsTheReactionOfItsShardAndForgets(t *testing.T) {
	target := newFakeTarget(2)
	record := journal.Record{Type: "src.happened", Data: []byte(`{"aggregate":"b","n":7}`)}
	parkedEvent(target, 1, record)
	e := server(t, target, &fakeTasks{items: []Parked{{ID: "x"}}})

	target.refuse = func(happened) error { return errs.New(errs.Conflict, "no_stock", "there is none") }
	p := call[httpx.Problem](t, e, http.MethodPost, "/own/internal/parked/e-0.src.0.1.0/retry", 409)
	assert.Equal(t, "no_stock", p.Code)
	assert.Len(t, target.Parked(), 1)

	target.refuse = nil
	call[any](t, e, http.MethodPost, "/own/internal/parked/e-0.src.0.1.0/retry", 204)
	assert.Equal(t, []int{7}, target.all(0, 0))
	assert.Empty(t, target.Parked())
	for _, id := range []string{"e-0.src.0.1.0", "t-y", "z"} {
		for _, verb := range []string{"retry", "discard"} {
			p = call[httpx.Problem](t, e, http.MethodPost, "/own/internal/parked/"+id+"/"+verb, 404)
			assert.Equal(t, CodeParkedNotFound, p.Code)
		}
	}
	call[any](t, e, http.MethodPost, "/own/internal/parked/t-x/discard", 204)
}

func TestRetryOfWhatIsStillNotUnderstoodOrNotFollowed(t *testing.T) {
	target := newFakeTarget(2)
	parkedEvent(target, 1, journal.Record{Type: "src.gone", Data: []byte(`{}`)})
	parkedEvent(target, 2, journal.Record{Type: "src.happened", Data: []byte(`{}`)})
	target.parked[1].Source = "former"
	e := server(t, target, nil)
	assert.Equal(t, "event_not_understood", call[httpx.Problem](t, e, http.MethodPost, "/own/internal/parked/e-0.src.0.1.0/retry", 409).Code)
	assert.Equal(t, "source_not_followed", call[httpx.Problem](t, e, http.MethodPost, "/own/internal/parked/e-0.src.0.2.0/retry", 409).Code)
	call[any](t, e, http.MethodPost, "/own/internal/parked/e-0.src.0.2.0/discard", 204)
	assert.Len(t, target.Parked(), 1)
}

func TestBulkConcernsEverythingAndMustBeMeant(t *testing.T) {
	target := newFakeTarget(2)
	for i := range 3 {
		parkedEvent(target, i, journal.Record{Type: "src.happened", Data: fmt.Appendf(nil, `{"aggregate":"b","n":%d}`, i)})
	}
	e := server(t, target, &fakeTasks{items: []Parked{{ID: "x"}}})
	assert.Equal(t, "all", call[httpx.Problem](t, e, http.MethodPost, "/own/internal/parked/retry", 400).Errors[0].Field)
	target.refuse = func(h happened) error {
		if h.N == 1 {
			return errs.New(errs.Conflict, "no_stock", "there is none")
		}
		return nil
	}
	assert.Equal(t, Bulk{Done: 3, Failed: 1, Remaining: 1}, call[Bulk](t, e, http.MethodPost, "/own/internal/parked/retry?all=true", 200))
	assert.Equal(t, []int{0, 2}, target.all(0, 0))
	assert.Equal(t, Bulk{Done: 1}, call[Bulk](t, e, http.MethodPost, "/own/internal/parked/discard?all=true", 200))
}

func TestNothingIsReadBeforeTheJournalIsLoaded(t *testing.T) {
	target := newFakeTarget(2)
	target.loaded = make(chan struct{})
	parkedEvent(target, 1, journal.Record{})
	e := server(t, target, nil)
	assert.Empty(t, call[httpx.List[Parked]](t, e, http.MethodGet, "/own/internal/parked", 200).Items)
	assert.Zero(t, call[ServiceStatus](t, e, http.MethodGet, "/own/internal/status", 200).Parked)
	call[any](t, e, http.MethodPost, "/own/internal/parked/e-0.src.0.1.0/retry", 503)
}
