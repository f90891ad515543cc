package httpx

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// making makes a context with a deadline, and what ends it. The contract is that of package context, so both are held to it.
type making func(parent context.Context, within time.Duration) (context.Context, func())

// makings are ours and the standard library's; late is how much later than it happens its Done may close.
var makings = map[string]struct {
	make making
	late time.Duration
}{
	"ours": {func(parent context.Context, within time.Duration) (context.Context, func()) {
		w, r := &watch{}, &request{Context: parent, deadline: time.Now().Add(within)}
		w.begin(r)
		return r, func() { w.end(r) }
	}, lookEvery},
	"standard": {func(parent context.Context, within time.Duration) (context.Context, func()) {
		return context.WithTimeout(parent, within)
	}, 0},
}

type someKey struct{}

// What can end a request, and what its context says then. The time is synctest's, which stands still while anybody works, and it fails
// a test that leaves a goroutine behind.
func TestARequestEndsAsAContextDoes(t *testing.T) {
	for name, m := range makings {
		for ending, c := range map[string]struct {
			after time.Duration // from its beginning
			end   func(cancelParent, own func())
			want  error
		}{
			"its time is over":                {time.Second, func(func(), func()) {}, context.DeadlineExceeded},
			"its caller goes away":            {time.Second / 2, func(parent, _ func()) { parent() }, context.Canceled},
			"its handler returns":             {time.Second / 2, func(_, own func()) { own() }, context.Canceled},
			"its caller goes away at once":    {0, func(parent, _ func()) { parent() }, context.Canceled},
			"its handler returns, and caller": {time.Second / 2, func(parent, own func()) { own(); parent() }, context.Canceled},
		} {
			t.Run(name+"/"+ending, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					parent, cancelParent := context.WithCancel(context.WithValue(t.Context(), someKey{}, "kept"))
					defer cancelParent()
					ctx, own := m.make(parent, time.Second)
					defer own()
					began := time.Now()

					// What others make of it, in every way that package context knows.
					cancelable, cancel := context.WithCancel(ctx)
					defer cancel()
					longer, cancelLonger := context.WithTimeout(context.WithValue(ctx, someKey{}, "other"), time.Hour)
					defer cancelLonger()
					shorter, cancelShorter := context.WithTimeout(ctx, time.Millisecond)
					cancelShorter()
					detached := context.WithoutCancel(ctx)
					var ran, stopped atomic.Int32
					context.AfterFunc(ctx, func() { ran.Add(1) })
					stop := context.AfterFunc(ctx, func() { stopped.Add(1) })

					deadline, ok := ctx.Deadline()
					require.True(t, ok)
					require.Equal(t, began.Add(time.Second), deadline)
					require.NoError(t, ctx.Err())
					require.NoError(t, context.Cause(ctx))
					require.Equal(t, "kept", ctx.Value(someKey{}))
					require.ErrorIs(t, shorter.Err(), context.Canceled)
					require.True(t, stop())
					require.False(t, stop(), "twice")

					time.Sleep(c.after - time.Millisecond)
					select {
					case <-ctx.Done():
						t.Fatal("it has ended too early")
					default:
					}
					time.Sleep(time.Millisecond)
					c.end(cancelParent, own)
					<-ctx.Done()
					require.LessOrEqual(t, time.Since(began), c.after+m.late+time.Millisecond)
					for _, ended := range []context.Context{ctx, cancelable, longer} {
						<-ended.Done()
						require.Equal(t, c.want, ended.Err())
						require.Equal(t, c.want, context.Cause(ended))
					}
					require.NoError(t, detached.Err())
					synctest.Wait()
					require.EqualValues(t, 1, ran.Load())
					require.Zero(t, stopped.Load())

					// And whoever comes late.
					context.AfterFunc(ctx, func() { ran.Add(1) })
					late, cancelLate := context.WithCancel(ctx)
					defer cancelLate()
					synctest.Wait()
					require.EqualValues(t, 2, ran.Load())
					require.Equal(t, c.want, late.Err())
					own()
					cancelParent()
					require.Equal(t, c.want, ctx.Err(), "it stays as it has ended")
				})
			})
		}
	}
}

// Who only asks, and does not wait, learns at once that the caller has gone.
func TestWhoAsksLearnsAtOnceThatTheCallerHasGone(t *testing.T) {
	for name, m := range makings {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				why := errors.New("hung up")
				parent, cancelParent := context.WithCancelCause(t.Context())
				ctx, own := m.make(parent, time.Second)
				defer own()
				done := ctx.Done()
				cancelParent(why)
				require.ErrorIs(t, ctx.Err(), context.Canceled)
				<-done // no time passes
				require.Equal(t, why, context.Cause(ctx))

				gone, own := m.make(parent, time.Second)
				defer own()
				select {
				case <-gone.Done():
				default:
					t.Fatal("its caller had gone before")
				}
			})
		})
	}
}

// Whatever begins and ends in whatever order, a watch has just what is under way, each once, and looks as long as there is something.
func TestAWatchHasWhatIsUnderWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &watch{}
		var open []*request
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch what := rapid.IntRange(0, 3).Draw(t, "what"); {
			case what == 0:
				r := &request{Context: context.Background(), deadline: time.Now().Add(time.Hour)}
				w.begin(r)
				open = append(open, r)
			case what == 1:
				w.begin(&request{Context: context.Background(), deadline: time.Now()}) // which the next look ends
				w.look()
			case what == 2 && len(open) > 0:
				i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
				w.end(open[i])
				require.Equal(t, context.Canceled, open[i].Err())
				w.end(open[i]) // twice is once
				open = slices.Delete(open, i, i+1)
			default:
				w.look()
				require.Equal(t, len(open) > 0, w.looks())
			}
			require.ElementsMatch(t, open, w.underWay())
		}
	})
}

// underWay are the requests that a watch has, along its links.
func (w *watch) underWay() (all []*request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var before *request
	for r := w.first; r != nil; before, r = r, r.next {
		if r.prev != before {
			panic("the links are not of one list")
		}
		all = append(all, r)
	}
	return all
}

func (w *watch) looks() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.looking
}

// For the race detector: callers, handlers, the watch and those who wait, all at once.
func TestRequestsEndUnderLoad(t *testing.T) {
	w := &watch{}
	var all sync.WaitGroup
	var ended, cancelled atomic.Int64
	const each, workers = 200, 8
	for range workers {
		all.Go(func() {
			for range each {
				parent, hangUp := context.WithCancel(t.Context())
				r := &request{Context: parent, deadline: time.Now().Add(rand.N(2 * lookEvery))}
				w.begin(r)
				child, cancel := context.WithCancel(r)
				var waits sync.WaitGroup
				waits.Go(func() { <-r.Done(); ended.Add(1) })
				waits.Go(func() { <-child.Done(); cancelled.Add(1) })
				switch rand.N(3) {
				case 0:
					hangUp()
					assert.Error(t, r.Err())
				case 1:
					w.end(r)
				default: // its time ends
				}
				waits.Wait()
				assert.Error(t, r.Err())
				w.end(r)
				cancel()
				hangUp()
			}
		})
	}
	all.Wait()
	require.EqualValues(t, each*workers, ended.Load())
	require.EqualValues(t, each*workers, cancelled.Load())
	require.Empty(t, w.underWay())
}

// What a handler asks of a service in its own process is a part of its request, with the same id and trace, and as much time unless
// there is less for it there.
func TestACallWithinTheProcessIsAPartOfItsCallersRequest(t *testing.T) {
	for name, c := range map[string]struct{ there, want time.Duration }{
		"no less time there": {time.Minute, 10 * time.Second},
		"less time there":    {time.Second, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			var inner context.Context
			asked := NewEcho(Config{HandlerTimeout: c.there}, Deps{})
			asked.GET("/", func(ec echo.Context) error {
				inner = ec.Request().Context()
				require.NoError(t, inner.Err())
				return ec.NoContent(http.StatusNoContent)
			})
			door := NewEcho(Config{Listener: Public, HandlerTimeout: 10 * time.Second}, Deps{})
			door.GET("/", func(ec echo.Context) error {
				ctx := ec.Request().Context()
				began := time.Now()
				w := httptest.NewRecorder()
				asked.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
				require.Equal(t, http.StatusNoContent, w.Code)
				end, ok := inner.Deadline()
				require.True(t, ok)
				require.WithinRange(t, end, began.Add(c.want-time.Second), time.Now().Add(c.want))
				require.Equal(t, RequestID(ctx), RequestID(inner))
				require.Equal(t, RequestID(ctx), w.Header().Get(HeaderRequestID))
				require.Equal(t, TraceID(ctx), TraceID(inner))
				require.NoError(t, ctx.Err(), "it goes on")
				require.Equal(t, c.there == time.Second, inner.Err() != nil, "what was made for it has ended with it")
				return ec.NoContent(http.StatusOK)
			})
			w := httptest.NewRecorder()
			door.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			require.Equal(t, http.StatusOK, w.Code)
			require.ErrorIs(t, inner.Err(), context.Canceled)
		})
	}
}
