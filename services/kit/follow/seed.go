package follow

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// jump goes on where the source still has segments, after it trimmed up to gone. It gives the new position.
func (w *worker) jump(ctx context.Context, gone uint64) uint64 {
	wait := backOff{first: w.f.cfg.BackOffFirst, bound: w.f.cfg.BackOffMax}
	for {
		if recorded, _ := w.progress(); recorded >= gone {
			return recorded
		}
		through := gone
		var err error
		if w.f.cfg.Seed != nil {
			through, err = w.seed(ctx)
		} else {
			w.log.Error("the source has trimmed segments that were not applied here: their effects are lost", "through", gone)
			w.f.metrics.lost.Add(float64(gone - w.feed.positions[w.own].Load()))
		}
		if err == nil {
			_, err = w.f.deps.Target.DoShard(ctx, w.own, journal.Followed{
				Source: w.f.cfg.Source, Journal: w.feed.journal, SourceShard: w.feed.shard, Seq: through,
			})
		}
		if err == nil {
			w.ownAway.worked("going on after a trimmed part")
			return through
		}
		if ctx.Err() != nil {
			return w.feed.positions[w.own].Load()
		}
		w.ownAway.failed(ctx, "going on after a trimmed part; trying again", err)
		wait.wait(ctx)
	}
}

// snapshotValue is one value of the source's snapshot stream: first one that says what it is of, then the records,
// then the end, without which the stream was cut off.
type snapshotValue struct {
	Service string    `json:"service"`
	Shard   int       `json:"shard"`
	Seq     uint64    `json:"seq"`
	At      time.Time `json:"at"`

	Kind   string         `json:"kind"`
	Record jsontext.Value `json:"record"`

	End     bool `json:"end"`
	Records int  `json:"records"`
}

// seed runs what the source's snapshot means to the own shard, one command after the other, and gives the
// number that the snapshot stands for. It may be repeated from the start.
func (w *worker) seed(ctx context.Context) (uint64, error) {
	source := fmt.Sprintf("http://%s%s/%d/snapshot", w.f.cfg.Source, journal.Route, w.feed.shard)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, source, nil)
	if err != nil {
		return 0, err
	}
	resp, err := w.f.deps.Client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return 0, httpx.ReadProblem(resp)
	}
	return w.seedFrom(ctx, jsontext.NewDecoder(bufio.NewReader(resp.Body)))
}

func (w *worker) seedFrom(ctx context.Context, stream *jsontext.Decoder) (uint64, error) {
	var head snapshotValue
	if err := json.UnmarshalDecode(stream, &head); err != nil {
		return 0, fmt.Errorf("snapshot of %s: %w", w.f.cfg.Source, err)
	}
	if head.Service != w.f.cfg.Source || head.Shard != w.feed.shard || head.Seq == 0 {
		return 0, fmt.Errorf("snapshot of %q/%d at %d, asked of %s/%d", head.Service, head.Shard, head.Seq, w.f.cfg.Source, w.feed.shard)
	}
	at := journal.At{Shard: head.Shard, Seq: head.Seq, Time: head.At}
	for n := range maxSnapshotRecords {
		var value snapshotValue
		if err := json.UnmarshalDecode(stream, &value); err != nil {
			return 0, fmt.Errorf("snapshot of %s: after record %d: %w", w.f.cfg.Source, n, err)
		}
		if value.End && value.Records == n {
			return head.Seq, nil
		}
		if value.End {
			return 0, fmt.Errorf("snapshot of %s: %d records came of %d", w.f.cfg.Source, n, value.Records)
		}
		if err := w.seedRecord(ctx, at, value); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("snapshot of %s has more than %d records", w.f.cfg.Source, maxSnapshotRecords)
}

// seedRecord runs the commands of one record. A refusal is final for a record, and must not keep the rest away.
func (w *worker) seedRecord(ctx context.Context, at journal.At, record snapshotValue) error {
	for _, r := range w.f.cfg.Seed(at, record.Kind, record.Record) {
		if w.f.deps.Target.ShardOf(r.AggregateID) != w.own {
			continue
		}
		cmd, err := w.f.ready(ctx, r)
		if err == nil {
			_, err = w.f.deps.Target.DoShard(ctx, w.own, cmd)
		}
		if err != nil && (ctx.Err() != nil || errs.From(err).Kind == errs.Unavailable) {
			return err
		}
		if err != nil {
			w.log.Error("a record of the source's snapshot was refused", "kind", record.Kind, "error", err)
		}
	}
	return nil
}
