package follow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecart/sidecart/services/kit/journal"
)

// Target is what a follower asks of the own journal; any *journal.Journal satisfies it. All methods are safe for
// concurrent use.
type Target interface {
	Loaded() <-chan struct{}
	// Shards and ShardOf are valid after Loaded.
	Shards() int
	ShardOf(aggregateID string) int
	// Progress says how far shard has applied the source shard: every segment up to seq and, when through is
	// not 0, the events with an index below through of the segment after it.
	Progress(shard int, source string, sourceShard int) (seq uint64, through int)
	// Origin is the identity of the source's journal that Progress is about; "" when nothing was applied yet.
	Origin(shard int, source string, sourceShard int) string
	DoShard(ctx context.Context, shard int, cmd journal.Command) (journal.Result, error)
	Parked() []journal.Parked
	Unpark(ctx context.Context, id string, cmds []journal.Command) error
	Discard(ctx context.Context, id string) error
}

// Routed is a command together with the own aggregate that it concerns.
type Routed struct {
	AggregateID string
	Cmd         journal.Command
}

// Config says what is followed and how. Zero durations and counts take the defaults that are named.
type Config struct {
	Source   string // service followed
	Follower string // own service
	// Types are the source's events that we know; others are passed over and counted: once a type in a packed segment, once
	// an event in a plain one, and again when the segment is pulled again.
	Types journal.Types

	// React says what the source's events mean to us. Those of types that it does not name are passed over, and segments
	// that have no others are not even unpacked.
	React Reactions
	// Prepare, if given, completes a command before each attempt; it may do I/O. An error of kind Unavailable is
	// retried for ever, any other counts towards parking the event.
	Prepare func(ctx context.Context, r Routed) (journal.Command, error)
	// Seed, if given, is used when the source has trimmed what we need: it turns one record of the source's
	// snapshot into commands. They are run one by one and again after a crash, so they must be idempotent.
	Seed func(at journal.At, kind string, record jsontext.Value) []Routed

	PollEvery    time.Duration // between looks at the source's heads; 2 s
	BackOffFirst time.Duration // wait after the first failure; 1 s
	BackOffMax   time.Duration // waits double up to it; after failing once more an event is parked; 32 s
	CallWithin   time.Duration // deadline of one call to the source; 10 s
	AckEvery     time.Duration // at most this often the source is told what is durably applied; 10 s
	GapGrace     time.Duration // how long a reordered push may take before the gap is pulled; 20 ms

	CheckpointEverySegments uint64 // record that this many were passed over, so that the source may trim; 1000
	WindowSegments          int    // bound of the window of one source shard; 512
	WindowBytes             int    // the same, in bytes of events; 16 MiB
	PullSegments            int    // asked for in one pull; 48, which stays below the bound of httpx.Call
}

// Bounds that are not configurable.
const (
	maxPendingLooks    = 64   // head looks that wait for the workers to catch up
	maxReasonBytes     = 500  // of a parked event
	maxSourceShards    = 1024 // more is a broken answer
	repeatAcksAfter    = time.Minute
	logQuietFor        = time.Minute
	maxSnapshotRecords = 10_000_000 // of a source shard, while seeding
)

// Deps is what a Follower works with. All fields but Metrics are required; Now must give UTC.
type Deps struct {
	Target  Target
	Client  *http.Client // reaches http://{service}/…
	Now     func() time.Time
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// withDefaults fills what was left zero.
func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.PollEvery, 2*time.Second)
	def(&c.BackOffFirst, time.Second)
	def(&c.BackOffMax, 32*time.Second)
	def(&c.CallWithin, 10*time.Second)
	def(&c.AckEvery, 10*time.Second)
	def(&c.GapGrace, 20*time.Millisecond)
	if c.CheckpointEverySegments == 0 {
		c.CheckpointEverySegments = 1000
	}
	if c.WindowSegments == 0 {
		c.WindowSegments = 512
	}
	if c.WindowBytes == 0 {
		c.WindowBytes = 16 << 20
	}
	if c.PullSegments == 0 {
		c.PullSegments = 48
	}
	return c
}

// validate names everything that is wrong.
func (c Config) validate(d Deps) error {
	var bad []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			bad = append(bad, fmt.Errorf("follow: "+format, args...))
		}
	}
	need(c.Source != "", "Source is empty")
	need(c.Follower != "", "Follower is empty")
	need(c.Source != c.Follower, "%s cannot follow itself", c.Source)
	need(len(c.React) > 0, "React is empty")
	for name, v := range map[string]time.Duration{
		"PollEvery": c.PollEvery, "BackOffFirst": c.BackOffFirst, "CallWithin": c.CallWithin,
		"AckEvery": c.AckEvery, "GapGrace": c.GapGrace,
	} {
		need(v > 0, "%s must be above 0, not %s", name, v)
	}
	need(c.BackOffMax >= c.BackOffFirst, "BackOffMax %s is below BackOffFirst %s", c.BackOffMax, c.BackOffFirst)
	need(c.WindowSegments > 0, "WindowSegments must be above 0, not %d", c.WindowSegments)
	need(c.WindowBytes > 0, "WindowBytes must be above 0, not %d", c.WindowBytes)
	need(c.PullSegments > 0, "PullSegments must be above 0, not %d", c.PullSegments)
	for eventType := range c.React {
		_, known := c.Types[eventType]
		need(known, "React has %q, which is not in Types", eventType)
	}
	need(d.Target != nil, "Deps.Target is nil")
	need(d.Client != nil, "Deps.Client is nil")
	need(d.Now != nil, "Deps.Now is nil")
	need(d.Log != nil, "Deps.Log is nil")
	return errors.Join(bad...)
}
