package journal

import (
	"context"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// Assigned is a command for a shard and, after DoEach, what DoShard would have returned.
type Assigned struct {
	Shard  int
	Cmd    Command
	Result Result
	Err    error
}

// DoEach gives several commands to their shards at once and returns when each has its answer: what as many calls of
// DoShard at the same time come to, but that a shard decides them in the order of the list, and that they cost no
// goroutine each. They are independent: one that is refused changes nothing for the others.
func (j *Journal[S]) DoEach(ctx context.Context, all []*Assigned) {
	requests := make([]*request, len(all))
	for i, a := range all {
		requests[i], a.Err = j.enqueue(ctx, a.Shard, a.Cmd)
	}
	for i, a := range all {
		if requests[i] != nil {
			a.Result, a.Err = j.await(requests[i])
		}
	}
}

// enqueue lets cmd wait for its shard.
func (j *Journal[S]) enqueue(ctx context.Context, shard int, cmd Command) (*request, error) {
	s, err := j.shard(shard)
	if err != nil {
		return nil, err
	}
	r := j.requests.get(ctx, cmd)
	select {
	case s.queue <- r:
		return r, nil
	default:
		j.requests.put(r)
		return nil, errs.Overloaded("the queue of " + j.cfg.Service)
	}
}

// await waits for the answer to what was enqueued.
func (j *Journal[S]) await(r *request) (Result, error) {
	o, answered := r.await(j.stopped)
	if answered {
		j.requests.put(r)
	}
	return o.result, o.err
}
