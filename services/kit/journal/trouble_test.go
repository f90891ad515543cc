package journal_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// What is committed and cannot be applied must stop the process, not be skipped.
func TestUnreadableSegmentsAreFatal(t *testing.T) {
	for name, value := range map[string]string{
		"newer layout":  `{"version":2,"service":"test","shard":0,"seq":1,"events":[]}`,
		"no JSON":       `{"version":1,`,
		"another's":     `{"version":1,"service":"test","shard":0,"seq":7,"events":[]}`,
		"unknown event": `{"version":1,"service":"test","shard":0,"seq":1,"events":[{"type":"test.unknown","data":{}}]}`,
		"apply panics":  `{"version":1,"service":"test","shard":0,"seq":1,"events":[{"type":"test.bomb","data":{}}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := journaltest.NewStore()
				live := start(t, store, options{})
				store.Put("test/journal/0/1", []byte(value))
				_, err := live.buy(t.Context(), "a")
				require.Equal(t, errs.Unavailable, errs.From(err).Kind)
				require.ErrorContains(t, live.stop(), "test/journal/0/1")
				require.Zero(t, live.State(0).sold.Len())
				r, err := launch(store, options{name: "w2"})
				require.NoError(t, err)
				require.ErrorContains(t, r.stop(), "test/journal/0/1")
			})
		})
	}
}

func TestStoreDownAndUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		var mu sync.Mutex
		store := journaltest.NewStore()
		r, err := launch(store, options{config: journal.Config{CommitWithin: time.Second}, faults: journaltest.Faults{
			Script: func(string, string, int) (journaltest.Fault, bool) {
				mu.Lock()
				defer mu.Unlock()
				return journaltest.FailBefore, down
			}}})
		require.NoError(t, err)
		defer func() { require.NoError(t, r.stop()) }()
		set := func(to bool) { mu.Lock(); down = to; mu.Unlock() }
		rest(time.Minute)
		require.Error(t, r.Ready())
		set(false)
		<-r.Loaded()
		require.NoError(t, r.Ready())
		_, err = r.buy(t.Context(), "a")
		require.NoError(t, err)
		set(true)
		_, err = r.buy(t.Context(), "b")
		require.True(t, errs.HasCode(err, errs.CodeOutcomeUnknown), "%v", err)
		require.Error(t, r.Ready())
		_, err = r.buy(t.Context(), "a")
		require.Equal(t, errs.Unavailable, errs.From(err).Kind)
		set(false)
		waitFor(t, "ready by itself", func() bool { return r.Ready() == nil })
		ticket, err := r.buy(t.Context(), "b")
		require.NoError(t, err)
		require.Equal(t, 2, ticket)
	})
}

// After an unknown outcome an answer that writes nothing could be overtaken by the late write that it contradicts.
func TestFenceAfterUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		var lost atomic.Bool
		r := start(t, store, options{tickets: 1, config: journal.Config{CommitWithin: time.Second}, faults: journaltest.Faults{
			Script: func(op, key string, _ int) (journaltest.Fault, bool) {
				return journaltest.StallLost, lost.Load() && op == journaltest.OpCreate && key == "test/journal/0/2"
			}}})
		_, err := r.buy(t.Context(), "a")
		require.NoError(t, err)
		lost.Store(true)
		_, err = r.DoShard(t.Context(), 0, pad{"p", "text"})
		require.True(t, errs.HasCode(err, errs.CodeOutcomeUnknown), "%v", err)
		lost.Store(false)
		_, err = r.buy(t.Context(), "b")
		require.ErrorIs(t, err, errSoldOut)
		require.EqualValues(t, 2, r.Heads()[0], "the number of the lost write is taken")
		require.Contains(t, string(store.Value("test/journal/0/2")), `"events":[]`)
		_, err = r.buy(t.Context(), "b")
		require.ErrorIs(t, err, errSoldOut)
		require.EqualValues(t, 2, r.Heads()[0], "once is enough")
	})
}

// A refusal may rest on a sale that was decided before it in the same batch. If it is not known whether that batch is
// committed, the refusal is not known either: here the sale never was, and the ticket is still there.
func TestARefusalWaitsForTheBatchThatItIsBasedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, journaltest.NewStore(), options{tickets: 1, config: journal.Config{CommitWithin: time.Second}, faults: journaltest.Faults{
			Script: func(op, key string, nth int) (journaltest.Fault, bool) {
				if op != journaltest.OpCreate {
					return journaltest.None, true
				}
				if key == "test/journal/0/1" {
					return journaltest.Delay, true // so that the buyers wait for it and go together
				}
				return journaltest.StallLost, nth < 4
			}}})
		var callers sync.WaitGroup
		callers.Go(func() { _, _ = r.DoShard(t.Context(), 0, pad{"p", "text"}) })
		synctest.Wait()
		answers := make([]error, 2)
		for i := range answers {
			callers.Go(func() { _, answers[i] = r.buy(t.Context(), fmt.Sprint("b", i)) })
			synctest.Wait()
		}
		callers.Wait()
		for _, err := range answers {
			require.True(t, errs.HasCode(err, errs.CodeOutcomeUnknown), "%v", err)
		}
		ticket, err := r.buy(t.Context(), "b1")
		require.NoError(t, err)
		require.Equal(t, 1, ticket)
	})
}

func TestSegmentsTimeNeverGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		r := start(t, store, options{name: "a"})
		res, err := r.DoShard(t.Context(), 0, buy{"a"})
		require.NoError(t, err)
		back := start(t, store, options{name: "b", deps: func(d *journal.Deps) {
			d.Now = func() time.Time { return time.Now().Add(-time.Hour) }
		}})
		later, err := back.DoShard(t.Context(), 0, buy{"b"})
		require.NoError(t, err)
		require.Equal(t, res.At, later.At)
		require.NoError(t, checkSequence(store))
	})
}

func TestContendedBatchIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		r := start(t, store, options{faults: journaltest.Faults{Script: func(op, key string, _ int) (journaltest.Fault, bool) {
			if op == journaltest.OpCreate && strings.HasPrefix(key, "test/journal/0/") { // another writer is always first
				seq := key[strings.LastIndex(key, "/")+1:]
				store.Put(key, []byte(`{"version":1,"service":"test","shard":0,"seq":`+seq+`,"writer":"other","batch":1,"at":"2026-01-01T00:00:00Z","events":[]}`))
			}
			return journaltest.None, false
		}}})
		_, err := r.buy(t.Context(), "a")
		require.Equal(t, errs.Unavailable, errs.From(err).Kind)
		require.False(t, errs.HasCode(err, errs.CodeOutcomeUnknown))
	})
}

func TestPublishing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		var mu sync.Mutex
		var announced []journal.Segment
		fails := false
		r := start(t, store, options{deps: func(d *journal.Deps) {
			d.Publish = func(_ context.Context, s journal.Segment, encoded []byte) error {
				mu.Lock()
				defer mu.Unlock()
				if fails {
					return errors.New("no broker")
				}
				assert.JSONEq(t, string(store.Value(fmt.Sprintf("test/journal/0/%d", s.Seq))), string(encoded))
				assert.Nil(t, s.Events, "their memory is the next batch's")
				announced = append(announced, s)
				return nil
			}
		}})
		traced := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled}))
		_, err := r.buy(traced, "a")
		require.NoError(t, err)
		synctest.Wait()
		mu.Lock()
		require.Len(t, announced, 1)
		require.Equal(t, "00-01000000000000000000000000000000-0200000000000000-01", announced[0].Trace)
		fails = true
		mu.Unlock()
		_, err = r.buy(t.Context(), "b")
		require.NoError(t, err, "a broker that is down does not hold a commit up")
	})
}

// What was not given to the broker, because nobody there would hear of it, says neither that the broker is away nor that it is back.
func TestTheBrokerIsBackWhenItTakesSomething(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		var says error
		r := start(t, journaltest.NewStore(), options{deps: func(d *journal.Deps) {
			d.Log = slog.New(slog.NewTextHandler(&log, nil))
			d.Publish = func(context.Context, journal.Segment, []byte) error { return says }
		}})
		for i, step := range []struct {
			says       error
			away, back int // how often each was said after it
		}{
			{fmt.Errorf("as it is wrapped: %w", sidecar.ErrUnheard), 0, 0},
			{errors.New("no broker"), 1, 0}, {errors.New("no broker"), 1, 0}, {sidecar.ErrUnheard, 1, 0}, {nil, 1, 1}, {sidecar.ErrUnheard, 1, 1},
		} {
			says = step.says
			_, err := r.buy(t.Context(), strconv.Itoa(i))
			require.NoError(t, err)
			synctest.Wait()
			assert.Equal(t, step.away, strings.Count(log.String(), "the broker does not take segments"), "away after step %d", i)
			assert.Equal(t, step.back, strings.Count(log.String(), "the broker takes segments again"), "back after step %d", i)
		}
	})
}
