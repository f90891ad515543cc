package archive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/services/kit/failpoint"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// Config bounds an Archiver. The zero value of every field but Kind means its default.
type Config struct {
	Kind string
	// After is how long an aggregate has been finished before it leaves memory. Default 1 minute.
	After time.Duration
	// Every is how often to look for such aggregates. Default a quarter of After, at least 100 ms, at most 15 s.
	Every time.Duration
	// MaxViews bounds one round of one shard. Default 128.
	MaxViews int
	// MaxParallelWrites bounds the views written at the same time, so that commits keep most of the store. Default 4.
	MaxParallelWrites int
}

const (
	defaultAfter             = time.Minute
	minEvery                 = 100 * time.Millisecond
	maxEvery                 = 15 * time.Second
	defaultMaxViews          = 128
	defaultMaxParallelWrites = 4
	// roundWithin bounds one round; what it did not do is done by a later one.
	roundWithin = 30 * time.Second
)

func (c Config) withDefaults() Config {
	if c.After == 0 {
		c.After = defaultAfter
	}
	if c.Every == 0 {
		c.Every = min(max(c.After/4, minEvery), maxEvery)
	}
	if c.MaxViews == 0 {
		c.MaxViews = defaultMaxViews
	}
	if c.MaxParallelWrites == 0 {
		c.MaxParallelWrites = defaultMaxParallelWrites
	}
	return c
}

// Validate says everything that is wrong with c.
func (c Config) Validate() error {
	var wrong []error
	if c.Kind == "" {
		wrong = append(wrong, errors.New("archive: Kind must be set"))
	}
	if c.After < 0 || c.Every < 0 {
		wrong = append(wrong, errors.New("archive: After and Every must not be negative"))
	}
	if c.MaxViews < 0 || c.MaxParallelWrites < 0 {
		wrong = append(wrong, errors.New("archive: MaxViews and MaxParallelWrites must not be negative"))
	}
	return errors.Join(wrong...)
}

// Ref names an aggregate in the state that its view was made from.
type Ref struct {
	ID  string
	Seq uint64
}

// Rules are what an Archiver has to know about the aggregates.
type Rules[S, T any] struct {
	// Finished gives up to limit aggregates of s that have been finished since before the given segment time,
	// the oldest first.
	Finished func(s S, before time.Time, limit int) []View[T]
	// Listed is called once the views are in the store and before the aggregates leave memory; nil does nothing.
	// It is repeated after a failure, so it must be idempotent.
	Listed func(ctx context.Context, views []View[T]) error
	// Command asks for the archived event. Its Decide must leave out an aggregate that is not in memory any more
	// or was changed by a segment later than the Ref's.
	Command func(refs []Ref) journal.Command
}

// Deps are what an Archiver works with.
type Deps struct {
	Now     func() time.Time
	Log     *slog.Logger
	Metrics prometheus.Registerer // nil: none are registered
}

// Archiver moves finished aggregates from memory to views. Several replicas may do so at the same time.
type Archiver[S, T any] struct {
	cfg      Config
	rules    Rules[S, T]
	journal  *Journal[S, T]
	now      func() time.Time
	log      *slog.Logger
	archived prometheus.Counter
	failures prometheus.Counter
}

// NewArchiver makes an Archiver of the aggregates of j.
func NewArchiver[S, T any](cfg Config, j *Journal[S, T], rules Rules[S, T], deps Deps) (*Archiver[S, T], error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	labels := prometheus.Labels{"kind": cfg.Kind} // the registry is the service's own
	a := &Archiver[S, T]{
		cfg: cfg.withDefaults(), rules: rules, journal: j, now: deps.Now, log: deps.Log,
		archived: prometheus.NewCounter(prometheus.CounterOpts{Name: "sidecart_archive_archived_total",
			Help: "Aggregates that left memory for a view.", ConstLabels: labels}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "sidecart_archive_failed_rounds_total",
			Help: "Rounds of archiving that failed and are done again.", ConstLabels: labels}),
	}
	for _, c := range []prometheus.Collector{a.archived, a.failures} {
		if deps.Metrics == nil {
			break
		}
		if err := deps.Metrics.Register(c); err != nil {
			return nil, fmt.Errorf("archive: metrics: %w", err)
		}
	}
	return a, nil
}

// Run archives until ctx ends. A round that fails is logged and repeated at the next tick; nothing is lost by it
// but memory.
func (a *Archiver[S, T]) Run(ctx context.Context) error {
	select {
	case <-a.journal.Loaded():
	case <-ctx.Done():
		return nil
	}
	tick := time.NewTicker(a.cfg.Every)
	defer tick.Stop()
	for {
		for shard := range a.journal.Shards() {
			if err := a.drain(ctx, shard); err != nil && ctx.Err() == nil {
				a.failures.Inc()
				a.log.WarnContext(ctx, "archiving failed; it will be repeated",
					"kind", a.cfg.Kind, "shard", shard, "error", err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// drain archives what is due in a shard, round by round.
func (a *Archiver[S, T]) drain(ctx context.Context, shard int) error {
	for ctx.Err() == nil {
		n, err := a.round(ctx, shard)
		if err != nil || n < a.cfg.MaxViews {
			return err
		}
	}
	return nil
}

// round archives up to MaxViews aggregates of a shard and tells how many were due.
func (a *Archiver[S, T]) round(ctx context.Context, shard int) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, roundWithin)
	defer cancel()
	views := a.rules.Finished(a.journal.State(shard), a.now().Add(-a.cfg.After), a.cfg.MaxViews)
	if len(views) == 0 {
		return 0, nil
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(a.cfg.MaxParallelWrites)
	refs := make([]Ref, len(views))
	for i, v := range views {
		refs[i] = Ref{ID: v.ID, Seq: v.Seq}
		group.Go(func() error { return a.journal.views.Put(groupCtx, v) })
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	failpoint.Hit(failpoint.AfterViews)
	if a.rules.Listed != nil {
		if err := a.rules.Listed(ctx, views); err != nil {
			return 0, err
		}
	}
	if _, err := a.journal.DoShard(ctx, shard, a.rules.Command(refs)); err != nil {
		return 0, err
	}
	a.archived.Add(float64(len(views)))
	return len(views), nil
}
