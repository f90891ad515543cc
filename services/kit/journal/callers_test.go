package journal_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

// traceOf is a trace id in hex; 0 is no trace.
func traceOf(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%032x", n)
}

func segmentAt(t require.TestingT, store *journaltest.Store, seq int) journal.Segment {
	var s journal.Segment
	require.NoError(t, json.Unmarshal(store.Value(fmt.Sprintf("test/journal/0/%d", seq)), &s))
	return s
}

// Whoever reads an event is told the trace of the one who caused it, or nothing, but never that of somebody else who was in the same
// batch: that is how trace ids get lost when commits are shared.
func TestAnEventIsNeverOfAnothersTrace(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		traced := rapid.Bool().Draw(rt, "events remember")
		callers := rapid.SliceOfN(rapid.IntRange(0, 3), 1, 12).Draw(rt, "callers")
		synctest.Test(t, func(t *testing.T) {
			store := journaltest.NewStore()
			o := options{}
			if traced {
				o.config.TraceEvents = journal.OneOf(bought{})
			}
			r := start(t, store, o)
			cmd := journal.Followed{Source: "other", Seq: 1}
			for i, n := range callers {
				cmd.Steps = append(cmd.Steps, journal.Step{Index: i, Trace: traceOf(n), Cmd: buy{fmt.Sprint(i)}})
			}
			_, err := r.DoShard(t.Context(), 0, cmd)
			require.NoError(t, err)
			s := segmentAt(t, store, 1)
			same := len(slices.Compact(slices.Clone(callers))) == 1
			for _, e := range s.Events {
				if strings.HasPrefix(e.Type, journal.SystemPrefix) {
					continue
				}
				var b bought
				require.NoError(t, json.Unmarshal(e.Data, &b))
				var n int
				_, _ = fmt.Sscan(b.ID, &n)
				want := traceOf(callers[n])
				if !same && !traced {
					want = ""
				}
				require.Equal(t, want, httpx.TraceIDOf(s.TraceOf(e)))
				require.True(t, !same || e.Trace == "", "one trace is said once")
			}
		})
	})
}

// Commands that share a commit by chance keep their callers apart, a sampled trace keeps its span, and what is parked keeps its trace
// for the day on which it is retried.
func TestCallersOfABatchAreKeptApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		r := start(t, store, options{config: journal.Config{TraceEvents: journal.OneOf(bought{})}})
		var waiting sync.WaitGroup
		for n := range 5 {
			waiting.Go(func() {
				ctx := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
					TraceID: trace.TraceID{15: byte(n + 1)}, SpanID: trace.SpanID{7: 9}, TraceFlags: trace.TraceFlags(n % 2)}))
				_, err := r.buy(ctx, fmt.Sprint(n+1))
				require.NoError(t, err)
			})
		}
		waiting.Wait()
		seen := 0
		for seq := 1; seq <= int(r.Heads()[0]); seq++ {
			s := segmentAt(t, store, seq)
			for _, e := range s.Events {
				var b bought
				require.NoError(t, json.Unmarshal(e.Data, &b))
				id := fmt.Sprintf("%032s", b.ID)
				require.Equal(t, id, httpx.TraceIDOf(s.TraceOf(e)))
				if b.ID == "2" || b.ID == "4" {
					require.Equal(t, "00-"+id+"-0000000000000009-01", s.TraceOf(e), "sampled")
				}
				seen++
			}
		}
		require.Equal(t, 5, seen)

		parked := journal.Followed{Source: "other", Seq: 1, Steps: []journal.Step{{Trace: traceOf(7), Event: journal.Record{Type: "other.event", Data: []byte(`{}`)}}},
			Park: map[int]string{0: "no stock"}}
		_, err := r.DoShard(t.Context(), 0, parked)
		require.NoError(t, err)
		require.NoError(t, r.Unpark(t.Context(), r.Parked()[0].ID, []journal.Command{buy{"again"}}))
		s := segmentAt(t, store, int(r.Heads()[0]))
		require.Equal(t, traceOf(7), httpx.TraceIDOf(s.TraceOf(s.Events[0])))
	})
}

// traceful is a box that says what it is told of traces.
type traceful struct {
	box
	applied *[]string
}

func (b traceful) Decide(_ *tickets, at journal.At, cmd journal.Command) (any, []journal.Event, error) {
	if _, ok := cmd.(buy); !ok {
		return nil, nil, errs.New(errs.Conflict, "no", "no")
	}
	return at.Trace, []journal.Event{padded{ID: "x", Text: at.Trace}}, nil
}

func (b traceful) Apply(s *tickets, at journal.At, e journal.Event) {
	*b.applied = append(*b.applied, at.Trace)
	b.box.Apply(s, at, e)
}

// What is decided may be for the caller's trace; what is applied must be the same at every start.
func TestDecideIsToldTheTraceAndApplyIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var applied []string
		j, err := journal.New(journal.Config{Service: "test", Shards: 1}, traceful{box{9}, &applied}, journal.Deps{
			State: journaltest.NewStore().Client("w", journaltest.Faults{}), Writer: "w"})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- j.Run(ctx) }()
		defer func() { cancel(); <-ended }()
		<-j.Loaded()
		res, err := j.DoShard(httpx.ContextWithTraceParent(t.Context(), traceOf(3)), 0, buy{"a"})
		require.NoError(t, err)
		require.Equal(t, traceOf(3), res.Answer)
		require.Equal(t, []string{""}, applied)
	})
}
