package archive

import (
	"context"
	"errors"

	"github.com/sidecart/sidecart/services/kit/journal"
)

// maxLooks bounds how often one command is decided again because something was archived meanwhile.
const maxLooks = 10

// Log is what Journal needs of a journal; every *journal.Journal[S] satisfies it.
type Log[S any] interface {
	Shards() int
	ShardOf(aggregateID string) int
	Loaded() <-chan struct{}
	State(shard int) S
	Sync(ctx context.Context, shard int) error
	Progress(shard int, source string, sourceShard int) (seq uint64, through int)
	Origin(shard int, source string, sourceShard int) string
	Do(ctx context.Context, aggregateID string, cmd journal.Command) (journal.Result, error)
	DoShard(ctx context.Context, shard int, cmd journal.Command) (journal.Result, error)
	Parked() []journal.Parked
	Unpark(ctx context.Context, id string, cmds []journal.Command) error
	Discard(ctx context.Context, id string) error
}

// Journal is a journal whose aggregates may be archived: a command that comes back with ErrLookAgain is given what
// the store says and decided again, at most maxLooks times. It is a follow.Target too, so that a follower's commands
// get the same. Safe for concurrent use.
type Journal[S, T any] struct {
	Log[S]
	views *Store[T]
	index func(S) *Index
}

// Wrap lets the commands of log find archived aggregates. index gives the Index of a shard's state.
func Wrap[S, T any](log Log[S], views *Store[T], index func(S) *Index) *Journal[S, T] {
	return &Journal[S, T]{Log: log, views: views, index: index}
}

// Do is the journal's Do.
func (j *Journal[S, T]) Do(ctx context.Context, aggregateID string, cmd journal.Command) (journal.Result, error) {
	return j.DoShard(ctx, j.ShardOf(aggregateID), cmd)
}

// DoShard is the journal's DoShard.
func (j *Journal[S, T]) DoShard(ctx context.Context, shard int, cmd journal.Command) (journal.Result, error) {
	var result journal.Result
	err := j.looking(ctx, shard, []journal.Command{cmd}, func(cmds []journal.Command) (err error) {
		result, err = j.Log.DoShard(ctx, shard, cmds[0])
		return err
	})
	return result, err
}

// Unpark is the journal's Unpark.
func (j *Journal[S, T]) Unpark(ctx context.Context, id string, cmds []journal.Command) error {
	shard := -1
	for _, c := range cmds {
		if c, ok := c.(Command[T]); ok {
			shard = j.ShardOf(c.AggregateID())
		}
	}
	if shard < 0 { // none of them can be about an archived aggregate
		return j.Log.Unpark(ctx, id, cmds)
	}
	// A refused attempt is noted with the entry, so the look comes before the first one.
	looked, err := j.lookAll(ctx, shard, cmds)
	if err != nil {
		return err
	}
	return j.looking(ctx, shard, looked, func(cmds []journal.Command) error { return j.Log.Unpark(ctx, id, cmds) })
}

// looking calls do until it no longer asks for a look.
func (j *Journal[S, T]) looking(ctx context.Context, shard int, cmds []journal.Command, do func([]journal.Command) error) error {
	err := do(cmds)
	for range maxLooks {
		if !errors.Is(err, ErrLookAgain) {
			return err
		}
		looked, lookErr := j.lookAll(ctx, shard, cmds)
		if lookErr != nil {
			return lookErr
		}
		err = do(looked)
	}
	if errors.Is(err, ErrLookAgain) {
		return gaveUp(err)
	}
	return err
}

// lookAll gives each of cmds its look.
func (j *Journal[S, T]) lookAll(ctx context.Context, shard int, cmds []journal.Command) ([]journal.Command, error) {
	select {
	case <-j.Loaded():
	default:
		return cmds, nil // the journal will say that it is not loaded
	}
	looked := make([]journal.Command, len(cmds))
	for i, cmd := range cmds {
		c, err := j.look(ctx, shard, cmd)
		if err != nil {
			return nil, err
		}
		looked[i] = c
	}
	return looked, nil
}

// look gives cmd, and the commands of a follower's batch inside it, what the store says about their aggregates.
func (j *Journal[S, T]) look(ctx context.Context, shard int, cmd journal.Command) (journal.Command, error) {
	if batch, ok := cmd.(journal.Followed); ok {
		steps := append([]journal.Step(nil), batch.Steps...)
		for i := range steps {
			c, err := j.look(ctx, shard, steps[i].Cmd)
			if err != nil {
				return nil, err
			}
			steps[i].Cmd = c
		}
		batch.Steps = steps
		return batch, nil
	}
	c, ok := cmd.(Command[T])
	if !ok {
		return cmd, nil
	}
	// The generation is read before the view: if something is archived in between, the decision sees it.
	index := j.index(j.State(shard))
	if !index.Maybe(c.AggregateID()) {
		return cmd, nil
	}
	view, err := j.views.Get(ctx, c.AggregateID())
	if err != nil {
		return nil, err
	}
	return c.WithLook(Look[T]{Generation: index.Generation(), View: view}), nil
}
