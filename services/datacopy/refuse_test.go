package datacopy

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

// traded is the store of a shop that sold for a while and was stopped, with all that a copy has to bring along: snapshots,
// trimmed segments, a catalogue, views and lists, and what customers were told.
func traded(t *testing.T) (*journaltest.Store, *customers) {
	t.Helper()
	store, clients := journaltest.NewStore(), &customers{told: map[string]int{}}
	r, err := launch(store, "a", journaltest.Faults{}, settings())
	require.NoError(t, err)
	<-r.log.Loaded()
	sell(t, r, clients, 1, 3)
	sellTo(t, r, clients, 10, 14, 1, 2) // and never again: only the catalogue names them
	rest(40 * time.Second)
	sell(t, r, clients, 4, 6)
	rest(3 * time.Second)
	require.NoError(t, r.stop())
	require.NotEmpty(t, store.Keys("shop/archived/"))
	require.NotEmpty(t, store.Keys("shop/list/"))
	require.Nil(t, store.Value("shop/journal/0/1"), "trimmed")
	return store, clients
}

// sell moves the counters 0 to 3 from a count to another.
func sell(t *testing.T, r *replica, c *customers, from, to int) {
	t.Helper()
	sellTo(t, r, c, 0, 4, from, to)
}

// sellTo moves some counters from a count to another.
func sellTo(t *testing.T, r *replica, c *customers, first, end, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		for i := first; i < end; i++ {
			id := fmt.Sprintf("c%d", i)
			_, err := r.shop.Do(t.Context(), id, count{ID: id, Owner: ownerOf(i), Want: n})
			require.NoError(t, err)
			c.told[id] = n
		}
	}
}

func plainCopier(t *testing.T, source, target *journaltest.Store) *Copier {
	t.Helper()
	return newCopier(t, source.Client("c", journaltest.Faults{}), target.Client("c", journaltest.Faults{}))
}

// refusal wants an error that says so, and no write to either store.
func refusal(t *testing.T, source, target *journaltest.Store, says string) {
	t.Helper()
	before := []int{source.Writes(), target.Writes()}
	_, err := plainCopier(t, source, target).Run(t.Context())
	require.ErrorContains(t, err, says)
	require.Equal(t, before, []int{source.Writes(), target.Writes()})
	_, err = plainCopier(t, source, target).Plan(t.Context())
	require.Error(t, err, "the dry run says so too")
}

func TestWhatACopyRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, _ := traded(t)
		other, _ := traded(t)
		refusal(t, source, other, "another journal of shop")
		refusal(t, source, source, "is it the same store")
		refusal(t, journaltest.NewStore(), journaltest.NewStore(), "no journal of shop")

		target := journaltest.NewStore()
		before := source.Writes()
		plan, err := plainCopier(t, source, target).Plan(t.Context())
		require.NoError(t, err)
		require.Equal(t, before, source.Writes(), "a dry run writes nothing")
		require.Zero(t, target.Writes())
		require.Positive(t, plan.Services[0].Segments)
		require.Positive(t, plan.Services[0].Catalogued)
		require.False(t, plan.Resumes)

		_, err = plainCopier(t, source, target).Undo(t.Context())
		require.ErrorContains(t, err, "knows of no copy")
		report, err := plainCopier(t, source, target).Run(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 4*6+4*2, report.Services["shop"].Totals["count"]+archivedCounts(t, target))
		_, err = plainCopier(t, source, target).Undo(t.Context())
		require.ErrorContains(t, err, "has switched")
		report, err = plainCopier(t, source, target).Run(t.Context())
		require.NoError(t, err)
		require.True(t, report.Already)

		refusal(t, other, target, "another journal of shop")
		refusal(t, source, journaltest.NewStore(), "by another copy")
	})
}

// archivedCounts adds up what is not in memory.
func archivedCounts(t *testing.T, store *journaltest.Store) (n int64) {
	t.Helper()
	r, err := launch(store, "reader", journaltest.Faults{}, settings())
	require.NoError(t, err)
	<-r.log.Loaded()
	for _, key := range store.Keys("shop/view/counter/") {
		var v struct {
			Doc counter `json:"doc"`
		}
		require.NoError(t, json.Unmarshal(store.Value(key), &v))
		if _, live := r.log.State(r.log.ShardOf(v.Doc.ID)).live.Get(v.Doc.ID); !live {
			n += int64(v.Doc.N)
		}
	}
	require.NoError(t, r.stop())
	return n
}

// A source that was moved by one copy is not the shop for another.
func TestASourceThatWasMovedIsNotCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, clients := traded(t)
		first, second := journaltest.NewStore(), journaltest.NewStore()
		_, err := plainCopier(t, source, first).Run(t.Context())
		require.NoError(t, err)
		_, err = plainCopier(t, source, second).Run(t.Context())
		require.ErrorContains(t, err, "by another copy")

		for _, next := range []*journaltest.Store{second, journaltest.NewStore()} { // what is in the second already is the same journal's
			_, err = plainCopier(t, first, next).Run(t.Context())
			require.NoError(t, err, "on to the next store")
			require.NoError(t, clients.check(next))
			require.NoError(t, sameEverywhere(first, next))
			first = next
		}
	})
}

func TestALostTargetIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, clients := traded(t)
		target := journaltest.NewStore()
		to := target.Client("c", journaltest.Faults{Script: func(op, key string, _ int) (journaltest.Fault, bool) {
			return journaltest.FailBefore, op == journaltest.OpReplace && key == recordKey // the switch never comes
		}})
		_, err := newCopier(t, source.Client("c", journaltest.Faults{}), to).Run(t.Context())
		require.ErrorContains(t, err, "run the same command again")
		require.Error(t, clients.check(source), "closed")
		opened, err := newCopier(t, source.Client("c", journaltest.Faults{}), journaltest.NewStore().Client("c", journaltest.Faults{})).UndoWithoutTarget(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, opened)
		require.NoError(t, clients.check(source))
	})
}

// What differs in the target is found, is not overwritten, and nothing is switched.
func TestDifferencesAreFound(t *testing.T) {
	for what, harm := range map[string]func(t *testing.T, source, target *journaltest.Store){
		"another segment": func(t *testing.T, source, target *journaltest.Store) {
			keys := source.Keys("shop/journal/1/")
			value := strings.Replace(string(source.Value(keys[len(keys)-1])), `"writer":"a"`, `"writer":"z"`, 1)
			require.NotEqual(t, value, string(source.Value(keys[len(keys)-1])))
			target.Put(keys[len(keys)-1], []byte(value))
		},
		"another view": func(_ *testing.T, source, target *journaltest.Store) {
			key := source.Keys("shop/view/counter/")[0]
			target.Put(key, []byte(strings.Replace(string(source.Value(key)), `"n":`, `"n":1`, 1)))
		},
		"a segment too many": func(t *testing.T, source, target *journaltest.Store) {
			keys := source.Keys("shop/journal/0/")
			var s journal.Segment
			require.NoError(t, json.Unmarshal(source.Value(keys[len(keys)-1]), &s))
			c := plainCopier(t, source, target)
			shard := &shardCopy{Copier: c, service: service(), keys: journal.Keys{Service: "shop"}}
			end, err := shard.end(t.Context())
			require.NoError(t, err)
			target.Put(journal.Keys{Service: "shop"}.Segment(0, end+2), []byte(`{}`))
		},
		"another snapshot": func(t *testing.T, source, target *journaltest.Store) {
			var h journal.Header
			require.NoError(t, json.Unmarshal(source.Value("shop/snapshot/0"), &h))
			from := journal.Keys{Service: "shop"}.Chunk(0, h.Set, 0)
			chunk := strings.Replace(string(source.Value(from)), `"generation":`, `"generation":1`, 1)
			require.NotEqual(t, string(source.Value(from)), chunk)
			h.Set = "another" // of the same segment, with another state
			value, err := json.Marshal(h)
			require.NoError(t, err)
			target.Put("shop/snapshot/0", value)
			target.Put(journal.Keys{Service: "shop"}.Chunk(0, h.Set, 0), []byte(chunk))
		},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source, clients := traded(t)
				target := journaltest.NewStore()
				harm(t, source, target)
				report, err := plainCopier(t, source, target).Run(t.Context())
				require.Error(t, err, "%s | %s", source.Value("shop/snapshot/0"), target.Value("shop/snapshot/0"))
				require.True(t, isFinal(err), "%v", err)
				require.False(t, report.Switched)
				_, err = plainCopier(t, source, target).Undo(t.Context())
				require.NoError(t, err)
				require.NoError(t, clients.check(source), "the source goes on")
			})
		})
	}
}
