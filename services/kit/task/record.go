package task

import (
	"context"
	"time"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// Bounds of the waits between attempts to record an outcome.
const (
	firstRecordBackOff = 100 * time.Millisecond
	maxRecordBackOff   = 2 * time.Second
)

// record commits what came of an execution. While the journal cannot commit, it keeps trying for as long as the
// claim lasts: the effect is made, and forgetting it would only mean to make it again.
func (w *Worker) record(ctx context.Context, shard int, t Task, cmd journal.Command) {
	wait := firstRecordBackOff
	for {
		_, err := w.deps.Journal.DoShard(ctx, shard, cmd)
		if err == nil {
			return
		}
		if errs.From(err).Kind != errs.Unavailable || !w.deps.Now().Add(wait).Before(t.ClaimUntil) {
			// Refused because somebody else has the task or it is done; or too late, and it will be done again.
			w.deps.Log.WarnContext(ctx, "an outcome was not recorded", "task", t.ID, "shard", shard, "error", err)
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		wait = min(2*wait, maxRecordBackOff)
	}
}

// drain waits for what runs, gives granted but unbegun claims back, and cuts off what takes too long.
func (w *Worker) drain(work context.Context, stop func()) {
	ctx, cancel := context.WithTimeout(work, w.cfg.DrainWithin)
	defer cancel()
	w.release(ctx)
	for len(w.busy) > 0 {
		select {
		case r := <-w.reports:
			w.take(ctx, r)
			w.giveBack(ctx, r.shard, r.granted)
		case <-ctx.Done():
			stop()
			w.take(ctx, <-w.reports) // every goroutine ends soon now: all they wait for is bound to work
		}
	}
}

// release gives back every claim of this writer that was not begun.
func (w *Worker) release(ctx context.Context) {
	for shard := range w.notBefore {
		var idle []Task
		for t := range w.deps.Set(shard).ClaimedBy(w.cfg.Writer, time.Time{}) {
			if _, busy := w.busy[key{shard, t.ID}]; !busy {
				idle = append(idle, t)
			}
		}
		for len(idle) > 0 && ctx.Err() == nil {
			n := min(len(idle), MaxClaimTasks)
			w.giveBack(ctx, shard, idle[:n])
			idle = idle[n:]
		}
	}
}

// giveBack saves others the wait for the lease's end; if it fails, they wait.
func (w *Worker) giveBack(ctx context.Context, shard int, tasks []Task) {
	if len(tasks) == 0 {
		return
	}
	ids := make([]string, len(tasks))
	for i, t := range tasks {
		ids[i] = t.ID
	}
	if _, err := w.deps.Journal.DoShard(ctx, shard, Release{By: w.cfg.Writer, IDs: ids}); err != nil {
		w.deps.Log.WarnContext(ctx, "unused claims were not given back", "shard", shard, "tasks", len(ids), "error", err)
	}
}
