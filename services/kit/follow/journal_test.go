package follow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

// replica is one process of either service.
type replica struct {
	client  *journaltest.Client
	journal *journal.Journal[*book]
	routes  http.Handler
	follow  *Follower // of the own service
	stop    func()
}

// world is two services of two replicas each, on stores that fail.
type world struct {
	p      worldPlan
	mu     sync.Mutex
	random *rand.Rand // guarded by mu
	starts int
	source []*replica
	own    []*replica
	stores [2]*journaltest.Store
	failed error
}

type worldPlan struct {
	seed                           uint64
	drop, faults                   int // percent
	rounds, perRound, kills        int
	sourceShards, ownShards        int
	sourceReplicas, ownReplicas    int
	batchBytes, checkpoint, window int
}

func (w *world) rand(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.IntN(n)
}

// RoundTrip asks any replica of the source that is alive.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	n := w.rand(len(w.source))
	w.mu.Lock()
	h := w.source[n].routes
	w.mu.Unlock()
	if h == nil {
		return nil, io.ErrUnexpectedEOF
	}
	out := httptest.NewRecorder()
	h.ServeHTTP(out, r)
	return out.Result(), nil
}

// push is the broker: it gives a segment to one replica of ours, twice, late or never.
func (w *world) push(_ context.Context, _ journal.Segment, encoded []byte) error {
	times := 1
	if w.rand(100) < w.p.drop {
		times = w.rand(3)
	}
	for range times {
		n, late := w.rand(len(w.own)), time.Duration(w.rand(200))*time.Millisecond
		time.AfterFunc(late, func() {
			w.mu.Lock()
			f := w.own[n].follow
			w.mu.Unlock()
			if f != nil {
				f.Deliver(context.Background(), encoded)
			}
		})
	}
	return nil
}

// launch starts a replica of the source (0) or of ours (1).
func (w *world) launch(t *testing.T, service int) *replica {
	w.starts++
	share := float64(w.p.faults) / 100 / 5
	r := &replica{client: w.stores[service].Client(fmt.Sprint("process", w.starts), journaltest.Faults{
		Seed: w.p.seed, FailBefore: share, FailAfter: share, Delay: share, PlainConflict: share, StallLate: share / 2, StallLost: share / 2,
	})}
	cfg := journal.Config{Service: "src", Shards: w.p.sourceShards}
	deps := journal.Deps{State: r.client, Writer: fmt.Sprint("writer", w.starts), Publish: w.push}
	if service == 1 {
		cfg, deps.Publish = journal.Config{Service: "own", Shards: w.p.ownShards, MaxBatchBytes: w.p.batchBytes}, nil
	}
	var err error
	r.journal, err = journal.New(cfg, scribe{}, deps)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		if err := r.journal.Run(ctx); err != nil {
			w.mu.Lock()
			w.failed = errors.Join(w.failed, err)
			w.mu.Unlock()
		}
	})
	if service == 0 {
		e := httpx.NewEcho(httpx.Config{}, httpx.Deps{})
		r.journal.Register(e.Group(""))
		r.routes = e
	} else {
		r.follow, err = New(Config{
			Source: "src", Follower: "own", Types: scribe{}.Types(), CheckpointEverySegments: uint64(w.p.checkpoint), WindowSegments: w.p.window,
			React: React(On(func(at journal.At, h happened) []Routed {
				return []Routed{{"own-" + h.Aggregate, notice{noticed{h.N, h.Aggregate, at.Shard}}}}
			})),
		}, Deps{Target: r.journal, Client: &http.Client{Transport: w}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		all.Go(func() { _ = r.follow.Run(ctx) })
	}
	r.stop = func() { cancel(); all.Wait() }
	return r
}

// kill ends a replica at once, in the middle of whatever it does, and starts another in its place.
func (w *world) kill(t *testing.T, service, n int) {
	list := w.side(service)
	w.mu.Lock()
	old := list[n]
	w.mu.Unlock()
	old.client.Cut()
	old.stop()
	w.put(list, n, w.launch(t, service))
}

// side is the replicas of the source (0) or ours (1).
func (w *world) side(service int) []*replica { return [][]*replica{w.source, w.own}[service] }

func (w *world) put(list []*replica, n int, r *replica) {
	w.mu.Lock()
	defer w.mu.Unlock()
	list[n] = r
}

// emit records one event at the source, repeating it with the same number until the outcome is known.
func (w *world) emit(h happened) {
	for {
		w.mu.Lock()
		j := w.source[h.N%len(w.source)].journal
		w.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		_, err := j.Do(ctx, h.Aggregate, h)
		cancel()
		if err == nil {
			return
		}
		<-time.After(100 * time.Millisecond)
	}
}

func (p worldPlan) run(t *testing.T) error {
	w := &world{p: p, random: rand.New(rand.NewPCG(p.seed, 9)), stores: [2]*journaltest.Store{journaltest.NewStore(), journaltest.NewStore()}}
	w.source, w.own = make([]*replica, p.sourceReplicas), make([]*replica, p.ownReplicas)
	for service, list := range [][]*replica{w.source, w.own} {
		for i := range list {
			list[i] = &replica{} // nobody answers there yet
		}
		for i := range list {
			w.put(list, i, w.launch(t, service))
		}
	}
	n := 0
	for round := range p.rounds {
		var emitting sync.WaitGroup
		for range p.perRound {
			n++
			h := happened{fmt.Sprint(n % 7), n}
			emitting.Go(func() { w.emit(h) })
		}
		if round < p.kills {
			<-time.After(time.Duration(w.rand(500)) * time.Millisecond)
			service := w.rand(2)
			w.kill(t, service, w.rand(len(w.side(service))))
		}
		emitting.Wait()
	}
	defer func() {
		for _, r := range append(w.source, w.own...) {
			r.stop()
		}
	}()
	return w.settle(t, n)
}

// settle waits, on the bubble's clock, until a fresh replica of ours is level, and compares.
func (w *world) settle(t *testing.T, n int) error {
	last := w.launch(t, 1)
	defer last.stop()
	done := time.Now()
	for range 7200 {
		elapse(time.Second)
		if last.follow.LevelAt().After(done) {
			return errors.Join(w.failed, w.compare(t, last.journal, n))
		}
	}
	return errors.Join(errors.New("not level after two hours"), w.failed, fmt.Errorf("%+v", last.follow.Status()))
}

// compare wants each event's effect once, in the source's order, in its shard, and each refused one parked once.
func (w *world) compare(t *testing.T, own *journal.Journal[*book], n int) error {
	effects, parked := 0, own.Parked()
	for src := range w.p.sourceShards {
		for shard := range own.Shards() {
			if err := own.Sync(t.Context(), shard); err != nil {
				return err
			}
			var got []int
			own.State(shard).entries.Scan(func(_ int, e noticed) bool {
				if e.SourceShard == src {
					got = append(got, e.N)
				}
				return true
			})
			effects += len(got)
			want, err := w.expected(t, own, src, shard)
			if err != nil {
				return err
			}
			if !slices.Equal(got, want) {
				return fmt.Errorf("source shard %d, own shard %d: got %v want %v", src, shard, got, want)
			}
		}
	}
	if effects+len(parked) != n {
		return fmt.Errorf("%d effects and %d parked of %d events", effects, len(parked), n)
	}
	return nil
}

func (w *world) expected(t *testing.T, own *journal.Journal[*book], src, shard int) (want []int, err error) {
	j := w.source[0].journal
	<-j.Loaded()
	if err := j.Sync(t.Context(), src); err != nil {
		return nil, err
	}
	after := uint64(0)
	for {
		segments, err := j.Segments(t.Context(), src, after, 100)
		if err != nil || len(segments) == 0 {
			return want, err
		}
		for _, s := range segments {
			after = s.Seq
			for _, r := range s.Events {
				e, err := (scribe{}).Types().Decode(r)
				if h, ok := e.(happened); err == nil && ok && own.ShardOf("own-"+h.Aggregate) == shard && h.N%refusedEvery != 0 {
					want = append(want, h.N)
				}
			}
		}
	}
}

// The same promise on real journals: replicas on both sides, killed in the middle, on stores and brokers that fail.
func TestOverRealJournalsEveryEffectOnceAndInOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := func(name string, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(rt, name) }
		plan := worldPlan{
			seed: rapid.Uint64().Draw(rt, "seed"), drop: n("drop", 0, 100), faults: n("faults", 0, 30), rounds: n("rounds", 1, 4), perRound: n("perRound", 1, 40),
			kills: n("kills", 0, 3), sourceShards: n("sourceShards", 1, 3), ownShards: n("ownShards", 1, 3),
			sourceReplicas: n("sourceReplicas", 1, 2), ownReplicas: n("ownReplicas", 1, 2),
			batchBytes: n("batchBytes", 400, 4000), checkpoint: n("checkpoint", 1, 20), window: n("window", 2, 64),
		}
		var failure error
		synctest.Test(t, func(t *testing.T) { failure = plan.run(t) })
		if failure != nil {
			rt.Fatal(failure)
		}
	})
}

// A segment whose effects do not fit into one commit goes in by parts, and a death between the parts changes nothing.
func TestEffectsTooLargeForOneCommitGoInByParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeSource(1)
		var events []happened
		long := string(slices.Repeat([]byte("x"), 2000)) // 300 of these are over what a segment holds
		for i := range 300 {
			events = append(events, happened{long + fmt.Sprint(i), refusedEvery*i + 1})
		}
		s.commit(0, events...)
		store := journaltest.NewStore()
		var got []int
		for start := range 4 {
			client := store.Client(fmt.Sprint(start), journaltest.Faults{Script: func(op, key string, _ int) (journaltest.Fault, bool) {
				// Each start but the last dies at the write of its second part.
				return journaltest.StallLost, start < 3 && op == journaltest.OpCreate && key == fmt.Sprintf("own/journal/0/%d", start+2)
			}})
			j, err := journal.New(journal.Config{Service: "own", Shards: 1}, scribe{}, journal.Deps{State: client, Writer: fmt.Sprint(start)})
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			f := follower(t, s, j, func(c *Config) {
				c.React = React(On(func(at journal.At, h happened) []Routed {
					return []Routed{{"a", notice{noticed{h.N, h.Aggregate, at.Shard}}}}
				}))
			})
			all.Go(func() { assert.NoError(t, j.Run(ctx)) })
			all.Go(func() { _ = f.Run(ctx) })
			elapse(time.Second)
			client.Cut()
			cancel()
			all.Wait()
			got = nil
			j.State(0).entries.Scan(func(_ int, e noticed) bool { got = append(got, e.N); return true })
		}
		var want []int
		for _, e := range events {
			want = append(want, e.N)
		}
		assert.Equal(t, want, got)
		assert.GreaterOrEqual(t, len(store.Keys("own/journal/0/")), 3)
	})
}

// Two replicas may cut a segment into different parts: what one has done, the other's part leaves out.
func TestPartsOfTwoReplicasMayOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, err := journal.New(journal.Config{Service: "own", Shards: 1}, scribe{}, journal.Deps{
			State: journaltest.NewStore().Client("one", journaltest.Faults{}), Writer: "one"})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { assert.NoError(t, j.Run(ctx)) })
		<-j.Loaded()
		part := func(seq uint64, through int, indexes ...int) {
			c := journal.Followed{Source: "src", Seq: seq, Through: through}
			for _, i := range indexes {
				c.Steps = append(c.Steps, journal.Step{Index: i, Cmd: notice{noticed{N: int(seq)*10 + i}}})
			}
			_, err := j.DoShard(ctx, 0, c)
			require.NoError(t, err)
		}
		part(7, 2, 0, 1)
		part(7, 1, 0)          // a smaller part of it, late
		part(7, 3, 0, 1, 2)    // a larger one
		part(7, 0, 0, 1, 2, 3) // the whole of it
		part(7, 0, 0, 1, 2, 3)
		part(8, 0, 0)
		var got []int
		j.State(0).entries.Scan(func(_ int, e noticed) bool { got = append(got, e.N); return true })
		assert.Equal(t, []int{70, 71, 72, 73, 80}, got)
		cancel()
		all.Wait()
	})
}
