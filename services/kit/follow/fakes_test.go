package follow

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// happened is the source's event: something about one aggregate of ours.
type happened struct {
	Aggregate string `json:"aggregate"`
	N         int    `json:"n"`
}

func (happened) EventType() string { return "src.happened" }

var sourceTypes = journal.NewTypes(happened{})

// noted is our command for it.
type noted struct{ happened }

func reactNoted(_ journal.At, h happened) []Routed {
	return []Routed{{AggregateID: h.Aggregate, Cmd: noted{h}}}
}

// fakeSource is a source's journal behind HTTP.
type fakeSource struct {
	mu       sync.Mutex
	shards   [][]journal.Segment
	first    []uint64 // numbers below it are trimmed
	acked    map[string]uint64
	snapshot map[int]string
	down     bool
	pulls    int
	writes   int
	journal  string      // its identity
	fault    func() bool // asked before each call; true: it fails
}

func newFakeSource(shards int) *fakeSource {
	s := &fakeSource{shards: make([][]journal.Segment, shards), first: make([]uint64, shards), acked: map[string]uint64{}, snapshot: map[int]string{}, journal: "src-1"}
	for i := range s.first {
		s.first[i] = 1
	}
	return s
}

// commit appends a segment of events and gives its encoded form.
func (s *fakeSource) commit(shard int, events ...happened) []byte {
	records := make([]journal.Record, 0, len(events))
	for _, e := range events {
		data, _ := json.Marshal(e)
		records = append(records, journal.Record{Type: e.EventType(), Data: data})
	}
	return s.commitRecords(shard, records)
}

func (s *fakeSource) commitRecords(shard int, records []journal.Record) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	seg := journal.Segment{
		Version: journal.SegmentVersion, Service: "src", Journal: s.journal, Shard: shard, Seq: uint64(len(s.shards[shard]) + 1),
		Writer: "w", Batch: uint64(s.writes), At: time.Unix(1_700_000_000, 0).UTC().Add(time.Duration(s.writes) * time.Second), Events: records,
	}
	s.shards[shard] = append(s.shards[shard], seg)
	out, _ := json.Marshal(seg)
	return out
}

func (s *fakeSource) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down || s.fault != nil && s.fault() {
		return nil, io.ErrUnexpectedEOF
	}
	w := httptest.NewRecorder()
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.URL.Host != "src" || parts[0] != "journal":
		httpx.WriteProblem(w, r, errs.New(errs.NotFound, "not_found", "no such route "+r.URL.String()))
	case len(parts) == 1:
		heads := make([]uint64, len(s.shards))
		for i := range s.shards {
			heads[i] = uint64(len(s.shards[i]))
		}
		answer(w, map[string]any{"service": "src", "journal": s.journal, "shards": len(heads), "heads": heads, "first": s.first, "followers": []any{}})
	case len(parts) == 3:
		shard, _ := strconv.Atoi(parts[1])
		_, _ = w.WriteString(s.snapshot[shard])
	default:
		s.segments(w, r, parts[1])
	}
	return w.Result(), nil
}

func (s *fakeSource) segments(w http.ResponseWriter, r *http.Request, shardText string) {
	shard, _ := strconv.Atoi(shardText)
	after, _ := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	acked, _ := strconv.ParseUint(r.URL.Query().Get("acked"), 10, 64)
	s.pulls++
	key := r.URL.Query().Get("follower") + "/" + shardText
	s.acked[key] = max(s.acked[key], acked)
	if after+1 < s.first[shard] {
		httpx.WriteProblem(w, r, errs.New(errs.Gone, journal.CodeTrimmed, "trimmed").With("start_after", s.first[shard]-1))
		return
	}
	all := s.shards[shard]
	from := min(after, uint64(len(all)))
	page := append([]journal.Segment{}, all[from:min(from+uint64(limit), uint64(len(all)))]...)
	answer(w, map[string]any{"journal": s.journal, "segments": page, "head": len(all)})
}

func (s *fakeSource) ackedBy(key string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acked[key]
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.MarshalWrite(w, v)
}

// entry is one effect in the fake own journal.
type entry struct {
	sourceShard int
	happened
}

// fakeTarget is the own journal, by the rules of journal.Followed.
type fakeTarget struct {
	mu       sync.Mutex
	shards   int
	seq      []map[string]uint64 // by own shard, source/shard
	origin   string              // of the last commit that named a journal
	through  []map[string]int
	applied  [][]entry
	parked   []journal.Parked
	commits  int
	maxSteps int // a Followed of more is too large; 0 = no bound
	// refuse, if set, refuses a step; fault, if set, fails a commit before (true, false) or after (false, true) it.
	refuse func(h happened) error
	fault  func() (before, after bool)
	loaded chan struct{}
}

func newFakeTarget(shards int) *fakeTarget {
	t := &fakeTarget{shards: shards, loaded: make(chan struct{}), applied: make([][]entry, shards)}
	for range shards {
		t.seq, t.through = append(t.seq, map[string]uint64{}), append(t.through, map[string]int{})
	}
	close(t.loaded)
	return t
}

func (t *fakeTarget) Loaded() <-chan struct{} { return t.loaded }
func (t *fakeTarget) Shards() int             { return t.shards }
func (t *fakeTarget) Heads() []uint64         { return make([]uint64, t.shards) }
func (t *fakeTarget) Followers() []journal.Follower {
	return []journal.Follower{{Name: "crm", Acknowledged: make([]*uint64, t.shards)}}
}
func (t *fakeTarget) ShardOf(id string) int {
	n := 0
	for _, b := range []byte(id) {
		n += int(b)
	}
	return n % t.shards
}

func (t *fakeTarget) Progress(shard int, source string, sourceShard int) (uint64, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := source + "/" + strconv.Itoa(sourceShard)
	return t.seq[shard][key], t.through[shard][key]
}

func (t *fakeTarget) Origin(int, string, int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.origin
}

func (t *fakeTarget) DoShard(ctx context.Context, shard int, cmd journal.Command) (journal.Result, error) {
	if err := ctx.Err(); err != nil {
		return journal.Result{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var before, after bool
	if t.fault != nil {
		before, after = t.fault()
	}
	if before {
		return journal.Result{}, errs.OutcomeUnknown(io.ErrUnexpectedEOF)
	}
	if err := t.commit(shard, cmd); err != nil {
		return journal.Result{}, err
	}
	if after {
		return journal.Result{}, errs.OutcomeUnknown(io.ErrUnexpectedEOF)
	}
	return journal.Result{Shard: shard}, nil
}

func (t *fakeTarget) commit(shard int, cmd journal.Command) error {
	if n, ok := cmd.(noted); ok { // a seed
		t.applied[shard] = append(t.applied[shard], entry{-1, n.happened})
		return nil
	}
	c := cmd.(journal.Followed)
	t.origin = cmp.Or(c.Journal, t.origin)
	key := c.Source + "/" + strconv.Itoa(c.SourceShard)
	done := 0
	if c.Seq == t.seq[shard][key]+1 {
		done = t.through[shard][key]
	}
	if c.Seq <= t.seq[shard][key] || c.Through > 0 && c.Through <= done {
		return nil
	}
	if t.maxSteps > 0 && len(c.Steps) > t.maxSteps {
		return errs.New(errs.Unprocessable, journal.CodeCommandTooLarge, "too large")
	}
	var effects []entry
	var parked []journal.Parked
	was, through := t.seq[shard][key], t.through[shard][key]
	for i, s := range c.Steps {
		s.Seq = cmp.Or(s.Seq, c.Seq)
		if s.Seq <= was || s.Seq == was+1 && s.Index < through {
			continue
		}
		if why, park := c.Park[i]; park {
			parked = append(parked, journal.Parked{
				ID: fmt.Sprintf("%d.%s.%d.%d", shard, key, s.Seq, s.Index), Source: c.Source, Shard: shard, SourceShard: c.SourceShard,
				Seq: s.Seq, Index: s.Index, Event: s.Event, Reason: why, At: s.At, ParkedAt: s.At,
			})
			continue
		}
		h := s.Cmd.(noted).happened
		if t.refuse != nil {
			if err := t.refuse(h); err != nil {
				return &journal.StepError{Step: i, Err: err}
			}
		}
		effects = append(effects, entry{c.SourceShard, h})
	}
	t.commits++
	t.applied[shard] = append(t.applied[shard], effects...)
	t.parked = append(t.parked, parked...)
	t.seq[shard][key], t.through[shard][key] = c.Seq, 0
	if c.Through > 0 {
		t.seq[shard][key], t.through[shard][key] = c.Seq-1, c.Through
	}
	return nil
}

func (t *fakeTarget) Parked() []journal.Parked {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]journal.Parked(nil), t.parked...)
}

func (t *fakeTarget) Unpark(_ context.Context, id string, cmds []journal.Command) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, p := range t.parked {
		if p.ID != id {
			continue
		}
		for n, c := range cmds {
			if t.refuse != nil {
				if err := t.refuse(c.(noted).happened); err != nil {
					return &journal.StepError{Step: n, Err: err}
				}
			}
			t.applied[p.Shard] = append(t.applied[p.Shard], entry{p.SourceShard, c.(noted).happened})
		}
		t.parked = append(t.parked[:i:i], t.parked[i+1:]...)
		return nil
	}
	return errs.New(errs.NotFound, CodeParkedNotFound, "not parked")
}

func (t *fakeTarget) Discard(ctx context.Context, id string) error { return t.Unpark(ctx, id, nil) }

// all gives the effects of one source shard in one own shard.
func (t *fakeTarget) all(own, sourceShard int) []int {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := []int{}
	for _, e := range t.applied[own] {
		if e.sourceShard == sourceShard {
			out = append(out, e.N)
		}
	}
	return out
}

// want gives the effects that the source's events come to, for comparison with all.
func want(s *fakeSource, t *fakeTarget, own, sourceShard int) []int {
	out := []int{}
	for _, seg := range s.shards[sourceShard] {
		for _, r := range seg.Events {
			var h happened
			if err := json.Unmarshal(r.Data, &h); err == nil && r.Type == h.EventType() && t.ShardOf(h.Aggregate) == own {
				out = append(out, h.N)
			}
		}
	}
	return out
}

func follower(t testing.TB, s *fakeSource, target Target, change func(*Config)) *Follower {
	t.Helper()
	cfg := Config{Source: "src", Follower: "own", Types: sourceTypes, React: React(On(reactNoted))}
	if change != nil {
		change(&cfg)
	}
	f, err := New(cfg, Deps{
		Target: target, Client: &http.Client{Transport: s}, Now: func() time.Time { return time.Now().UTC() },
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	require.NoError(t, err)
	return f
}

// start runs f until the returned function is called, which waits for its end.
func start(f *Follower) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = f.Run(ctx) }()
	return func() { cancel(); <-done }
}

// mess delivers pushes as a bad broker does: dropped, doubled, out of order.
func mess(f *Follower, r *rand.Rand, pushes [][]byte, dropPercent int) {
	var out [][]byte
	for _, p := range pushes {
		if r.IntN(100) < dropPercent {
			continue
		}
		out = append(out, p)
		if r.IntN(4) == 0 {
			out = append(out, bytes.Clone(p))
		}
	}
	for i := range out {
		j := min(i+r.IntN(4), len(out)-1)
		out[i], out[j] = out[j], out[i]
	}
	for _, p := range out {
		f.Deliver(context.Background(), p)
	}
}

// seedNoted turns a record of the fake snapshot into a command.
func seedNoted(t *testing.T) func(journal.At, string, jsontext.Value) []Routed {
	return func(at journal.At, kind string, record jsontext.Value) []Routed {
		var h happened
		require.NoError(t, json.Unmarshal(record, &h))
		require.Equal(t, "total", kind)
		return reactNoted(at, h)
	}
}

// counted reads a counter.
func counted(t *testing.T, c prometheus.Counter) float64 {
	var out dto.Metric
	require.NoError(t, c.Write(&out))
	return out.GetCounter().GetValue()
}

// elapse lets d of the bubble's clock go by and then everything that it set off. It takes none of ours.
func elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
