package journal_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

func metaOf(t *testing.T, store *journaltest.Store) journal.Meta {
	t.Helper()
	var m journal.Meta
	require.NoError(t, json.Unmarshal(store.Value("test/journal"), &m))
	return m
}

func TestAJournalKeepsItsIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		a, b := start(t, store, options{name: "a"}), start(t, store, options{name: "b"})
		require.NotEmpty(t, a.ID())
		require.Equal(t, a.ID(), b.ID())
		require.Equal(t, a.ID(), metaOf(t, store).ID)
		fill(t, b, "x", 1)
		var s journal.Segment
		require.NoError(t, json.Unmarshal(store.Value("test/journal/0/1"), &s))
		require.Equal(t, a.ID(), s.Journal)
		other := start(t, journaltest.NewStore(), options{name: "c"})
		require.NotEqual(t, a.ID(), other.ID())
	})
}

// Replicas that start at the same time over a store that loses replies agree on one identity, also where there is a
// journal from before there were identities.
func TestReplicasAgreeOnTheIdentity(t *testing.T) {
	for _, before := range []string{"", `{"version":1,"shards":3}`} {
		for seed := range uint64(50) {
			synctest.Test(t, func(t *testing.T) {
				store := journaltest.NewStore()
				if before != "" {
					store.Put("test/journal", []byte(before))
				}
				faults := journaltest.Faults{Seed: seed, FailAfter: .4, PlainConflict: .3, Delay: .3}
				var all []*replica
				for _, name := range []string{"a", "b", "c"} {
					r, err := launch(store, options{name: name, faults: faults})
					require.NoError(t, err)
					defer func() { require.NoError(t, r.stop()) }()
					all = append(all, r)
				}
				for _, r := range all {
					<-r.Loaded()
					require.Equal(t, metaOf(t, store).ID, r.ID())
				}
				if before != "" {
					require.Equal(t, 3, all[0].Shards())
				}
			})
		}
	}
}

func TestASegmentOfAnotherJournalIsFatal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		r := start(t, store, options{name: "a"})
		store.Put("test/journal/0/1", []byte(`{"version":1,"service":"test","journal":"another","shard":0,"seq":1,"writer":"zombie","batch":1,`+
			`"at":"2000-01-01T00:00:00Z","events":[]}`))
		require.ErrorContains(t, <-r.done, "is of journal another")
		r.done <- nil
	})
}

// What is still being copied is not served, and is as soon as it is whole.
func TestAnIncomingJournalIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		store.Put("test/journal", []byte(`{"version":1,"shards":1,"id":"j","incoming":"c"}`))
		r, err := launch(store, options{name: "a"})
		require.NoError(t, err)
		defer func() { require.NoError(t, r.stop()) }()
		rest(time.Hour)
		require.Empty(t, r.ID())
		require.ErrorContains(t, errs.From(r.Ready()).Unwrap(), "sidecart data copy")
		store.Put("test/journal", []byte(`{"version":1,"shards":1,"id":"j"}`))
		<-r.Loaded()
		require.Equal(t, "j", r.ID())
		require.NoError(t, r.Ready())
	})
}

func TestOffsetsOfAnotherJournalAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, journaltest.NewStore(), options{name: "a"})
		followed := func(id string, seq uint64) error {
			_, err := r.DoShard(t.Context(), 0, journal.Followed{Source: "other", Journal: id, Seq: seq})
			return err
		}
		require.NoError(t, followed("", 3))
		require.Empty(t, r.Origin(0, "other", 0))
		require.NoError(t, followed("one", 5))
		require.True(t, errs.HasCode(followed("two", 9), journal.CodeAnotherJournal))
		require.NoError(t, followed("", 6))
		require.Equal(t, "one", r.Origin(0, "other", 0))
		require.EqualValues(t, 6, r.Offset(0, "other", 0))
	})
}
