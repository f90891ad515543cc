package delivery

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Bounds and times of a Counter.
const (
	// Grace is how long a broker may take from when a segment is known to exist until it counts as missed. The slowest of the
	// component sets is Redis Streams: every 30 s it looks for messages that a consumer has held for 30 s, and sends them again.
	Grace = 65 * time.Second

	maxPending  = 8192            // deliveries that wait to be counted, by source
	flushEvery  = 2 * time.Second // between writes of what came
	flushWithin = 3 * time.Second // deadline of one of them
	// flushAttempts is how often a write is tried before the next one is due: replicas now and then get into each other's way.
	flushAttempts = 3
	lastWordsFor  = 2 * time.Second // for the last write on the way down
	logQuietFor   = time.Minute
)

// CounterConfig says who counts what.
type CounterConfig struct {
	Follower      string   // the service that follows
	Sources       []string // those that it follows
	Present, Next string   // the brokers' components
}

// CounterDeps is what a Counter works with. All fields are required but Metrics.
type CounterDeps struct {
	State   sidecar.State
	Now     func() time.Time
	Writer  string // names this process
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Counter counts what two brokers deliver to one following service, together with the service's other replicas. Its
// methods are safe for concurrent use.
type Counter struct {
	cfg  CounterConfig
	deps CounterDeps
	by   map[string]*ledger // by source; not changed after NewCounter
}

// NewCounter makes a Counter; it writes nothing until Run.
func NewCounter(cfg CounterConfig, deps CounterDeps) (*Counter, error) {
	c := &Counter{cfg: cfg, deps: deps, by: map[string]*ledger{}}
	for _, source := range cfg.Sources {
		c.by[source] = &ledger{key: RecordKey(cfg.Follower, source), source: source, cfg: cfg, deps: deps}
	}
	if deps.Metrics != nil {
		if err := deps.Metrics.Register(c); err != nil {
			return nil, fmt.Errorf("delivery: metrics: %w", err)
		}
	}
	return c, nil
}

// RecordKey is where the replicas of a following service keep what they have counted of a source.
func RecordKey(follower, source string) string { return follower + "/delivered/" + source }

// Note counts a delivery of broker (Present or Next). news says that the process did not have the segment yet. An event that
// is not a segment of a followed source is an error and is not counted.
func (c *Counter) Note(broker int, event sidecar.CloudEvent, news bool) error {
	source, shard, seq, err := parseSegmentID(event.ID)
	if err != nil {
		return err
	}
	shares, err := ParseShares(event.Shares)
	if err != nil {
		return err
	}
	l := c.by[source]
	if l == nil {
		return errNoSegment
	}
	l.note(Observation{Shard: shard, Seq: seq, Broker: broker, At: c.deps.Now(), News: news, Shares: shares})
	return nil
}

// Run writes what was noted every two seconds until ctx ends, and once more then. It returns nil.
func (c *Counter) Run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWordsFor)
			c.flush(last)
			cancel()
			return nil
		}
	}
}

func (c *Counter) flush(ctx context.Context) {
	for _, source := range c.sources() {
		l := c.by[source]
		attempt, cancel := context.WithTimeout(ctx, flushWithin)
		err := l.flush(attempt)
		cancel()
		if err != nil && ctx.Err() == nil && c.deps.Now().Sub(l.saidAt) >= logQuietFor {
			l.saidAt = c.deps.Now()
			c.deps.Log.WarnContext(ctx, "what the brokers delivered cannot be recorded; trying again",
				slog.String("source", source), slog.Any("error", err))
		}
	}
}

func (c *Counter) sources() []string { return slices.Sorted(slices.Values(c.cfg.Sources)) }

// Lines reads what all replicas have recorded and adds what this one has not written yet; nothing is written. It is ordered by
// source, the present broker before the next one.
func (c *Counter) Lines(ctx context.Context) ([]Line, error) {
	lines := []Line{}
	for _, source := range c.sources() {
		t, err := c.by[source].read(ctx)
		if err != nil {
			return nil, err
		}
		lines = append(lines, t.Lines()...)
	}
	return lines, nil
}

// ledger is the count of one source.
type ledger struct {
	key, source string
	cfg         CounterConfig
	deps        CounterDeps
	saidAt      time.Time // when a failure was logged; Run's alone

	mu      sync.Mutex // guards what deliveries touch
	pending []Observation
	lost    bool
	latest  *Tally // what was last written or read, for metrics; not changed any more

	writing sync.Mutex // one flush or read at a time; guards the rest
	batch   Batch      // of which it is not known that it is in; Number 0: none
	last    uint64     // number of the latest batch
	settled bool       // nothing was open when the record was last seen
}

func (l *ledger) note(o Observation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) >= maxPending {
		l.pending, l.lost = nil, true
	}
	l.pending = append(l.pending, o)
}

// nextBatch takes what is pending, unless a batch is still under way.
func (l *ledger) nextBatch() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.batch.Number != 0 || len(l.pending) == 0 && !l.lost {
		return
	}
	l.last++
	l.batch = Batch{Writer: l.deps.Writer, Number: l.last, Observations: l.pending, Lost: l.lost}
	l.pending, l.lost = nil, false
}

// flush adds what is pending to the record. Another replica may be faster, and after any error the outcome is not known: the
// record is read again, and the number of the batch in it tells.
func (l *ledger) flush(ctx context.Context) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.nextBatch()
	if l.batch.Number == 0 && l.settled {
		return nil
	}
	var err error
	for range flushAttempts {
		if err = l.flushOnce(ctx); err == nil || ctx.Err() != nil {
			break
		}
	}
	return err
}

func (l *ledger) flushOnce(ctx context.Context) error {
	t, etag, err := l.load(ctx)
	if err != nil {
		return err
	}
	now := l.deps.Now()
	changed := l.batch.Number != 0 && t.Merge(l.batch, now)
	changed = t.Settle(now, Grace) || changed
	if changed {
		if err := l.store(ctx, t, etag); err != nil {
			return err
		}
	}
	l.batch, l.settled = Batch{}, t.open() == 0
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latest = t
	return nil
}

// store writes the record under the ETag that was read; "" creates it.
func (l *ledger) store(ctx context.Context, t *Tally, etag string) error {
	value, err := t.encode()
	if err != nil {
		return err
	}
	if etag == "" {
		return l.deps.State.Create(ctx, l.key, value)
	}
	return l.deps.State.Replace(ctx, l.key, value, etag)
}

// load reads the record, or begins one when there is none that can be gone on with.
func (l *ledger) load(ctx context.Context) (*Tally, string, error) {
	item, err := l.deps.State.Get(ctx, l.key)
	if err != nil {
		return nil, "", err
	}
	begin := NewTally(l.source, l.cfg.Present, l.cfg.Next, l.deps.Now())
	if item.Value == nil {
		return begin, "", nil
	}
	t, err := decodeTally(item.Value)
	if err == nil {
		err = t.fits(l.source, l.cfg.Present, l.cfg.Next)
	}
	if err != nil {
		l.deps.Log.InfoContext(ctx, "what was counted before is put aside", slog.String("key", l.key), slog.Any("reason", err))
		return begin, item.ETag, nil
	}
	return t, item.ETag, nil
}

// read is load with what this process has not written yet.
func (l *ledger) read(ctx context.Context) (*Tally, error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	t, _, err := l.load(ctx)
	if err != nil {
		return nil, err
	}
	now := l.deps.Now()
	if l.batch.Number != 0 {
		t.Merge(l.batch, now)
	}
	l.mu.Lock()
	pending := Batch{Writer: l.deps.Writer, Number: l.last + 1, Observations: slices.Clone(l.pending), Lost: l.lost}
	l.mu.Unlock()
	t.Merge(pending, now)
	t.Settle(now, Grace)
	return t, nil
}
