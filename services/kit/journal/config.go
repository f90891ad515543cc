package journal

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Config bounds a journal. Zero fields get the default that is named; New refuses what makes no sense.
type Config struct {
	Service               string        // the first part of every key; lower-case letters, digits and dashes
	Shards                int           // 1..256, used only when the store has no journal of this service yet; default 2
	MaxBatchCommands      int           // commands of one segment; default 256
	MaxBatchBytes         int           // encoded events, unpacked, at which a segment takes no further command; default 192 KiB
	MaxQueueCommands      int           // commands that wait, per shard; default 4096; over it errs.Overloaded
	CommitWithin          time.Duration // from taking a batch to giving up on it; default 5 s
	SnapshotEverySegments uint64        // at the soonest; default 500
	SnapshotEvery         time.Duration // at the latest, if anything changed; default 10 min
	TrimAfter             time.Duration // the idempotency window: no younger segment is deleted; default 24 h
	TrimEvery             time.Duration // default an hour, or a quarter of TrimAfter if that is less
	StaleAfter            time.Duration // without knowing the head, before numbers are checked against the snapshot; default 1 min
	PollEvery             time.Duration // how often an idle shard looks for other writers' segments; default 1 s
	RecentBytes           int           // encoded segments kept in memory for followers, per shard; default 1 MiB
	SegmentVersion        int           // the newest layout that segments are written in: PackedVersion, or SegmentVersion while replicas of a release that reads no other run; default PackedVersion
	// TraceEvents says which types of events remember the trace of their caller when they share a segment with those of others:
	// those on which followers act on that caller's behalf. An id takes 44 bytes, 28 of them packed. Nil: none.
	TraceEvents func(eventType string) bool
}

// Deps is what a journal needs from outside.
type Deps struct {
	State sidecar.State
	// Publish announces a segment, s without its events. sidecar.ErrUnheard of it says nothing of the broker. Nil: followers only pull.
	Publish func(ctx context.Context, s Segment, encoded []byte) error
	// BeforeTrim is shown the segments that are about to be deleted, in order; they are not while it returns an error. Those
	// of a pass that failed, and those that another replica trims at the same time, are shown again. Nil: nobody looks.
	BeforeTrim func(ctx context.Context, shard int, segments iter.Seq2[Segment, error]) error
	Now        func() time.Time      // default time.Now
	Writer     string                // unique per process start (a uuid v7)
	Log        *slog.Logger          // default discards
	Metrics    prometheus.Registerer // nil: none are registered
}

// Bounds that no deployment has asked to change.
const (
	maxShards           = 256
	maxDecideRounds     = 64      // decisions of one batch that other writers may spoil before it is given up
	maxSegmentBytes     = 240_000 // of events in one segment; the rest of a value's bound is the envelope and JSON escapes
	maxChunkBytes       = 200_000 // of records in one chunk of a snapshot
	maxPullSegments     = 200     // in one answer to a follower
	maxPullBytes        = 4 << 20
	maxParkedPerShard   = 10_000
	maxFollowers        = 64
	maxPublishSegments  = 256 // waiting to be announced, per shard; over it they are dropped: the broker is a hint
	maxBulkSegmentKeys  = 32  // keys of one bulk read: 32 full values are 8 MiB
	maxBulkChunkKeys    = 16
	maxParallelReads    = 4
	maxParallelDeletes  = 8
	retryAfter          = time.Second // what callers are told to wait
	publishWithin       = 2 * time.Second
	storeCallWithin     = 10 * time.Second // one call in the background (load, snapshot, trim)
	firstBackOff        = 5 * time.Millisecond
	maxBackOff          = 500 * time.Millisecond
	retiredSetsPerShard = 8 // chunk sets that may wait for their deletion

	// Snapshots. One is due when nine times its own size was committed since the last, so that writing them is at most a
	// tenth of what is written however large the state is, once it grows no more; a start then reads at most ten times the state.
	snapshotEveryOwnSizes = 9
	smallSnapshotBytes    = 128 << 10              // up to here the number of segments decides alone
	snapshotRests         = 4                      // after a chunk, the times that it took: a fifth of one processor is the most that a dump uses
	maxSnapshotRest       = 250 * time.Millisecond // when the store is slow the processor is idle anyway
	snapshotWithin        = 10 * time.Minute       // one that takes longer has failed; from half of it on there are no rests
	renewSetEvery         = 10 * time.Second       // a writer shows that it lives
	abandonedSetAfter     = 45 * time.Second       // without that, others take it for dead; being wrong costs one snapshot
)

var serviceName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// withDefaults fills what is zero.
func (c Config) withDefaults() Config {
	orInt(&c.Shards, 2)
	orInt(&c.MaxBatchCommands, 256)
	orInt(&c.MaxBatchBytes, 192<<10)
	orInt(&c.MaxQueueCommands, 4096)
	orInt(&c.RecentBytes, 1<<20)
	orInt(&c.SegmentVersion, PackedVersion)
	orDuration(&c.CommitWithin, 5*time.Second)
	orDuration(&c.SnapshotEvery, 10*time.Minute)
	orDuration(&c.TrimAfter, 24*time.Hour)
	orDuration(&c.TrimEvery, min(time.Hour, max(c.TrimAfter/4, time.Second)))
	orDuration(&c.StaleAfter, time.Minute)
	orDuration(&c.PollEvery, time.Second)
	if c.SnapshotEverySegments == 0 {
		c.SnapshotEverySegments = 500
	}
	return c
}

func orInt(v *int, def int) {
	if *v == 0 {
		*v = def
	}
}

func orDuration(v *time.Duration, def time.Duration) {
	if *v == 0 {
		*v = def
	}
}

// validate names everything that is wrong, joined.
func (c Config) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("journal: "+format, args...))
		}
	}
	check(serviceName.MatchString(c.Service), "Service %q is not a service's name", c.Service)
	check(c.Shards >= 1 && c.Shards <= maxShards, "Shards is %d, want 1..%d", c.Shards, maxShards)
	check(c.MaxBatchCommands >= 1, "MaxBatchCommands is %d, want at least 1", c.MaxBatchCommands)
	check(c.MaxBatchBytes >= 1 && c.MaxBatchBytes <= maxSegmentBytes, "MaxBatchBytes is %d, want 1..%d", c.MaxBatchBytes, maxSegmentBytes)
	check(c.MaxQueueCommands >= 1, "MaxQueueCommands is %d, want at least 1", c.MaxQueueCommands)
	check(c.SegmentVersion == SegmentVersion || c.SegmentVersion == PackedVersion,
		"SegmentVersion is %d, want %d or %d", c.SegmentVersion, SegmentVersion, PackedVersion)
	check(c.RecentBytes >= 1, "RecentBytes is %d, want at least 1", c.RecentBytes)
	for _, d := range []struct {
		name string
		is   time.Duration
	}{
		{"CommitWithin", c.CommitWithin}, {"SnapshotEvery", c.SnapshotEvery}, {"TrimAfter", c.TrimAfter},
		{"TrimEvery", c.TrimEvery}, {"StaleAfter", c.StaleAfter}, {"PollEvery", c.PollEvery},
	} {
		check(d.is > 0, "%s is %v, want more than 0", d.name, d.is)
	}
	// A write that lands after its number was trimmed would be taken for a commit (doc.go).
	check(c.TrimAfter >= 2*(c.CommitWithin+c.StaleAfter), "TrimAfter is %v, want at least twice CommitWithin plus StaleAfter (%v)",
		c.TrimAfter, 2*(c.CommitWithin+c.StaleAfter))
	return errors.Join(errs...)
}

// attemptWithin is how long one call of a commit may take before the next try.
func (c Config) attemptWithin() time.Duration { return max(c.CommitWithin/4, time.Millisecond) }
