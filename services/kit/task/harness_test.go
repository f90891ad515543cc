package task_test

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/task"
)

// done is the domain's command that ends a task.
type done struct{ ID string }

// ledger is a journal of tasks only: each shard a Set, each command a commit.
type ledger struct {
	mu     sync.Mutex
	shards []*task.Set
	done   map[string]int
	loaded chan struct{}
	fail   func(cmd any) error // before a commit
	after  func(cmd any) error // after a commit: the answer gets lost
	wake   func()
	heard  func(ctx context.Context, cmd any) // may be nil
}

func newLedger(shards int) *ledger {
	l := &ledger{done: map[string]int{}, loaded: make(chan struct{}), wake: func() {}}
	for range shards {
		l.shards = append(l.shards, task.NewSet())
	}
	close(l.loaded)
	return l
}

func (l *ledger) Loaded() <-chan struct{} { return l.loaded }
func (l *ledger) Shards() int             { return len(l.shards) }

func (l *ledger) set(shard int) *task.Set {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shards[shard]
}

func (l *ledger) put(shard int, tasks ...task.Task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := l.shards[shard].Clone()
	for _, t := range tasks {
		next.Put(t)
	}
	l.shards[shard] = next
}

func (l *ledger) DoShard(ctx context.Context, shard int, cmd journal.Command) (journal.Result, error) {
	if ctx.Err() != nil {
		return journal.Result{}, errs.OutcomeUnknown(ctx.Err())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.heard != nil {
		l.heard(ctx, cmd)
	}
	if l.fail != nil {
		if err := l.fail(cmd); err != nil {
			return journal.Result{}, err
		}
	}
	next := l.shards[shard].Clone()
	answer, changed, err, handled := task.Decide(next, time.Now(), cmd)
	if err != nil {
		return journal.Result{}, err
	}
	for _, t := range changed {
		next.Put(t)
	}
	if d, ok := cmd.(done); ok && !handled {
		if _, open := next.Get(d.ID); open {
			l.done[d.ID]++
			next.Remove(d.ID)
		}
	}
	l.shards[shard] = next
	l.wake()
	if l.after != nil {
		if err := l.after(cmd); err != nil {
			return journal.Result{}, err
		}
	}
	return journal.Result{Answer: answer, Shard: shard}, nil
}

// world is the outside: it counts what is done to it.
type world struct {
	mu     sync.Mutex
	calls  map[string][]time.Time
	flying int
	peak   int
	do     func(ctx context.Context, t task.Task) task.Outcome
}

func (w *world) execute(ctx context.Context, _ int, t task.Task) task.Outcome {
	w.mu.Lock()
	if w.calls == nil {
		w.calls = map[string][]time.Time{}
	}
	w.calls[t.ID] = append(w.calls[t.ID], time.Now())
	w.flying++
	w.peak = max(w.peak, w.flying)
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.flying--
		w.mu.Unlock()
	}()
	if w.do == nil {
		return task.Recorded(done{t.ID})
	}
	return w.do(ctx, t)
}

func (w *world) count(id string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.calls[id])
}

// made gives when each task was begun.
func (w *world) made() map[string][]time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.calls)
}

// begin runs a worker until the test's end or the returned stop.
func begin(t *testing.T, l *ledger, w *world, cfg task.Config) (stop func()) {
	return beginOn(t, l, l, w, cfg)
}

// beginOn runs a worker on a journal that stands before the ledger.
func beginOn(t *testing.T, j task.Journal, l *ledger, w *world, cfg task.Config) (stop func()) {
	cfg.Channel = "world"
	worker, err := task.NewWorker(cfg, task.Deps{
		Journal: j, Set: l.set, Execute: w.execute, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	l.mu.Lock()
	l.wake = worker.Wake
	l.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = worker.Run(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}
