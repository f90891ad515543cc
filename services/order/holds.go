package order

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// Bounds of the calls that ask for holds.
const (
	holdWithin      = 7 * time.Second // of an order's wait, and of a call; the rest of the request's time is for recording the order
	maxHoldCalls    = 4               // at a time: while inventory commits one, the next ones are on their way
	maxWaitingHolds = 4096            // as many as the gateway lets in by itself
	// maxCallLines is where a call takes no further order. The one that goes over it has 50 lines at most, of 100 bytes
	// each, so that the body stays below the 64 KiB that inventory reads.
	maxCallLines = 300
)

const (
	holdsURL     = "http://inventory/internal/holds"
	manyHoldsURL = holdsURL + "/batch"
)

var errStopping = errors.New("order: stopping")

// holder asks inventory for the holds of orders, many in one call: what comes while calls are under way goes together
// in the next one. A call is never put off to be filled; but its answers come together, so that each waits for the slowest
// hold in it: one over several shards takes as many commits of inventory as there are shards.
type holder struct {
	client  *http.Client
	queue   chan *holding
	stopped chan struct{} // closed when run has returned
}

func newHolder(client *http.Client) *holder {
	return &holder{client: client, queue: make(chan *holding, maxWaitingHolds), stopped: make(chan struct{})}
}

// holding is the hold of one order on its way. It waits, then either a call takes it or its caller gives up, never both.
type holding struct {
	ctx     context.Context
	ask     inventoryapi.HoldRequest
	claimed atomic.Bool      // by a call, or by its caller, who has given up
	done    chan holdOutcome // room for one: answering never blocks
}

type holdOutcome struct {
	hold *inventoryapi.Hold
	err  error
}

// hold sets every line aside or none of them. The error is inventory's refusal; errs Unavailable when nothing was
// asked for; errs.OutcomeUnknown when inventory may have been asked.
func (h *holder) hold(ctx context.Context, ask inventoryapi.HoldRequest) (*inventoryapi.Hold, error) {
	late := time.NewTimer(holdWithin) // a context would cost as much as the rest of this
	defer late.Stop()
	w := &holding{ctx: ctx, ask: ask, done: make(chan holdOutcome, 1)}
	select {
	case h.queue <- w:
	default:
		return nil, errs.Overloaded("the queue for stock")
	}
	select {
	case o := <-w.done:
		return o.hold, o.err
	case <-ctx.Done():
		return nil, w.giveUp(ctx.Err())
	case <-late.C:
		return nil, w.giveUp(context.DeadlineExceeded)
	case <-h.stopped:
		select {
		case o := <-w.done: // answered while stopping
			return o.hold, o.err
		default:
			return nil, w.giveUp(errStopping)
		}
	}
}

func (w *holding) giveUp(cause error) error {
	if w.claimed.CompareAndSwap(false, true) {
		return notHeld(cause)
	}
	return errs.OutcomeUnknown(cause)
}

// notHeld says that stock could not be asked for and nothing was changed.
func notHeld(cause error) error {
	e := errs.New(errs.Unavailable, errs.CodeUnavailable, "stock cannot be asked for at the moment; nothing was changed").Wrap(cause)
	e.RetryAfter = time.Second
	return e
}

// run makes the calls until ctx ends; those under way are finished.
func (h *holder) run(ctx context.Context) error {
	defer close(h.stopped)
	var calls errgroup.Group
	for range maxHoldCalls {
		calls.Go(func() error {
			for ctx.Err() == nil {
				select {
				case <-ctx.Done():
				case first := <-h.queue:
					h.ask(h.gather(first))
				}
			}
			return nil
		})
	}
	return calls.Wait()
}

// gather takes what waits, up to the bounds of one call.
func (h *holder) gather(next *holding) (batch []*holding) {
	for lines := 0; ; {
		if next.claimed.CompareAndSwap(false, true) {
			batch = append(batch, next)
			lines += len(next.ask.Lines)
		}
		if len(batch) == inventoryapi.MaxHolds || lines >= maxCallLines {
			return batch
		}
		select {
		case next = <-h.queue:
		default:
			return batch
		}
	}
}

// ask makes one call, in the trace of its first order, and answers every order in it. No order's own end stops the
// call: the others rely on it.
func (h *holder) ask(batch []*holding) {
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(batch[0].ctx), holdWithin)
	defer cancel()
	var request inventoryapi.HoldsRequest
	for _, w := range batch {
		request.Holds = append(request.Holds, w.ask)
	}
	var answer inventoryapi.HoldsAnswer
	err := httpx.Call(ctx, h.client, http.MethodPost, manyHoldsURL, request, &answer)
	switch {
	case errs.HasCode(err, errs.CodeNotFound):
		h.askEach(ctx, batch)
		return
	case err == nil && len(answer.Results) != len(batch):
		err = fmt.Errorf("order: %d holds asked for, %d answered", len(batch), len(answer.Results))
	}
	for i, w := range batch {
		o := holdOutcome{err: err}
		if err == nil {
			o.hold = answer.Results[i].Hold
		}
		switch {
		case err != nil || o.hold != nil:
		case answer.Results[i].Refusal != nil:
			o.err = answer.Results[i].Refusal.Err()
		default:
			o.err = fmt.Errorf("order: hold %s has no answer", w.ask.ID)
		}
		w.done <- o
	}
}

// askEach asks for the holds one by one: an inventory of the release before this one, which a rollout or a way back
// puts beside us, does not know of many in one call.
func (h *holder) askEach(ctx context.Context, batch []*holding) {
	var all errgroup.Group
	for _, w := range batch {
		all.Go(func() error {
			hold := new(inventoryapi.Hold)
			err := httpx.Call(ctx, h.client, http.MethodPost, holdsURL, w.ask, hold)
			if err != nil {
				hold = nil
			}
			w.done <- holdOutcome{hold, err}
			return nil
		})
	}
	_ = all.Wait() // every answer is its order's
}
