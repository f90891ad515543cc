package follow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// worker applies one source shard to one own shard, in order. Its fields belong to its goroutine, but for stuck.
type worker struct {
	f    *Follower
	feed *feed
	own  int
	log  *slog.Logger

	together int // steps of several segments that are tried in one commit

	ownAway quiet // about the own journal
	stuck   atomic.Pointer[Stuck]
}

func newWorker(f *Follower, fd *feed, own int) *worker {
	log := f.deps.Log.With("source_shard", fd.shard, "own_shard", own)
	return &worker{f: f, feed: fd, own: own, log: log, together: maxTogetherSteps, ownAway: quiet{log: log, now: f.deps.Now}}
}

// run applies segment after segment until ctx ends. The position moves ahead of the recorded offset while
// segments are passed over, and jumps when another replica of ours has recorded more.
func (w *worker) run(ctx context.Context) {
	position := w.feed.positions[w.own].Load()
	for ctx.Err() == nil {
		recorded, _ := w.progress()
		if recorded > position {
			position = recorded
			w.moved(position)
		}
		s, gone := w.feed.next(ctx, w.own, position+1)
		switch {
		case gone > 0:
			position = w.jump(ctx, gone)
		case s != nil:
			var ok bool
			if position, ok = w.take(ctx, s); !ok {
				return
			}
		default:
			continue
		}
		w.moved(position)
	}
}

// progress is what the own journal has recorded of this pair of shards.
func (w *worker) progress() (seq uint64, through int) {
	return w.f.deps.Target.Progress(w.own, w.f.cfg.Source, w.feed.shard)
}

func (w *worker) moved(position uint64) {
	w.feed.advance(w.own, position)
	if r := w.f.running.Load(); r != nil {
		w.f.levels.settle(r)
	}
}

// commit gives a command to the own shard.
func (w *worker) commit(ctx context.Context, cmd journal.Followed) (err error) {
	_, err = w.f.deps.Target.DoShard(ctx, w.own, cmd)
	return err
}

// apply brings the effects of s into the own shard; it reports false when ctx ended before.
func (w *worker) apply(ctx context.Context, s *segment) bool {
	ctx = httpx.ContextWithTraceParent(ctx, s.Trace)
	recorded, through := w.progress()
	if recorded >= s.Seq {
		return true
	}
	units := w.f.unitsFor(s, w.own)
	if through > 0 && recorded+1 == s.Seq {
		for len(units) > 0 && units[0].index < through {
			units = units[1:]
		}
	} else if len(units) == 0 && s.Seq-recorded < w.f.cfg.CheckpointEverySegments {
		return true // passing over alone is no reason to write
	}
	a := attempt{w: w, s: s, units: append([]unit(nil), units...), size: max(1, len(units)), failures: make(map[int]int)}
	return a.run(ctx)
}

// attempt is the work of getting one segment's effects into the own shard.
type attempt struct {
	w        *worker
	s        *segment
	units    []unit      // what is still to be done
	size     int         // how many units go into one command; smaller when their effects were too large
	failures map[int]int // by event index
	away     backOff
}

// run commits the units, in one command if they fit. Every failure ends in a wait or in an event parked.
func (a *attempt) run(ctx context.Context) bool {
	w := a.w
	a.away = backOff{first: w.f.cfg.BackOffFirst, bound: w.f.cfg.BackOffMax}
	defer w.stuck.Store(nil)
	for {
		n := min(a.size, len(a.units))
		cmd, err := a.command(ctx, n)
		if err == nil {
			err = w.commit(ctx, cmd)
		}
		if err == nil {
			w.ownAway.worked("the own journal")
			a.away.reset()
			if a.units = a.units[n:]; len(a.units) == 0 {
				return true
			}
			continue
		}
		if ctx.Err() != nil {
			return false
		}
		a.failed(ctx, n, cmd, err)
		// Another replica may have done it meanwhile, or our own write that we gave up on may have landed.
		recorded, through := w.progress()
		if recorded >= a.s.Seq {
			return true
		}
		if recorded+1 == a.s.Seq {
			for len(a.units) > 0 && a.units[0].index < through {
				a.units = a.units[1:]
			}
		}
	}
}

// command makes the journal's command from the first n units.
func (a *attempt) command(ctx context.Context, n int) (journal.Followed, error) {
	cmd := journal.Followed{Source: a.w.f.cfg.Source, Journal: a.w.feed.journal, SourceShard: a.s.Shard, Seq: a.s.Seq}
	if n < len(a.units) {
		cmd.Through = a.units[n].index
	}
	cmd.Steps = slices.Grow(cmd.Steps, n) // most events mean one command
	for _, u := range a.units[:n] {
		if u.park != "" {
			if cmd.Park == nil {
				cmd.Park = make(map[int]string)
			}
			// One entry stands for all the event's commands: a retry runs them all, in one commit.
			cmd.Park[len(cmd.Steps)] = u.park
			cmd.Steps = append(cmd.Steps, journal.Step{Index: u.index, Trace: a.s.TraceOf(u.record), Event: u.record, At: a.s.At})
			continue
		}
		for _, r := range u.cmds {
			ready, err := a.w.f.ready(ctx, r)
			cmd.Steps = append(cmd.Steps, journal.Step{Index: u.index, Trace: a.s.TraceOf(u.record), Cmd: ready, Event: u.record, At: a.s.At})
			if err != nil {
				return cmd, &journal.StepError{Step: len(cmd.Steps) - 1, Err: err}
			}
		}
	}
	return cmd, nil
}

// ready completes a command by the service's Prepare.
func (f *Follower) ready(ctx context.Context, r Routed) (cmd journal.Command, err error) {
	if f.cfg.Prepare == nil {
		return r.Cmd, nil
	}
	defer func() {
		if p := recover(); p != nil {
			f.deps.Log.Error("preparing a command panicked", "panic", fmt.Sprint(p))
			err = errors.New("preparing the command panicked")
		}
	}()
	return f.cfg.Prepare(ctx, r)
}

// failed decides what follows from a command of n units that did not go through.
func (a *attempt) failed(ctx context.Context, n int, cmd journal.Followed, err error) {
	step, ofStep := errors.AsType[*journal.StepError](err)
	switch {
	case errs.HasCode(err, journal.CodeCommandTooLarge) && n > 1:
		a.size = (n + 1) / 2
	case errs.HasCode(err, journal.CodeCommandTooLarge) && n == 1 && a.units[0].park == "":
		a.park(0, "the effects of this event are too large for one commit")
	case ofStep && step.Step < len(cmd.Steps) && errs.From(step.Err).Kind == errs.Unavailable:
		a.waitAway(ctx, step.Err)
	case ofStep && step.Step < len(cmd.Steps):
		a.stepFailed(ctx, n, cmd.Steps[step.Step].Index, step.Err)
	default:
		a.waitAway(ctx, err)
	}
}

func (a *attempt) waitAway(ctx context.Context, err error) {
	a.w.ownAway.failed(ctx, "what was followed cannot be written; trying again", err)
	a.w.f.metrics.retries.Inc()
	a.away.wait(ctx)
}

// stepFailed counts a failure of one event and waits, or parks it when it failed too often.
func (a *attempt) stepFailed(ctx context.Context, n, index int, err error) {
	w := a.w
	for i := range a.units[:n] {
		if a.units[i].index != index {
			continue
		}
		a.failures[index]++
		wait, again := w.f.cfg.waitAfter(a.failures[index])
		if !again {
			w.log.Error("an event is parked", "type", a.units[i].record.Type, "seq", a.s.Seq, "index", index, "error", err)
			a.park(i, reason(err))
			return
		}
		w.f.metrics.retries.Inc()
		if w.stuck.Load() == nil {
			w.log.Warn("an event's effect fails; trying again", "type", a.units[i].record.Type, "seq", a.s.Seq, "index", index, "error", err)
		}
		w.stuck.Store(&Stuck{
			Seq: a.s.Seq, Index: index, Type: a.units[i].record.Type, Attempts: a.failures[index], Reason: reason(err),
			NextAt: w.f.deps.Now().Add(wait),
		})
		pause(ctx, wait)
		return
	}
}

func (a *attempt) park(i int, why string) {
	a.units[i].park = clip(why)
	a.w.f.metrics.parked.Inc()
	a.w.stuck.Store(nil)
}

// waitAfter is how long to wait after so many failures of an event; false when it is to be parked.
func (c Config) waitAfter(failures int) (time.Duration, bool) {
	wait := c.BackOffFirst
	for range failures - 1 {
		if wait >= c.BackOffMax {
			return 0, false
		}
		wait = min(2*wait, c.BackOffMax)
	}
	return wait, true
}

// reason is what an operator may see of an error.
func reason(err error) string {
	e := errs.From(err)
	return clip(e.Code + ": " + e.Message)
}
