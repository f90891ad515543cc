package follow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// trimmedError says that the source has trimmed what was asked for.
type trimmedError struct {
	through uint64 // the last number that is gone
}

func (e *trimmedError) Error() string {
	return "the source has trimmed its segments up to " + strconv.FormatUint(e.through, 10)
}

// headsOf is what a source says about its journal as a whole.
type headsOf struct {
	Service string   `json:"service"`
	Journal string   `json:"journal"` // its identity
	Heads   []uint64 `json:"heads"`
}

// heads asks the source which journal it has and how far each of its shards goes.
func (f *Follower) heads(ctx context.Context) (headsOf, error) {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.CallWithin)
	defer cancel()
	var answer headsOf
	err := httpx.Call(ctx, f.deps.Client, http.MethodGet, "http://"+f.cfg.Source+journal.Route, nil, &answer)
	if err != nil {
		return headsOf{}, err
	}
	if answer.Service != f.cfg.Source || len(answer.Heads) == 0 || len(answer.Heads) > maxSourceShards {
		return headsOf{}, fmt.Errorf("heads of %q with %d shards, asked of %s", answer.Service, len(answer.Heads), f.cfg.Source)
	}
	return answer, nil
}

// sameJournal says whether what came is of the journal that is known. Its numbers mean nothing if not. "" is known
// or said of nothing.
func (f *Follower) sameJournal(known, came string) error {
	if known == "" || came == "" || known == came {
		return nil
	}
	return fmt.Errorf("%s has another journal (%s) than the one that was followed so far (%s): its store was replaced or restored alone; "+
		"nothing of it is applied; give it back the store that belongs to this one, and delete the broker's data with a store that is wiped",
		f.cfg.Source, came, known)
}

// checkOrigin compares the source's journal with what the own journal has recorded.
func (f *Follower) checkOrigin(source headsOf) error {
	var wrong error
	for own := range f.deps.Target.Shards() {
		for shard := range source.Heads {
			wrong = cmp.Or(wrong, f.sameJournal(f.deps.Target.Origin(own, f.cfg.Source, shard), source.Journal))
		}
	}
	return wrong
}

// fetch pulls at most limit segments of a journal after a number and tells the source what is durably applied here.
func (f *Follower) fetch(ctx context.Context, source string, shard int, after uint64, limit int, acked uint64) ([]*segment, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.CallWithin)
	defer cancel()
	query := url.Values{
		"after": {strconv.FormatUint(after, 10)}, "limit": {strconv.Itoa(limit)},
		"follower": {f.cfg.Follower}, "acked": {strconv.FormatUint(acked, 10)}, "layout": {strconv.Itoa(journal.PackedVersion)},
	}
	var answer journal.SegmentsAnswer[journal.Document]
	target := fmt.Sprintf("http://%s%s/%d?%s", f.cfg.Source, journal.Route, shard, query.Encode())
	f.metrics.pulls.Inc()
	err := httpx.Call(ctx, f.deps.Client, http.MethodGet, target, nil, &answer)
	if err != nil {
		return nil, 0, readTrimmed(err, after)
	}
	if err := f.sameJournal(source, answer.Journal); err != nil {
		return nil, 0, err
	}
	segments := make([]*segment, len(answer.Segments))
	for i, d := range answer.Segments {
		if err := f.check(source, d); err != nil {
			return nil, 0, err
		}
		if d.Shard != shard || d.Seq != after+1+uint64(i) {
			return nil, 0, fmt.Errorf("segment %d/%d where %d/%d was expected of %s", d.Shard, d.Seq, shard, after+1+uint64(i), f.cfg.Source)
		}
		if segments[i], err = f.open(d); err != nil {
			return nil, 0, err
		}
	}
	return segments, answer.Head, nil
}

// readTrimmed recognises the source's 410.
func readTrimmed(err error, after uint64) error {
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || e.Kind != errs.Gone {
		return err
	}
	raw, _ := e.Extra["start_after"].(jsontext.Value)
	var through uint64
	if decodeErr := json.Unmarshal(raw, &through); decodeErr != nil || through <= after {
		return fmt.Errorf("a 410 without a usable start_after: %w", err)
	}
	return &trimmedError{through: through}
}

// backOff is a doubling wait with a bound.
type backOff struct {
	first, bound, next time.Duration
}

func (b *backOff) reset() { b.next = 0 }

// wait blocks for the next step of the back-off or until ctx ends.
func (b *backOff) wait(ctx context.Context) {
	b.next = min(max(b.first, 2*b.next), b.bound)
	pause(ctx, b.next)
}

// pause blocks for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// quiet logs a failure that lasts once a minute, and its end. Safe for concurrent use.
type quiet struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	failing bool
	said    time.Time
}

func (q *quiet) failed(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return // shutting down is no failure
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	if q.failing && now.Sub(q.said) < logQuietFor {
		return
	}
	q.failing, q.said = true, now
	q.log.WarnContext(ctx, what, "error", err)
}

func (q *quiet) worked(what string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.failing {
		q.failing = false
		q.log.Info(what + " works again")
	}
}
