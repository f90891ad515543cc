package archive

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

// shelved is the archived event of the tests' journal.
type shelved struct {
	IDs []string `json:"ids"`
}

func (shelved) EventType() string { return "test.shelved" }

// shelves is a journal's machine that only counts what was archived.
type shelves struct{}

func (shelves) New() *int         { return new(int) }
func (shelves) Clone(s *int) *int { n := *s; return &n }
func (shelves) Decide(_ *int, _ journal.At, cmd journal.Command) (any, []journal.Event, error) {
	return nil, []journal.Event{cmd.(shelved)}, nil
}
func (shelves) Apply(s *int, _ journal.At, e journal.Event)        { *s += len(e.(shelved).IDs) }
func (shelves) Dump(s *int, emit func(string, any) error) error    { return emit("count", *s) }
func (shelves) Load(s *int, _ string, record jsontext.Value) error { return json.Unmarshal(record, s) }
func (shelves) Types() journal.Types                               { return journal.NewTypes(shelved{}) }

func testLayout() Layout {
	return Layout{Service: "test", Kind: "thing", Archived: Naming(func(e shelved) []string { return e.IDs })}
}

// library is a replica of a journal that archives and trims.
type library struct {
	*journal.Journal[*int]
	client *journaltest.Client
	stop   func()
}

func openLibrary(t require.TestingT, store *journaltest.Store, name string, faults journaltest.Faults) *library {
	client := store.Client(name, faults)
	j, err := journal.New(journal.Config{
		Service: "test", Shards: 1, SnapshotEverySegments: 10, CommitWithin: time.Second, StaleAfter: time.Minute,
		TrimAfter: 10 * time.Minute, TrimEvery: time.Minute, PollEvery: 20 * time.Second,
	}, shelves{}, journal.Deps{State: client, Writer: name, BeforeTrim: NewCatalogue(client, testLayout()).Keep})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	<-j.Loaded()
	return &library{j, client, func() { cancel(); <-done }}
}

// named is every id that can be found without a list of keys.
func named(t require.TestingT, store *journaltest.Store) []string {
	ctx, client := context.Background(), store.Client("reader", journaltest.Faults{})
	var all []string
	for n := 0; ; n++ {
		page, ok, err := NewCatalogue(client, testLayout()).Page(ctx, 0, n)
		require.NoError(t, err)
		if !ok {
			break
		}
		all = append(all, page.IDs...)
	}
	for _, key := range store.Keys("test/journal/0/") {
		var s journal.Segment
		require.NoError(t, json.Unmarshal(store.Value(key), &s))
		ids, err := testLayout().IDs(s)
		require.NoError(t, err)
		all = append(all, ids...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestCatalogueSurvivesDeathAtEveryWrite kills a replica before and after each write of a trim with a catalogue: no id is
// ever in neither a page nor a segment, and another replica goes on.
func TestCatalogueSurvivesDeathAtEveryWrite(t *testing.T) {
	for _, how := range []journaltest.Fault{journaltest.FailBefore, journaltest.FailAfter} {
		for at := 0; ; at++ {
			died := false
			synctest.Test(t, func(t *testing.T) {
				store := journaltest.NewStore()
				var l *library
				writes := 0
				l = openLibrary(t, store, "a", journaltest.Faults{Script: func(op, key string, _ int) (journaltest.Fault, bool) {
					upkeep := strings.HasPrefix(key, "test/archived/") && op == journaltest.OpCreate || op == journaltest.OpDelete ||
						strings.HasPrefix(key, "test/snapshot/") && (op == journaltest.OpReplace || op == journaltest.OpCreate)
					if !upkeep {
						return journaltest.None, true
					}
					if writes++; writes == at+1 {
						died = true
						go l.client.Cut()
						return how, true
					}
					return journaltest.None, true
				}})
				var want, maybe []string
				archive := func(l *library, from, to int) {
					for i := from; i < to; i++ {
						ids := []string{fmt.Sprintf("id%03d", i), fmt.Sprintf("other%03d", i)}
						if _, err := l.DoShard(t.Context(), 0, shelved{ids}); err != nil {
							maybe = append(maybe, ids...)
							continue
						}
						want = append(want, ids...)
					}
				}
				complete := func() {
					found := named(t, store)
					require.Subset(t, found, want)
					require.Subset(t, append(want, maybe...), found)
				}
				archive(l, 0, 15)
				<-time.After(30 * time.Minute)
				l.client.Cut()
				l.stop()
				complete()
				other := openLibrary(t, store, "b", journaltest.Faults{})
				defer other.stop()
				acknowledged := len(want)
				archive(other, 15, 30)
				require.Len(t, want, acknowledged+30)
				<-time.After(time.Hour)
				complete()
				require.Empty(t, store.Keys("test/journal/0/"), "all of it is trimmed")
			})
			if !died {
				require.Greater(t, at, 15)
				break
			}
			if t.Failed() {
				t.Fatalf("died at write %d (%v)", at, how)
			}
		}
	}
}

// TestReplicasKeepOneCatalogue has replicas that trim at the same time over a store with faults.
func TestReplicasKeepOneCatalogue(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed, replicas := rapid.Uint64().Draw(rt, "seed"), rapid.IntRange(1, 3).Draw(rt, "replicas")
		commands := rapid.IntRange(1, 40).Draw(rt, "commands")
		synctest.Test(t, func(t *testing.T) {
			store := journaltest.NewStore()
			var all []*library
			for i := range replicas {
				all = append(all, openLibrary(t, store, fmt.Sprint(i), journaltest.Faults{Seed: seed, FailBefore: .1, FailAfter: .1, PlainConflict: .2, Delay: .2, StallLate: .05}))
			}
			var want []string
			for i := range commands {
				id := fmt.Sprintf("id%03d", i)
				for {
					if _, err := all[i%replicas].DoShard(t.Context(), 0, shelved{[]string{id}}); err == nil {
						break
					}
				}
				want = append(want, id)
				<-time.After(time.Duration(seed%5) * time.Minute)
				if got := named(t, store); !slices.Equal(want, got) {
					rt.Fatalf("want %v, got %v", want, got)
				}
			}
			<-time.After(3 * time.Hour)
			for _, l := range all {
				l.stop()
			}
			if got := named(t, store); !slices.Equal(want, got) {
				rt.Fatalf("at the end: want %v, got %v", want, got)
			}
		})
	})
}

// segmentsOf makes the segments 1…n of ids that are this long, some in each.
func segmentsOf(n, ids, idBytes int) iter.Seq2[journal.Segment, error] {
	return func(yield func(journal.Segment, error) bool) {
		for seq := range n {
			e := shelved{}
			for i := range ids {
				id := fmt.Sprintf("%d-%d-", seq+1, i)
				e.IDs = append(e.IDs, id+strings.Repeat("x", idBytes-len(id)))
			}
			data, _ := json.Marshal(e)
			if !yield(journal.Segment{Seq: uint64(seq + 1), Events: []journal.Record{{Type: "test.other"}, {Type: "test.shelved", Data: data}}}, nil) {
				return
			}
		}
	}
}

// Another replica, which is behind, writes the page a moment before: what it does not have goes into the next one.
func TestAPageOfAnotherIsNotOurs(t *testing.T) {
	store, raced := journaltest.NewStore(), false
	slower := NewCatalogue(store.Client("slower", journaltest.Faults{}), testLayout())
	c := NewCatalogue(store.Client("a", journaltest.Faults{Script: func(op, _ string, _ int) (journaltest.Fault, bool) {
		if op == journaltest.OpCreate && !raced {
			raced = true
			require.NoError(t, slower.Keep(t.Context(), 0, segmentsOf(3, 1, 10)))
		}
		return journaltest.None, true
	}}), testLayout())
	require.NoError(t, c.Keep(t.Context(), 0, segmentsOf(5, 1, 10)))
	page, ok, err := c.Page(t.Context(), 0, 1)
	require.NoError(t, err)
	require.True(t, ok)
	require.Len(t, page.IDs, 2)
	require.EqualValues(t, 5, page.Through)
}

func TestPagesAreBoundedAndFound(t *testing.T) {
	store := journaltest.NewStore()
	c := NewCatalogue(store.Client("a", journaltest.Faults{}), testLayout())
	ctx := t.Context()
	require.NoError(t, c.Keep(ctx, 0, segmentsOf(20, 100, 40)))
	require.Len(t, store.Keys("test/archived/thing/0/"), 1)
	require.NoError(t, c.Keep(ctx, 0, segmentsOf(20, 100, 40)))
	require.Len(t, store.Keys("test/archived/thing/0/"), 1, "what is in a page is left out")
	require.NoError(t, c.Keep(ctx, 0, segmentsOf(23, 5000, 40)), "each a segment as large as there can be")
	require.Len(t, store.Keys("test/archived/thing/0/"), 4)
	require.NoError(t, c.Keep(ctx, 0, segmentsOf(200, 0, 0)))
	require.Len(t, store.Keys("test/archived/thing/0/"), 4, "nothing to say, no page")
	for pages := range 40 {
		other := fmt.Sprintf("p%d", pages)
		l := Layout{Service: "test", Kind: other, Archived: testLayout().Archived}
		for n := range pages {
			require.NoError(t, NewCatalogue(c.state, l).Keep(ctx, 3, segmentsOf(n+1, 1, 10)))
		}
		count, through, err := NewCatalogue(c.state, l).last(ctx, 3)
		require.NoError(t, err)
		require.Equal(t, pages, count)
		require.EqualValues(t, pages, through)
	}
	page, ok, err := c.Page(ctx, 0, 0)
	require.NoError(t, err)
	require.True(t, ok)
	require.Len(t, page.IDs, 2000)
	require.EqualValues(t, 20, page.Through)
	broken := errors.New("broken")
	require.ErrorIs(t, c.Keep(ctx, 1, func(yield func(journal.Segment, error) bool) { yield(journal.Segment{}, broken) }), broken)
	store.Put(c.Key(2, 0), []byte(`{"version":2}`))
	require.ErrorContains(t, c.Keep(ctx, 2, segmentsOf(1, 1, 10)), "layout 2")
}
