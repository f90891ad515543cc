package task

import (
	"context"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/follow"
)

// Board shows the parked tasks of a journal to operators; it is a follow.Tasks. It is safe for concurrent use.
type Board struct {
	Journal Journal
	// Sets gives the open tasks in the latest committed state of a shard.
	Sets func(shard int) []*Set
	// Describe says what a parked task is about (Source, Type and Data); the Board fills in the rest.
	Describe func(shard int, t Task) follow.Parked
}

var _ follow.Tasks = (*Board)(nil)

// Parked lists what is parked in all shards; nothing before the journal is loaded.
func (b *Board) Parked() []follow.Parked {
	if !b.loaded() {
		return nil
	}
	var items []follow.Parked
	for shard := range b.Journal.Shards() {
		for _, set := range b.Sets(shard) {
			for t := range set.Parked() {
				p := b.Describe(shard, t)
				p.ID, p.Reason, p.Attempts, p.ParkedAt = t.ID, t.Reason, t.Attempts, t.ParkedAt
				items = append(items, p)
			}
		}
	}
	return items
}

// Retry makes a parked task due now.
func (b *Board) Retry(ctx context.Context, id string) error { return b.do(ctx, id, Retry{ID: id}) }

// Discard gives a parked task up; what that means is the service's to say.
func (b *Board) Discard(ctx context.Context, id string) error { return b.do(ctx, id, Discard{ID: id}) }

func (b *Board) do(ctx context.Context, id string, cmd any) error {
	if !b.loaded() {
		return errs.New(errs.Unavailable, errs.CodeUnavailable, "the service is starting")
	}
	for shard := range b.Journal.Shards() {
		for _, set := range b.Sets(shard) {
			if t, ok := set.Get(id); ok && t.Status == Parked {
				_, err := b.Journal.DoShard(ctx, shard, cmd)
				return err
			}
		}
	}
	return errs.New(errs.NotFound, follow.CodeParkedNotFound, "nothing is parked under this id, or not any more")
}

func (b *Board) loaded() bool {
	select {
	case <-b.Journal.Loaded():
		return true
	default:
		return false
	}
}
