package task

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecart/sidecart/services/kit/failpoint"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// Outcome is what an execution came to. Make it with Recorded, TryAgain, GiveUp, NotNow or Moot.
type Outcome struct {
	record journal.Command
	result result
	reason string
}

type result string

const (
	recorded result = "recorded"
	tryAgain result = "try_again"
	giveUp   result = "give_up"
	notNow   result = "not_now"
	moot     result = "moot"
)

// Recorded says that the other side gave its answer, good or bad; cmd writes it down and ends the task.
func Recorded(cmd journal.Command) Outcome { return Outcome{record: cmd, result: recorded} }

// TryAgain says that it failed or that nobody knows: the task is repeated after a back-off, and parked in the end.
func TryAgain(reason string) Outcome { return Outcome{result: tryAgain, reason: reason} }

// GiveUp says that repeating does not help: the task is parked now.
func GiveUp(reason string) Outcome { return Outcome{result: giveUp, reason: reason} }

// NotNow says that nothing was sent, because the way to the outside world is closed for everybody (a sidecar's circuit breaker is open).
// It is no failure of the task: it stays claimed, nothing is recorded, and the worker begins nothing for RestWhenClosed.
func NotNow(reason string) Outcome { return Outcome{result: notNow, reason: reason} }

// Moot says that there is nothing to do any more, because the task is gone; nothing is recorded.
func Moot() Outcome { return Outcome{result: moot} }

// Journal is what a Worker needs of a journal; every *journal.Journal is one.
type Journal interface {
	Loaded() <-chan struct{}
	Shards() int
	DoShard(ctx context.Context, shard int, cmd journal.Command) (journal.Result, error)
}

// Config of a Worker; zero fields get the defaults.
type Config struct {
	Writer        string        // names this process; the journal's own writer id
	Channel       string        // where the effects go ("sms"); the label channel of the metrics
	ExecuteWithin time.Duration // deadline of one execution; default 5 s
	Lease         time.Duration // of a claim; default three times ExecuteWithin, at least twice
	MaxInFlight   int           // executions at a time, of all shards; default 16. As many are claimed ahead in each shard
	PollEvery     time.Duration // how often to look without being woken; default 1 s
	DrainWithin   time.Duration // how long running executions may take to end after Run's ctx has; default 3 s
}

// Deps of a Worker.
type Deps struct {
	Journal Journal
	// Set gives the open tasks in the latest committed state of a shard, which has every commit that DoShard answered.
	// Called after Loaded only.
	Set func(shard int) *Set
	// Execute makes the effect of a claimed task within ctx's deadline. It is called from many goroutines. The
	// effect must carry the task's ID, so that the receiver drops a repeat.
	Execute func(ctx context.Context, shard int, t Task) Outcome
	Now     func() time.Time
	Log     *slog.Logger
	Metrics prometheus.Registerer // may be nil
}

// Defaults fills in what is zero.
func (c Config) Defaults() Config {
	c.ExecuteWithin = or(c.ExecuteWithin, 5*time.Second)
	c.Lease = or(c.Lease, 3*c.ExecuteWithin)
	c.MaxInFlight = or(c.MaxInFlight, 16)
	c.PollEvery = or(c.PollEvery, time.Second)
	c.DrainWithin = or(c.DrainWithin, 3*time.Second)
	return c
}

func or[T comparable](v, byDefault T) T {
	var zero T
	if v == zero {
		return byDefault
	}
	return v
}

func (c Config) validate() error {
	var failures []error
	if c.Writer == "" {
		failures = append(failures, errors.New("task: Writer is empty"))
	}
	if c.Channel == "" {
		failures = append(failures, errors.New("task: Channel is empty"))
	}
	if c.Lease < 2*c.ExecuteWithin {
		failures = append(failures, errors.New("task: Lease must be at least twice ExecuteWithin"))
	}
	if c.ExecuteWithin < 0 || c.MaxInFlight < 1 || c.MaxInFlight > MaxClaimTasks || c.PollEvery < 0 || c.DrainWithin < 0 {
		failures = append(failures, errors.New("task: a bound is out of range"))
	}
	return errors.Join(failures...)
}

// Worker executes the tasks of one journal. Several replicas may each run one.
type Worker struct {
	cfg     Config
	deps    Deps
	metrics *metrics
	wake    chan struct{}
	reports chan report // from the goroutines that claim and execute; never blocks them for long

	// The rest belongs to the goroutine of Run.
	busy      map[key]stage
	count     [stages]int // of busy
	notBefore []time.Time // per shard: after a failed commit, when to try again
	first     int         // the shard that the next pass begins with, so that none starves
	closed    time.Time   // nothing is begun before it: the way to the outside world is closed
}

// stage is what a goroutine is at with a task.
type stage int

const (
	claiming stage = iota
	executing
	recording
	stages
)

// unrecordedPerFlight bounds the outcomes that wait for their commit, for each execution that may run at a time. The
// outside world is not to wait for our store; but what is not recorded when a process dies is done again.
const unrecordedPerFlight = 4

// key names a task among those of all shards.
type key struct {
	shard int
	id    string
}

// report tells the loop what a goroutine is through with.
type report struct {
	shard    int
	executed string   // this task has its outcome, which is to be recorded
	ids      []string // no longer busy
	granted  []Task   // claimed by this writer from now on
	err      error    // the claim could not be committed
	closed   string   // why nothing was sent: NotNow
}

// NewWorker checks cfg; it starts nothing.
func NewWorker(cfg Config, deps Deps) (*Worker, error) {
	cfg = cfg.Defaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	metrics, err := newMetrics(cfg.Channel, deps)
	if err != nil {
		return nil, err
	}
	return &Worker{
		cfg: cfg, deps: deps, metrics: metrics,
		wake:    make(chan struct{}, 1),
		reports: make(chan report, cfg.MaxInFlight),
		busy:    make(map[key]stage, cfg.MaxInFlight),
	}, nil
}

// Wake makes the worker look at the committed state now; call it after a commit. It never blocks.
func (w *Worker) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run works until ctx ends, then lets what runs come to its end within DrainWithin and gives unused claims
// back. The journal must outlive it by as much. It returns nil.
func (w *Worker) Run(ctx context.Context) error {
	select {
	case <-w.deps.Journal.Loaded():
	case <-ctx.Done():
		return nil
	}
	w.notBefore = make([]time.Time, w.deps.Journal.Shards())
	work, stop := context.WithCancel(context.WithoutCancel(ctx)) // executions outlive ctx
	defer stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(w.pass(work))
		select {
		case <-ctx.Done():
			w.drain(work, stop)
			return nil
		case r := <-w.reports:
			w.take(work, r)
			w.takeRest(work)
		case <-w.wake:
		case <-timer.C:
		}
	}
}

// takeRest hears what else is reported already, so that one pass is for all of it.
func (w *Worker) takeRest(ctx context.Context) {
	for {
		select {
		case r := <-w.reports:
			w.take(ctx, r)
		default:
			return
		}
	}
}

// pass starts what can be started and says how long nothing more can be.
func (w *Worker) pass(ctx context.Context) time.Duration {
	wait := w.cfg.PollEvery
	if rest := w.closed.Sub(w.deps.Now()); rest > 0 {
		return rest
	}
	shards := len(w.notBefore)
	w.first = (w.first + 1) % shards
	for i := range shards {
		now := w.deps.Now()
		shard := (w.first + i) % shards
		if rest := w.notBefore[shard].Sub(now); rest > 0 {
			wait = min(wait, rest)
			continue
		}
		set := w.deps.Set(shard)
		w.start(ctx, shard, set, now)
		if next, ok := set.NextDue(now); ok {
			wait = min(wait, next.Sub(now))
		}
	}
	return max(wait, time.Millisecond)
}

// start executes what this writer has claimed, as far as there is room, and claims what is due: for the room that is
// left, and as much again, so that a slot that becomes free need not wait for a commit.
func (w *Worker) start(ctx context.Context, shard int, set *Set, now time.Time) {
	room := min(w.cfg.MaxInFlight-w.count[executing], unrecordedPerFlight*w.cfg.MaxInFlight-w.count[recording])
	ahead := w.cfg.MaxInFlight - w.count[claiming] // what may still be claimed beyond the room
	var claim []string
	renew := func(t Task) {
		if k := (key{shard, t.ID}); !w.isBusy(k) {
			w.move(k, claiming)
			claim = append(claim, t.ID)
		}
	}
	// The claims that waited for too long come first, and there may be very many of them.
	fresh := now.Add(w.cfg.ExecuteWithin)
	for t := range set.ClaimedUntil(w.cfg.Writer, fresh) {
		if room+ahead <= len(claim) {
			break
		}
		renew(t)
	}
	for t := range set.ClaimedBy(w.cfg.Writer, fresh) {
		if room <= 0 && ahead <= 0 {
			break
		}
		k := key{shard, t.ID}
		switch {
		case w.isBusy(k):
		case room > 0:
			room--
			w.move(k, executing)
			go w.run(ctx, shard, t)
		default:
			ahead--
		}
	}
	for t := range set.Due(now) {
		if room+ahead <= len(claim) {
			break
		}
		renew(t)
	}
	if len(claim) > 0 {
		go w.claim(ctx, shard, claim)
	}
}

func (w *Worker) isBusy(k key) bool {
	_, busy := w.busy[k]
	return busy
}

// move says what is being done with a task from now on.
func (w *Worker) move(k key, to stage) {
	w.drop(k)
	w.busy[k] = to
	w.count[to]++
}

// drop says that nothing is being done with a task any more.
func (w *Worker) drop(k key) {
	if from, busy := w.busy[k]; busy {
		w.count[from]--
		delete(w.busy, k)
	}
}

// take hears what a goroutine is through with. What was granted is found in the committed state by the next pass.
func (w *Worker) take(ctx context.Context, r report) {
	for _, id := range r.ids {
		w.drop(key{r.shard, id})
	}
	if r.executed != "" {
		w.move(key{r.shard, r.executed}, recording)
	}
	if r.closed != "" {
		w.rest(ctx, r.closed)
	}
	if r.err != nil {
		w.notBefore[r.shard] = w.deps.Now().Add(FirstBackOff)
		w.deps.Log.WarnContext(ctx, "tasks could not be claimed", "shard", r.shard, "error", r.err)
	}
}

// rest begins nothing for a while, and says so once an outage.
func (w *Worker) rest(ctx context.Context, reason string) {
	now := w.deps.Now()
	if now.Sub(w.closed) > RestWhenClosed {
		w.deps.Log.WarnContext(ctx, "the way to the outside world is closed; what is to be done waits", "channel", w.cfg.Channel, "reason", reason)
	}
	w.closed = now.Add(RestWhenClosed)
}

// claim commits a claim on tasks of one shard.
func (w *Worker) claim(ctx context.Context, shard int, ids []string) {
	r := report{shard: shard, ids: ids}
	res, err := w.deps.Journal.DoShard(ctx, shard, Claim{By: w.cfg.Writer, IDs: ids, Lease: w.cfg.Lease})
	if r.err = err; err == nil {
		r.granted, _ = res.Answer.([]Task)
	}
	w.reports <- r
}

// run executes one claimed task and records what came of it.
func (w *Worker) run(ctx context.Context, shard int, t Task) {
	end := report{shard: shard, ids: []string{t.ID}}
	defer func() { w.reports <- end }()
	ctx = httpx.ContextWithTraceParent(ctx, t.Trace)
	failpoint.Hit(failpoint.BeforeCall)
	out := w.execute(ctx, shard, t)
	failpoint.Hit(failpoint.AfterCall)
	w.reports <- report{shard: shard, executed: t.ID}
	if ctx.Err() != nil { // cut off while draining: nobody knows, and the lease will end
		return
	}
	switch out.result {
	case recorded:
		w.record(ctx, shard, t, out.record)
	case tryAgain:
		w.record(ctx, shard, t, Fail{ID: t.ID, By: w.cfg.Writer, Reason: out.reason})
	case giveUp:
		w.record(ctx, shard, t, Park{ID: t.ID, By: w.cfg.Writer, Reason: out.reason})
	case notNow:
		end.closed = out.reason
	case moot:
	}
}

// execute runs Execute under its deadline; a panic is a failure of this one task.
func (w *Worker) execute(ctx context.Context, shard int, t Task) (out Outcome) {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.ExecuteWithin)
	defer cancel()
	began := w.deps.Now()
	defer func() {
		if p := recover(); p != nil {
			w.deps.Log.ErrorContext(ctx, "a task panicked", "task", t.ID, "panic", p, "stack", string(debug.Stack()))
			out = TryAgain("something went wrong on our side")
		}
		w.metrics.executed(out.result, w.deps.Now().Sub(began))
		if out.reason != "" && out.result != notNow {
			w.deps.Log.WarnContext(ctx, "a task failed", "task", t.ID, "attempt", t.Attempts, "result", string(out.result), "reason", out.reason)
		}
	}()
	return w.deps.Execute(ctx, shard, t)
}
