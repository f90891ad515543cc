package journal_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

func TestNewNamesEverythingThatIsWrong(t *testing.T) {
	_, err := journal.New(journal.Config{Service: "No Good", Shards: 1000, MaxBatchBytes: 1 << 20, CommitWithin: -1, TrimAfter: 1}, box{}, journal.Deps{})
	for _, part := range []string{"Service", "Shards", "MaxBatchBytes", "CommitWithin", "TrimAfter", "State", "Writer"} {
		assert.ErrorContains(t, err, part)
	}
	registry := prometheus.NewRegistry()
	deps := journal.Deps{State: journaltest.NewStore().Client("w", journaltest.Faults{}), Writer: "w", Metrics: registry}
	_, err = journal.New(journal.Config{Service: "test"}, box{}, deps)
	require.NoError(t, err)
}

func TestBeforeLoaded(t *testing.T) {
	deps := journal.Deps{State: journaltest.NewStore().Client("w", journaltest.Faults{}), Writer: "w"}
	j, err := journal.New(journal.Config{Service: "test"}, box{}, deps)
	require.NoError(t, err)
	_, err = j.Do(t.Context(), "a", buy{"a"})
	assert.Equal(t, errs.Unavailable, errs.From(err).Kind)
	assert.Error(t, j.Ready())
	assert.Error(t, j.Sync(t.Context(), 0))
	assert.Zero(t, j.Shards())
	assert.Nil(t, j.Heads())
	assert.Nil(t, j.State(0))
}

func TestCommitAnswersAndReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		r := start(t, store, options{config: journal.Config{Shards: 4}})
		require.NoError(t, r.Ready())
		require.Equal(t, 4, r.Shards())
		for i := range 50 {
			id := fmt.Sprint("id", i)
			first, err := r.Do(t.Context(), id, buy{id})
			require.NoError(t, err)
			again, err := r.Do(t.Context(), id, buy{id})
			require.NoError(t, err)
			require.Equal(t, first.Answer, again.Answer)
			require.Equal(t, r.ShardOf(id), first.Shard)
			require.GreaterOrEqual(t, again.Seq, first.Seq)
		}
		require.Zero(t, r.State(0).hidden, "what does not survive being written down is not applied either")
		restarted := start(t, store, options{name: "w2", config: journal.Config{Shards: 9}})
		require.Equal(t, 4, restarted.Shards(), "the store's number counts")
		require.Equal(t, r.Heads(), restarted.Heads())
		for n := range 4 {
			require.Equal(t, picture(r.State(n)), picture(restarted.State(n)))
		}
		require.NoError(t, r.stop())
		_, err := r.Do(t.Context(), "late", buy{"late"})
		require.Equal(t, errs.Unavailable, errs.From(err).Kind)
		require.Error(t, r.Ready())
		require.Error(t, r.Run(t.Context()), "Run is once")
	})
}

// The shard of an id must never change: stored data depends on it.
func TestShardOfIsStable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, journaltest.NewStore(), options{config: journal.Config{Shards: 7}})
		got := []int{}
		for _, id := range []string{"", "a", "sku-1", "0190f7c4-7f2e-7c3e-8f44-6b2f8f0a9d11", "größe"} {
			got = append(got, r.ShardOf(id))
		}
		require.Equal(t, shardsOfSeven, got)
	})
}

// shardsOfSeven was computed once with xxhash64 and must stay.
var shardsOfSeven = []int{6, 6, 0, 2, 5}

func TestRefusalsWriteNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		r := start(t, store, options{tickets: 1})
		_, err := r.buy(t.Context(), "a")
		require.NoError(t, err)
		writes := store.Writes()
		res, err := r.DoShard(t.Context(), 0, buy{"b"})
		require.Same(t, errSoldOut, err, "a refusal comes back as it is")
		require.EqualValues(t, 1, res.Seq)
		_, err = r.buy(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, writes, store.Writes())
	})
}

// A refusal by a replica that does not know yet what another one committed would be a lie: here to the buyer who has
// the ticket and only lost the answer.
func TestRefusalLooksAtTheHeadFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		quiet := journal.Config{PollEvery: time.Hour}
		a, b := start(t, store, options{name: "a", tickets: 1, config: quiet}), start(t, store, options{name: "b", tickets: 1, config: quiet})
		_, err := a.buy(t.Context(), "first")
		require.NoError(t, err)
		require.NoError(t, b.Sync(t.Context(), 0))
		_, err = a.DoShard(t.Context(), 0, refund{"first"})
		require.NoError(t, err)
		_, err = a.buy(t.Context(), "second")
		require.NoError(t, err)
		require.Zero(t, b.State(0).left, "b knows of the first buyer only")
		ticket, err := b.buy(t.Context(), "second")
		require.NoError(t, err)
		require.Equal(t, 2, ticket)
	})
}

func TestSyncSeesOtherWritersAndIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		var reads atomic.Int64
		quiet := journal.Config{PollEvery: 30 * time.Second}
		a := start(t, store, options{name: "a", config: quiet})
		b := start(t, store, options{name: "b", config: quiet, faults: journaltest.Faults{Script: func(op, _ string, _ int) (journaltest.Fault, bool) {
			reads.Add(1)
			return journaltest.Delay, true
		}}})
		_, err := a.buy(t.Context(), "x")
		require.NoError(t, err)
		reads.Store(0)
		var syncs sync.WaitGroup
		for range 100 {
			syncs.Go(func() { assert.NoError(t, b.Sync(t.Context(), 0)) })
		}
		syncs.Wait()
		require.Equal(t, 1, b.State(0).sold.Len())
		require.LessOrEqual(t, reads.Load(), int64(6), "two rounds at most, each a few reads")
		changed := b.Changed(0)
		_, err = a.buy(t.Context(), "y")
		require.NoError(t, err)
		<-changed // by the poll
		require.Equal(t, 2, b.State(0).sold.Len())
	})
}

func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		slow := journaltest.Faults{Script: func(op, _ string, _ int) (journaltest.Fault, bool) {
			return journaltest.Delay, op == journaltest.OpCreate
		}}
		r := start(t, store, options{faults: slow, config: journal.Config{MaxBatchCommands: 50}})
		var buyers sync.WaitGroup
		for i := range 100 {
			buyers.Go(func() {
				_, err := r.buy(t.Context(), fmt.Sprint(i))
				assert.NoError(t, err)
			})
		}
		buyers.Wait()
		require.LessOrEqual(t, r.Heads()[0], uint64(4), "what waits while a commit is under way goes into the next one together")
	})
}

func TestBatchBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		r := start(t, store, options{config: journal.Config{MaxBatchBytes: 10_000}})
		var writers sync.WaitGroup
		for i := range 10 {
			writers.Go(func() {
				_, err := r.DoShard(t.Context(), 0, pad{fmt.Sprint(i), strings.Repeat("x", 4000)})
				assert.NoError(t, err)
			})
		}
		writers.Wait()
		require.GreaterOrEqual(t, r.Heads()[0], uint64(5), "two fit into a segment")
		_, err := r.DoShard(t.Context(), 0, pad{"alone", strings.Repeat("x", 200_000)})
		require.NoError(t, err, "a large one has a segment to itself")
		_, err = r.DoShard(t.Context(), 0, pad{"huge", strings.Repeat("x", 250_000)})
		require.True(t, errs.HasCode(err, journal.CodeCommandTooLarge), "%v", err)
		steps := []journal.Step{}
		for i := range 4 {
			steps = append(steps, journal.Step{Index: i, Cmd: pad{fmt.Sprint("s", i), strings.Repeat("x", 100_000)}})
		}
		_, err = r.DoShard(t.Context(), 0, journal.Followed{Source: "other", Seq: 1, Steps: steps})
		require.True(t, errs.HasCode(err, journal.CodeCommandTooLarge), "%v", err)
		_, err = r.DoShard(t.Context(), 0, journal.Followed{Source: "other", Seq: 1, Steps: steps[:2]})
		require.NoError(t, err)
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := journaltest.Faults{Script: func(op, _ string, _ int) (journaltest.Fault, bool) {
			return journaltest.StallLost, op == journaltest.OpCreate
		}}
		store := journaltest.NewStore()
		store.Put("test/journal", []byte(`{"version":1,"shards":1}`))
		r := start(t, store, options{faults: stuck, config: journal.Config{MaxQueueCommands: 5, MaxBatchCommands: 1}})
		var callers sync.WaitGroup
		var mu sync.Mutex
		codes := map[string]int{}
		for i := range 10 {
			callers.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := r.buy(ctx, fmt.Sprint(i))
				mu.Lock()
				defer mu.Unlock()
				codes[errs.From(err).Code]++
			})
			synctest.Wait()
		}
		callers.Wait()
		require.Equal(t, map[string]int{errs.CodeOutcomeUnknown: 1, errs.CodeUnavailable: 5, errs.CodeOverloaded: 4}, codes,
			"the one in the write may land; those that waited were dropped; the rest found no room")
	})
}

func TestPanicsHarmNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		slow := journaltest.Faults{Script: func(op, _ string, _ int) (journaltest.Fault, bool) {
			return journaltest.Delay, op == journaltest.OpCreate
		}}
		r := start(t, store, options{faults: slow})
		var callers sync.WaitGroup
		for i := range 30 {
			callers.Go(func() {
				var err error
				switch i % 4 {
				case 0:
					_, err = r.DoShard(t.Context(), 0, crash{"decide"})
				case 1:
					_, err = r.DoShard(t.Context(), 0, crash{"apply"})
				case 2:
					_, err = r.DoShard(t.Context(), 0, odd{})
				case 3:
					_, err := r.buy(t.Context(), fmt.Sprint(i))
					assert.NoError(t, err)
					return
				}
				assert.Equal(t, errs.Internal, errs.From(err).Kind)
			})
		}
		callers.Wait()
		require.Equal(t, 7, r.State(0).sold.Len())
		require.NoError(t, checkSequence(store))
		again := start(t, store, options{name: "w2"})
		require.Equal(t, picture(r.State(0)), picture(again.State(0)))
	})
}
