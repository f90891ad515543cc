package journal_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

// stored is what the tests read of a snapshot's header.
type storedHeader struct {
	Seq            uint64 `json:"seq"`
	Set            string `json:"set"`
	Chunks         int    `json:"chunks"`
	TrimmedThrough uint64 `json:"trimmed_through"`
	DeletedThrough uint64 `json:"deleted_through"`
	OtherSets      []struct {
		ID      string `json:"id"`
		Retired bool   `json:"retired"`
	} `json:"other_sets"`
}

func headerOf(t *testing.T, store *journaltest.Store) storedHeader {
	t.Helper()
	var h storedHeader
	if value := store.Value("test/snapshot/0"); value != nil {
		require.NoError(t, json.Unmarshal(value, &h))
	}
	return h
}

// quickUpkeep is a window short enough that a test lives through many.
func quickUpkeep() journal.Config {
	return journal.Config{SnapshotEverySegments: 10, CommitWithin: time.Second, StaleAfter: time.Minute,
		TrimAfter: 10 * time.Minute, TrimEvery: time.Minute, PollEvery: time.Second}
}

func fill(t *testing.T, r *replica, prefix string, n int) {
	t.Helper()
	for i := range n {
		_, err := r.buy(t.Context(), fmt.Sprint(prefix, i))
		require.NoError(t, err)
	}
}

func TestSnapshotAndTrimChangeNothingVisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		r := start(t, store, options{name: "a", config: quickUpkeep()})
		fill(t, r, "x", 35)
		before := picture(r.State(0))
		waitFor(t, "a snapshot", func() bool { return headerOf(t, store).Seq >= 30 })
		waitFor(t, "the trim", func() bool { h := headerOf(t, store); return h.DeletedThrough >= 30 })
		h := headerOf(t, store)
		require.NoError(t, checkSequence(store))
		require.Equal(t, h.TrimmedThrough, h.DeletedThrough)
		require.Nil(t, store.Value("test/journal/0/30"))
		require.Len(t, store.Keys("test/snapshot/0/"), h.Chunks, "only the snapshot's own chunks are left")
		require.Equal(t, before, picture(r.State(0)))
		again := start(t, store, options{name: "b", config: quickUpkeep()})
		require.Equal(t, before, picture(again.State(0)))
		require.Equal(t, r.Heads(), again.Heads())
		ticket, err := again.buy(t.Context(), "x3")
		require.NoError(t, err)
		require.Equal(t, 4, ticket, "a repeat gets the first answer from the snapshot too")

		_, err = again.Segments(t.Context(), 0, 0, 10)
		require.Error(t, err)
		e := errs.From(err)
		require.Equal(t, errs.Gone, e.Kind)
		require.Equal(t, h.TrimmedThrough, e.Extra["start_after"])
		rest, err := again.Segments(t.Context(), 0, h.TrimmedThrough, 200)
		require.NoError(t, err)
		require.Len(t, rest, 35-int(h.TrimmedThrough))
	})
}

// A process that dies at any write of a snapshot or trim leaves a store that loads the same and that others clean up.
func TestUpkeepSurvivesDeathAtEveryWrite(t *testing.T) {
	cfg := quickUpkeep()
	cfg.PollEvery = 20 * time.Second    // hours go by
	text := strings.Repeat("x", 60_000) // several chunks
	for _, how := range []journaltest.Fault{journaltest.FailBefore, journaltest.FailAfter} {
		for at := 0; ; at++ {
			died := false
			synctest.Test(t, func(t *testing.T) {
				store := journaltest.NewStore()
				var r *replica
				writes := 0
				script := func(op, key string, _ int) (journaltest.Fault, bool) {
					upkeep := strings.HasPrefix(key, "test/snapshot/0") && op != journaltest.OpGet && op != journaltest.OpGetBulk ||
						op == journaltest.OpDelete
					if !upkeep {
						return journaltest.None, true
					}
					if writes++; writes == at+1 {
						died = true
						go r.client.Cut()
						return how, true
					}
					return journaltest.None, true
				}
				var err error
				r, err = launch(store, options{name: "a", config: cfg, faults: journaltest.Faults{Script: script}})
				require.NoError(t, err)
				<-r.Loaded()
				for i := range 9 {
					_, err := r.DoShard(t.Context(), 0, pad{fmt.Sprint(i), text})
					require.NoError(t, err)
				}
				_, err = r.buy(t.Context(), "a") // the tenth makes a snapshot due
				require.NoError(t, err)
				rest(time.Minute)
				_, err = r.DoShard(t.Context(), 0, pad{"late", "text"})
				rest(30 * time.Minute)
				want := picture(r.State(0))
				unsure := err != nil
				r.kill()
				other := start(t, store, options{name: "b", config: cfg})
				if !unsure {
					require.Equal(t, want, picture(other.State(0)))
				}
				fill(t, other, "y", 15)
				waitFor(t, "everything is cleaned up", func() bool {
					h := headerOf(t, store)
					return h.Seq >= 20 && h.DeletedThrough >= 20 && len(h.OtherSets) == 0 && len(store.Keys("test/snapshot/0/")) == h.Chunks
				})
				require.NoError(t, checkSequence(store))
				last := start(t, store, options{name: "c", config: cfg})
				require.Equal(t, picture(other.State(0)), picture(last.State(0)))
			})
			if !died {
				require.Greater(t, at, 10)
				break
			}
			if t.Failed() {
				t.Fatalf("died at write %d (%v)", at, how)
			}
		}
	}
}

func TestDamagedSnapshotIsFatal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		r := start(t, store, options{name: "a", config: quickUpkeep()})
		fill(t, r, "x", 12)
		waitFor(t, "a snapshot", func() bool { return headerOf(t, store).Seq >= 10 })
		require.NoError(t, r.stop())
		set := headerOf(t, store).Set
		store.Remove("test/snapshot/0/" + set + "/0")
		b, err := launch(store, options{name: "b"})
		require.NoError(t, err)
		require.ErrorContains(t, <-b.done, set)
		b.done <- nil
		store.Put("test/snapshot/0/"+set+"/0", []byte(`{"records":[{"kind":"nonsense","data":1}]}`))
		c, err := launch(store, options{name: "c"})
		require.NoError(t, err)
		require.ErrorContains(t, <-c.done, "no such kind: nonsense")
		c.done <- nil
	})
}

func TestTrimWaitsForFollowers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		a := start(t, store, options{name: "a", config: quickUpkeep()})
		require.NoError(t, a.Acknowledge(t.Context(), "order", 0, 0))
		fill(t, a, "x", 30)
		rest(3 * time.Hour)
		require.Zero(t, headerOf(t, store).TrimmedThrough)
		require.NoError(t, a.Acknowledge(t.Context(), "order", 0, 12))
		waitFor(t, "the trim", func() bool { return headerOf(t, store).TrimmedThrough == 12 })
		require.NoError(t, a.Acknowledge(t.Context(), "order", 0, 1000))
		require.NoError(t, a.Acknowledge(t.Context(), "order", 0, 12), "the last word counts")
		require.NoError(t, a.stop())

		b := start(t, store, options{name: "b", config: quickUpkeep()})
		followers := b.Followers()
		require.Len(t, followers, 1)
		require.Equal(t, "order", followers[0].Name)
		require.Nil(t, followers[0].Acknowledged[0])
		rest(3 * time.Hour)
		require.EqualValues(t, 12, headerOf(t, store).TrimmedThrough, "not heard of since the start")
		require.NoError(t, b.Forget(t.Context(), "order"))
		require.Empty(t, b.Followers())
		waitFor(t, "the trim", func() bool { return headerOf(t, store).TrimmedThrough > 12 })
		assert.Error(t, b.Acknowledge(t.Context(), "No Name", 0, 0))
		assert.Error(t, b.Acknowledge(t.Context(), "order", 5, 0))
	})
}

func TestTrimWaitsForTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		r := start(t, store, options{name: "a", config: quickUpkeep()})
		for i := range 5 { // with pauses: a snapshot that lags behind is that of a later segment, and so is the next
			fill(t, r, fmt.Sprint("x", i), 5)
			rest(time.Second)
		}
		rest(quickUpkeep().TrimAfter - time.Minute - 5*time.Second)
		require.EqualValues(t, 20, headerOf(t, store).Seq)
		require.Len(t, store.Keys("test/journal/0/"), 25)
		waitFor(t, "the trim", func() bool { return headerOf(t, store).DeletedThrough >= 20 })
	})
}

func TestTrimWaitsForTheSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := quickUpkeep()
		cfg.SnapshotEverySegments, cfg.SnapshotEvery = 1<<40, 24*time.Hour
		store := journaltest.NewStore()
		a := start(t, store, options{name: "a", config: cfg})
		fill(t, a, "x", 25)
		rest(23 * time.Hour) // all of it is old by now
		require.Len(t, store.Keys("test/journal/0/"), 25)
		b := start(t, store, options{name: "b", config: cfg})
		require.Equal(t, picture(a.State(0)), picture(b.State(0)))
		waitFor(t, "the trim", func() bool { return headerOf(t, store).DeletedThrough == 25 })
		require.EqualValues(t, 25, headerOf(t, store).Seq)
	})
}

// A replica that has not heard of what the others did for a day must not take the snapshot back: what comes after its
// own place may be trimmed.
func TestASnapshotIsNeverReplacedByAnOlderOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		unaware := quickUpkeep()
		unaware.SnapshotEvery, unaware.PollEvery = 7*time.Minute, 100*time.Hour
		behind := start(t, store, options{name: "behind", config: unaware})
		fill(t, behind, "x", 5)
		other := start(t, store, options{name: "other", config: quickUpkeep()})
		fill(t, other, "y", 25)
		newest := uint64(0)
		for range 24 * 60 {
			rest(time.Minute)
			h := headerOf(t, store)
			require.GreaterOrEqual(t, h.Seq, newest)
			newest = h.Seq
		}
		require.EqualValues(t, 5, behind.Heads()[0], "it was never told")
		require.GreaterOrEqual(t, headerOf(t, store).DeletedThrough, uint64(20))
		fresh := start(t, store, options{name: "fresh", config: quickUpkeep()})
		require.Equal(t, picture(other.State(0)), picture(fresh.State(0)))
	})
}

// sleepThroughTheWindow gives a replica that was stopped at head 0 inside or outside of a commit, and lets the others
// commit and trim meanwhile.
func sleepThroughTheWindow(t *testing.T, store *journaltest.Store, sleeper *replica) {
	t.Helper()
	other := start(t, store, options{name: "other", config: quickUpkeep()})
	fill(t, other, "x", 25)
	waitFor(t, "the trim", func() bool { return headerOf(t, store).DeletedThrough >= 20 })
	require.Nil(t, store.Value("test/journal/0/1"))
	sleeper.client.Resume()
}

// The write of a process that was paused in the middle of it lands in a hole; nobody may be told that it is a commit.
func TestZombieWriteIsNoCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		zombie := start(t, store, options{name: "zombie", config: quickUpkeep(), faults: journaltest.Faults{
			Script: func(op, key string, nth int) (journaltest.Fault, bool) {
				return journaltest.Delay, key == "test/journal/0/1" && op == journaltest.OpCreate && nth == 0
			}}})
		answer := make(chan error, 1)
		go func() { _, err := zombie.buy(t.Context(), "z"); answer <- err }()
		synctest.Wait() // it has checked, decided, and is on its way to the store
		zombie.client.Pause()
		sleepThroughTheWindow(t, store, zombie)
		err := <-answer
		require.True(t, errs.HasCode(err, errs.CodeOutcomeUnknown), "%v", err)
		ticket, err := zombie.buy(t.Context(), "z")
		require.NoError(t, err)
		require.Equal(t, 26, ticket)
		require.Nil(t, store.Value("test/journal/0/1"), "the write in the hole was removed")
		require.NoError(t, checkSequence(store))
	})
}

// A process that slept outside of a commit finds its number free and must not take it.
func TestSleeperDoesNotWriteIntoTheHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		sleeper := start(t, store, options{name: "sleeper", config: quickUpkeep()})
		sleeper.client.Pause()
		sleepThroughTheWindow(t, store, sleeper)
		ticket, err := sleeper.buy(t.Context(), "s")
		require.NoError(t, err)
		require.Equal(t, 26, ticket)
	})
}

// What another zombie left in a hole is not read as a commit either.
func TestJunkInTheHoleIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		sleeper := start(t, store, options{name: "sleeper", config: quickUpkeep()})
		sleeper.client.Pause()
		junk := func() {
			store.Put("test/journal/0/1", []byte(`{"version":1,"service":"test","shard":0,"seq":1,"writer":"zombie","batch":1,`+
				`"at":"2000-01-01T00:00:00Z","events":[{"type":"test.bought","data":{"id":"junk","ticket":1}}]}`))
		}
		other := start(t, store, options{name: "other", config: quickUpkeep()})
		fill(t, other, "x", 25)
		waitFor(t, "the trim", func() bool { return headerOf(t, store).DeletedThrough >= 20 })
		junk()
		sleeper.client.Resume()
		ticket, err := sleeper.buy(t.Context(), "s")
		require.NoError(t, err)
		require.Equal(t, 26, ticket)
		_, err = other.Segments(t.Context(), 0, 0, 1)
		if err == nil { // still in memory: then it is the real one
			segments, _ := other.Segments(t.Context(), 0, 0, 1)
			require.Equal(t, "other", segments[0].Writer)
		}
		fresh := start(t, store, options{name: "fresh", config: quickUpkeep()})
		require.Equal(t, picture(sleeper.State(0)), picture(fresh.State(0)))
		_, err = fresh.Segments(t.Context(), 0, 0, 1)
		require.Error(t, err)
		require.Equal(t, errs.Gone, errs.From(err).Kind)
	})
}

// The reverse of the zombie: its write lands where nobody was, with a time long past. It must not be trimmed
// before all who saw the number free have had time to learn of it.
func TestLateWriteWithOldTimeIsNotTrimmedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Everybody is as quick to trim as can be, and the watcher as slow to look as StaleAfter allows.
		eager, slow := quickUpkeep(), quickUpkeep()
		eager.SnapshotEverySegments, eager.TrimEvery = 1, 5*time.Second
		slow.PollEvery = 40 * time.Second
		store := journaltest.NewStore()
		old := start(t, store, options{name: "old", config: eager, deps: func(d *journal.Deps) {
			d.Now = func() time.Time { return time.Now().Add(-48 * time.Hour) }
		}})
		trimmer := start(t, store, options{name: "trimmer", config: eager})
		watcher := start(t, store, options{name: "watcher", config: slow})
		for i := range 30 {
			_, err := old.buy(t.Context(), fmt.Sprint(i))
			require.NoError(t, err)
			rest(10 * time.Second)
			require.LessOrEqual(t, headerOf(t, store).TrimmedThrough, watcher.Heads()[0])
		}
		waitFor(t, "the trim", func() bool { return headerOf(t, store).TrimmedThrough >= 20 })
		require.NoError(t, watcher.Sync(t.Context(), 0))
		require.Equal(t, picture(trimmer.State(0)), picture(watcher.State(0)))
	})
}

// Between reading the header and reading the segments others may write a newer snapshot and trim: the loader must not
// take the hole for the end.
func TestLoadWhileOthersTrim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := journal.Config{SnapshotEverySegments: 1 << 40, SnapshotEvery: time.Hour, CommitWithin: time.Second,
			StaleAfter: 4 * time.Minute, TrimAfter: 10 * time.Minute, TrimEvery: time.Minute}
		store := journaltest.NewStore()
		other := start(t, store, options{name: "other", config: cfg})
		fill(t, other, "x", 25)
		rest(time.Hour - time.Second) // all of it is old, and the first snapshot is due in a second
		require.Zero(t, headerOf(t, store).Seq)
		loader, err := launch(store, options{name: "loader", config: cfg, faults: journaltest.Faults{
			Script: func(op, key string, nth int) (journaltest.Fault, bool) {
				return journaltest.Delay, key == "test/journal/0/1" && nth == 0
			}}})
		require.NoError(t, err)
		defer func() { require.NoError(t, loader.stop()) }()
		synctest.Wait() // it has read the header, which is not there yet, and is reading segment 1
		loader.client.Pause()
		began := time.Now()
		waitFor(t, "the trim", func() bool { return headerOf(t, store).DeletedThrough >= 20 })
		require.Less(t, time.Since(began), cfg.StaleAfter)
		loader.client.Resume()
		<-loader.Loaded()
		require.Equal(t, picture(other.State(0)), picture(loader.State(0)))
	})
}
