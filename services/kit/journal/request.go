package journal

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/propagation"

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
	ctx   context.Context
	cmd   Command
	done  chan outcome // room for one: answering never blocks
	state atomic.Int32
}

func newRequest(ctx context.Context, cmd Command) *request {
	return &request{ctx: ctx, cmd: cmd, done: make(chan outcome, 1)}
}

// take claims the request for a batch; false when its caller has given up.
func (r *request) take() bool {
	return r.ctx.Err() == nil && (r.state.CompareAndSwap(waiting, taken) || r.state.Load() == taken)
}

func (r *request) answer(o outcome) { r.done <- o }

// await gives the answer, or what can be said when the caller or the journal ends first.
func (r *request) await(stopped <-chan struct{}) (Result, error) {
	select {
	case o := <-r.done:
		return o.result, o.err
	case <-r.ctx.Done():
		return r.giveUp(r.ctx.Err())
	case <-stopped:
		select {
		case o := <-r.done: // answered while stopping
			return o.result, o.err
		default:
			return r.giveUp(errStopped)
		}
	}
}

func (r *request) giveUp(cause error) (Result, error) {
	if r.state.CompareAndSwap(waiting, abandoned) {
		return Result{}, unavailable(cause)
	}
	return Result{}, errs.OutcomeUnknown(cause)
}

// traceparent is the W3C trace context of the caller, empty when there is none.
func (r *request) traceparent() string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(r.ctx, carrier)
	return carrier["traceparent"]
}
