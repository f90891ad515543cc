package follow

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
)

func TestConfigSaysEverythingThatIsWrong(t *testing.T) {
	_, err := New(Config{Source: "a", Follower: "a", PollEvery: -1, BackOffFirst: time.Hour}, Deps{})
	require.Error(t, err)
	for _, part := range []string{"cannot follow itself", "React is empty", "PollEvery", "BackOffMax", "Deps.Target", "Deps.Client", "Deps.Now", "Deps.Log"} {
		assert.ErrorContains(t, err, part)
	}
}

func TestPushesAloneNeedNoPull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, target := newFakeSource(1), newFakeTarget(1)
		f := follower(t, s, target, func(c *Config) { c.PollEvery = time.Hour })
		defer start(f)()
		synctest.Wait()
		pulls := s.pulls
		for i := range 50 {
			f.Deliver(t.Context(), s.commit(0, happened{"a", i}))
		}
		synctest.Wait()
		assert.Equal(t, want(s, target, 0, 0), target.all(0, 0))
		assert.Equal(t, pulls, s.pulls)
	})
}

func TestReorderedPushIsWaitedForAndThenPulled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, target := newFakeSource(1), newFakeTarget(1)
		f := follower(t, s, target, func(c *Config) { c.PollEvery = time.Hour })
		defer start(f)()
		synctest.Wait()
		pulls := s.pulls
		first, second, third := s.commit(0, happened{"a", 1}), s.commit(0, happened{"a", 2}), s.commit(0, happened{"a", 3})
		f.Deliver(t.Context(), second)
		synctest.Wait()
		assert.Empty(t, target.all(0, 0))
		assert.NotNil(t, f.Status()[0].GapSince)
		f.Deliver(t.Context(), first)
		synctest.Wait()
		assert.Equal(t, []int{1, 2}, target.all(0, 0))
		assert.Nil(t, f.Status()[0].GapSince)
		elapse(time.Second)
		assert.Equal(t, pulls, s.pulls, "it came within the grace")
		_ = third
		fourth := s.commit(0, happened{"a", 4})
		f.Deliver(t.Context(), fourth)
		elapse(time.Second)
		assert.Equal(t, []int{1, 2, 3, 4}, target.all(0, 0))
		assert.Equal(t, pulls+1, s.pulls)
	})
}

func TestSharedWindowPullsASegmentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, target := newFakeSource(1), newFakeTarget(4)
		for i := range 480 {
			s.commit(0, happened{fmt.Sprint(i), i})
		}
		defer start(follower(t, s, target, nil))()
		elapse(time.Second)
		for own := range 4 {
			assert.Equal(t, want(s, target, own, 0), target.all(own, 0))
		}
		assert.LessOrEqual(t, s.pulls, 12, "10 pages and what registers")
	})
}

func TestPassingOverIsCheckpointedRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, target := newFakeSource(1), newFakeTarget(2)
		for i := range 2500 {
			s.commit(0, happened{"b", i}) // "b" is in own shard 0
		}
		require.Zero(t, target.ShardOf("b"))
		f := follower(t, s, target, nil)
		stop := start(f)
		elapse(30 * time.Second)
		seq, _ := target.Progress(1, "src", 0)
		assert.Equal(t, uint64(2000), seq)
		assert.Less(t, target.commits, 2500/10, "what waits is applied together")
		assert.Equal(t, uint64(2000), s.ackedBy("own/0"), "only what is durable everywhere is acknowledged")
		assert.Equal(t, uint64(2500), f.Status()[1].Offset)
		stop()
	})
}

func TestFailingEventIsRetriedThenParkedThenTheRestFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, target := newFakeSource(1), newFakeTarget(1)
		var tries []time.Duration
		began := time.Now()
		target.refuse = func(h happened) error {
			if h.N != 2 {
				return nil
			}
			tries = append(tries, time.Since(began).Round(time.Second))
			return errs.New(errs.Conflict, "no_stock", "there is none")
		}
		s.commit(0, happened{"a", 1}, happened{"a", 2}, happened{"a", 3})
		s.commit(0, happened{"a", 4})
		f := follower(t, s, target, nil)
		defer start(f)()
		elapse(20 * time.Second)
		st := f.Status()[0]
		require.NotNil(t, st.Stuck)
		assert.Equal(t, "no_stock: there is none", st.Stuck.Reason)
		assert.Equal(t, 1, st.Stuck.Index)
		elapse(2 * time.Minute)
		assert.Equal(t, []time.Duration{0, 0, 1e9, 3e9, 7e9, 15e9, 31e9, 63e9}, tries, "with the segment that waits behind it, and then alone")
		assert.Equal(t, []int{1, 3, 4}, target.all(0, 0))
		require.Len(t, target.Parked(), 1)
		assert.Equal(t, "no_stock: there is none", target.Parked()[0].Reason)
		assert.Nil(t, f.Status()[0].Stuck)
	})
}

func TestStoreAwayIsNeverParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, target := newFakeSource(1), newFakeTarget(1)
		target.fault = func() (bool, bool) { return true, false }
		s.commit(0, happened{"a", 1})
		var log bytes.Buffer
		f := follower(t, s, target, nil)
		f.deps.Log = slog.New(slog.NewTextHandler(&log, nil))
		stop := start(f)
		elapse(time.Hour)
		assert.Empty(t, target.Parked())
		target.mu.Lock()
		target.fault = nil
		target.mu.Unlock()
		elapse(time.Minute)
		stop()
		assert.Equal(t, []int{1}, target.all(0, 0))
		assert.Less(t, bytes.Count(log.Bytes(), []byte("\n")), 70, "one line a minute")
	})
}

// A step that cannot be decided now says nothing about its event: it is tried for as long as that lasts.
func TestAnUnavailableStepIsNeverParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, target := newFakeSource(1), newFakeTarget(1)
		until := time.Now().Add(time.Hour)
		target.refuse = func(happened) error {
			if time.Now().Before(until) {
				return errs.New(errs.Unavailable, errs.CodeUnavailable, "the store cannot be read")
			}
			return nil
		}
		s.commit(0, happened{"a", 1}, happened{"a", 2})
		defer start(follower(t, s, target, nil))()
		elapse(time.Hour + time.Minute)
		assert.Equal(t, []int{1, 2}, target.all(0, 0))
		assert.Empty(t, target.Parked())
	})
}

func TestSourceAwayIsQuietAndHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, target := newFakeSource(1), newFakeTarget(1)
		s.down = true
		var log bytes.Buffer
		f := follower(t, s, target, nil)
		f.away.log = slog.New(slog.NewTextHandler(&log, nil))
		stop := start(f)
		elapse(10 * time.Minute)
		s.mu.Lock()
		s.down = false
		s.mu.Unlock()
		s.commit(0, happened{"a", 1})
		elapse(time.Minute)
		stop()
		assert.Equal(t, []int{1}, target.all(0, 0))
		assert.Less(t, bytes.Count(log.Bytes(), []byte("\n")), 15)
	})
}

// A source publishes for those who ask it, so one that has come back must not wait for our back-off.
func TestASourceThatIsBackIsAskedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, target := newFakeSource(1), newFakeTarget(1)
		defer start(follower(t, s, target, nil))()
		elapse(time.Minute)
		away := func(is bool) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.down = is
		}
		away(true)
		elapse(10 * time.Minute)
		away(false)
		s.commit(0, happened{"a", 1}) // and nobody pushes it
		elapse(2300 * time.Millisecond)
		assert.Equal(t, []int{1}, target.all(0, 0))
	})
}

func TestUnknownTypesArePassedOverAndBrokenEventsParkedEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, target := newFakeSource(1), newFakeTarget(2)
		s.commitRecords(0, []journal.Record{
			{Type: "journal.offset_moved", Data: []byte(`{}`)}, {Type: "src.newer", Data: []byte(`{}`)},
			{Type: "src.happened", Data: []byte(`{"n":"text"}`)},
		})
		s.commit(0, happened{"a", 1}, happened{"boom", 2}, happened{"b", 3})
		f := follower(t, s, target, func(c *Config) {
			c.React = React(On(func(at journal.At, h happened) []Routed {
				if h.Aggregate == "boom" {
					panic("boom")
				}
				return reactNoted(at, h)
			}))
		})
		defer start(f)()
		elapse(time.Second)
		assert.ElementsMatch(t, []int{1, 3}, append(target.all(0, 0), target.all(1, 0)...))
		assert.Len(t, target.Parked(), 4)
		assert.InDelta(t, 1, counted(t, f.metrics.unknownTypes), 0)
	})
}

// unheard is an event that nobody reacts to.
type unheard struct{}

func (unheard) EventType() string { return "src.unheard" }

func TestReactions(t *testing.T) {
	r := React(On(reactNoted))
	data, err := json.Marshal(happened{"a", 1})
	require.NoError(t, err)
	routed, err := r.To(journal.At{}, journal.Record{Type: happened{}.EventType(), Data: data})
	require.NoError(t, err)
	assert.Len(t, routed, 1)
	routed, err = r.To(journal.At{}, journal.Record{Type: unheard{}.EventType(), Data: jsontext.Value("{}")})
	require.NoError(t, err)
	assert.Empty(t, routed, "nobody reacts to it")
	_, err = r.To(journal.At{}, journal.Record{Type: happened{}.EventType(), Data: jsontext.Value("[]")})
	assert.ErrorContains(t, err, happened{}.EventType(), "it cannot be read")
	assert.Panics(t, func() { React(On(reactNoted), On(reactNoted)) })
	_, err = New(Config{React: React(On(func(journal.At, unheard) []Routed { return nil })), Types: sourceTypes}, Deps{})
	assert.ErrorContains(t, err, `"src.unheard", which is not in Types`)
}

// packedDocument is a segment in the packed layout that says what it has.
func packedDocument(seq int, packed string, types ...string) []byte {
	out, _ := json.Marshal(map[string]any{
		"version": journal.PackedVersion, "service": "src", "journal": "src-1", "shard": 0, "seq": seq, "writer": "w", "batch": seq,
		"at": "2026-01-01T00:00:00Z", "types": types, "packed": packed,
	})
	return out
}

// What is packed is unpacked only if it concerns us: what is no gzip is not even noticed. If it does concern us, such a push is
// dropped, and the segment pulled.
func TestPackedSegmentsThatDoNotConcernUsAreNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, target := newFakeSource(1), newFakeTarget(1)
		f := follower(t, s, target, func(c *Config) { c.PollEvery, c.Types = time.Hour, journal.NewTypes(happened{}, unheard{}) })
		defer start(f)()
		synctest.Wait()
		s.commit(0, happened{"a", 1})
		s.commit(0, happened{"a", 2})
		assert.True(t, f.Deliver(t.Context(), packedDocument(1, "bm90IGd6aXA=", "journal.offset_moved", "src.newer", "src.unheard")))
		synctest.Wait()
		assert.Empty(t, target.all(0, 0), "the push says that there is nothing in it for us")
		assert.InDelta(t, 1, counted(t, f.metrics.unknownTypes), 0)
		assert.False(t, f.Deliver(t.Context(), packedDocument(2, "bm90IGd6aXA=", "src.newer", "src.happened")))
		assert.InDelta(t, 1, counted(t, f.metrics.pushesDropped), 0)
		s.commit(0, happened{"a", 3})
		f.Deliver(t.Context(), s.commit(0, happened{"a", 4})) // news, so that the gap before it is pulled
		elapse(time.Second)
		assert.Equal(t, []int{2, 3, 4}, target.all(0, 0))
	})
}

func TestTrimmedSourceGoesOnFromWhereItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, target := newFakeSource(1), newFakeTarget(2)
		for i := range 10 {
			s.commit(0, happened{fmt.Sprint(i), i})
		}
		s.first[0] = 7
		f := follower(t, s, target, nil)
		defer start(f)()
		elapse(time.Second)
		assert.ElementsMatch(t, []int{6, 7, 8, 9}, append(target.all(0, 0), target.all(1, 0)...))
		assert.InDelta(t, 12, counted(t, f.metrics.lost), 0)
	})
}

func TestTrimmedSourceIsSeededFromItsSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, target := newFakeSource(1), newFakeTarget(2)
		for i := range 10 {
			s.commit(0, happened{fmt.Sprint(i), i})
		}
		s.first[0] = 7
		s.snapshot[0] = `{"service":"src","shard":0,"seq":8,"at":"2026-01-01T00:00:00Z"}
{"kind":"total","record":{"aggregate":"0","n":100}}
{"kind":"total","record":{"aggregate":"1","n":101}}
{"end":true,"records":2}
`
		f := follower(t, s, target, func(c *Config) { c.Seed = seedNoted(t) })
		defer start(f)()
		elapse(time.Second)
		assert.ElementsMatch(t, []int{8, 9}, append(target.all(0, 0), target.all(1, 0)...))
		assert.ElementsMatch(t, []int{100, 101}, append(target.all(0, -1), target.all(1, -1)...))
		assert.Zero(t, counted(t, f.metrics.lost))
	})
}

// What of a snapshot does not arrive must not be taken for done.
func TestACutOffSnapshotIsReadAgain(t *testing.T) {
	const whole = `{"service":"src","shard":0,"seq":8,"at":"2026-01-01T00:00:00Z"}
{"kind":"total","record":{"aggregate":"0","n":100}}
{"end":true,"records":1}
`
	for _, end := range []string{"", `{"end":true,"records":2}`} {
		synctest.Test(t, func(t *testing.T) {
			s, target := newFakeSource(1), newFakeTarget(1)
			for i := range 10 {
				s.commit(0, happened{"a", i})
			}
			s.first[0] = 7
			s.snapshot[0] = whole[:strings.Index(whole, `{"end"`)] + end
			defer start(follower(t, s, target, func(c *Config) { c.Seed = seedNoted(t) }))()
			elapse(time.Minute)
			seq, _ := target.Progress(0, "src", 0)
			assert.Zero(t, seq)
			s.mu.Lock()
			s.snapshot[0] = whole
			s.mu.Unlock()
			elapse(time.Minute)
			assert.Equal(t, []int{8, 9}, target.all(0, 0))
		})
	}
}

func TestLevelAtIsTheBeginningOfALookThatWasReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, target := newFakeSource(2), newFakeTarget(2)
		f := follower(t, s, target, nil)
		assert.Zero(t, f.LevelAt())
		stop := start(f)
		elapse(10 * time.Second)
		assert.WithinDuration(t, time.Now(), f.LevelAt(), 3*time.Second) // of the bubble's clock
		// From now on nothing can be written: level stays where it was before the new event.
		target.mu.Lock()
		target.fault = func() (bool, bool) { return true, false }
		target.mu.Unlock()
		committed := time.Now()
		s.commit(1, happened{"a", 1})
		elapse(10 * time.Minute)
		assert.False(t, f.LevelAt().After(committed))
		target.mu.Lock()
		target.fault = nil
		target.mu.Unlock()
		elapse(2 * time.Minute)
		assert.WithinDuration(t, time.Now(), f.LevelAt(), 3*time.Second)
		stop()
	})
}

func TestASourceThatLostItsDataStopsTheLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, target := newFakeSource(1), newFakeTarget(1)
		for i := range 5 {
			s.commit(0, happened{"a", i})
		}
		f := follower(t, s, target, nil)
		defer start(f)()
		elapse(10 * time.Second)
		s.mu.Lock()
		s.shards[0] = s.shards[0][:2]
		s.mu.Unlock()
		lost := time.Now()
		elapse(time.Hour)
		assert.False(t, f.LevelAt().After(lost))
	})
}

func TestDeliverDropsWhatItCannotUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, target := newFakeSource(1), newFakeTarget(1)
		f := follower(t, s, target, nil)
		f.Deliver(t.Context(), s.commit(0, happened{"a", 1})) // before Run
		stop := start(f)
		elapse(5 * time.Second)
		for _, data := range []string{``, `{`, `{"version":2,"service":"src","seq":1}`, `{"version":1,"service":"other","seq":1}`,
			`{"version":1,"service":"src","seq":0}`, `{"version":1,"service":"src","shard":9,"seq":1}`, `{"version":1,"service":"src","shard":-1,"seq":1}`} {
			f.Deliver(t.Context(), []byte(data))
		}
		assert.InDelta(t, 8, counted(t, f.metrics.pushesDropped), 0)
		assert.Equal(t, []int{1}, target.all(0, 0))
		stop()
	})
}

func TestPrepareRunsBeforeEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, target := newFakeSource(1), newFakeTarget(1)
		calls := 0
		s.commit(0, happened{"a", 1})
		f := follower(t, s, target, func(c *Config) {
			c.Prepare = func(_ context.Context, r Routed) (journal.Command, error) {
				calls++
				switch calls {
				case 1:
					return nil, errs.New(errs.Unavailable, errs.CodeUnavailable, "away")
				case 2:
					panic("in Prepare")
				}
				return noted{happened{"a", 42}}, nil
			}
		})
		defer start(f)()
		elapse(time.Minute)
		assert.Equal(t, []int{42}, target.all(0, 0))
		assert.Equal(t, 3, calls)
	})
}

func TestMetricsOfTwoFollowersShareARegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewPedanticRegistry()
		s, target := newFakeSource(1), newFakeTarget(2)
		s.commit(0, happened{"a", 1})
		for _, source := range []string{"src", "other"} {
			f, err := New(Config{Source: source, Follower: "own", Types: sourceTypes, React: React(On(reactNoted))}, Deps{
				Target: target, Client: &http.Client{Transport: s}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
				Metrics: prometheus.WrapRegistererWith(prometheus.Labels{"service": "own"}, registry),
			})
			require.NoError(t, err)
			defer start(f)()
		}
		elapse(5 * time.Second)
		families, err := registry.Gather()
		require.NoError(t, err)
		names := map[string]int{}
		for _, f := range families {
			names[f.GetName()] = len(f.GetMetric())
		}
		assert.Equal(t, 2, names["sidecart_follow_lag_segments"])
		assert.Equal(t, 2, names["sidecart_follow_pulls_total"])
		assert.Equal(t, 1, names["sidecart_follow_level_age_seconds"])
	})
}
