package journal

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// Result is what a command was answered, and the head that the answer is based on.
type Result struct {
	Answer any
	Shard  int
	Seq    uint64    // the segment of the command's events; the head at the time if it wrote none
	At     time.Time // that segment's time
}

// outcome is a Result or why there is none; a refused command has both, so that its head is known.
type outcome struct {
	result Result
	err    error
}

// The life of a request: it waits, then either the shard takes it or its caller gives up, never both.
const (
	waiting int32 = iota
	taken
	abandoned
)

// request is a command on its way through a shard.
type request struct {
	ctx     context.Context
	cmd     Command
	outcome outcome
	done    chan struct{} // has room for one: there is an outcome; answering never blocks
	state   atomic.Int32
}

// requests are used again, with their channels: there is one for every command.
type requests struct{ pool sync.Pool }

func (p *requests) get(ctx context.Context, cmd Command) *request {
	r, ok := p.pool.Get().(*request)
	if !ok {
		r = &request{done: make(chan struct{}, 1)}
	}
	r.ctx, r.cmd = ctx, cmd
	r.state.Store(waiting)
	return r
}

// put gives back a request that nobody else has: one that was answered, and its answer taken, or that was never queued.
func (p *requests) put(r *request) {
	r.ctx, r.cmd, r.outcome = nil, nil, outcome{}
	p.pool.Put(r)
}

// take claims the request for a batch; false when its caller has given up.
func (r *request) take() bool {
	return r.ctx.Err() == nil && (r.state.CompareAndSwap(waiting, taken) || r.state.Load() == taken)
}

// answer gives the outcome, once. The request is its caller's again.
func (r *request) answer(o outcome) {
	r.outcome = o
	r.done <- struct{}{}
}

// await gives the answer, or what can be said when the caller or the journal ends first; the request is then still the
// shard's.
func (r *request) await(stopped <-chan struct{}) (o outcome, answered bool) {
	select {
	case <-r.done:
		return r.outcome, true
	case <-r.ctx.Done():
		return r.giveUp(r.ctx.Err()), false
	case <-stopped:
		select {
		case <-r.done: // while stopping
			return r.outcome, true
		default:
			return r.giveUp(errStopped), false
		}
	}
}

func (r *request) giveUp(cause error) outcome {
	if r.state.CompareAndSwap(waiting, abandoned) {
		return outcome{err: unavailable(cause)}
	}
	return outcome{err: errs.OutcomeUnknown(cause)}
}
