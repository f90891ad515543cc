package task

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/kit/errs"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestBackOffDoublesToItsBound(t *testing.T) {
	var waits []time.Duration
	for n := 1; n <= 8; n++ {
		waits = append(waits, BackOff(n)/time.Second)
	}
	require.Equal(t, []time.Duration{1, 2, 4, 8, 16, 32, 32, 32}, waits)
}

func TestFailuresWaitAndThenPark(t *testing.T) {
	at := start
	s := NewSet()
	s.Put(New("a", at))
	for n := 1; n <= MaxFailures; n++ {
		granted := decide(t, s, at, Claim{By: "w", IDs: []string{"a"}, Lease: time.Minute}).([]Task)
		require.Len(t, granted, 1)
		require.Equal(t, n, granted[0].Attempts)
		failed := decide(t, s, at, Fail{ID: "a", By: "w", Reason: "down"}).(Task)
		if n == MaxFailures {
			require.Equal(t, Parked, failed.Status)
			break
		}
		require.Equal(t, Queued, failed.Status)
		require.Equal(t, at.Add(BackOff(n)), failed.NextAt)
		require.Empty(t, decide(t, s, failed.NextAt.Add(-1), Claim{By: "w", IDs: []string{"a"}, Lease: time.Minute}), "before it is due")
		at = failed.NextAt
	}
	require.Equal(t, 1, s.ParkedLen())
	require.Empty(t, decide(t, s, at.Add(time.Hour), Claim{By: "w", IDs: []string{"a"}, Lease: time.Minute}), "parked")

	again := decide(t, s, at, Retry{ID: "a"}).(Task)
	require.Equal(t, Queued, again.Status)
	require.Zero(t, again.Failures, "an operator's retry has all its waits before it")
	require.Equal(t, MaxFailures, again.Attempts, "but what was attempted stays attempted")
}

func TestResultsOfALostClaimAreRefused(t *testing.T) {
	s := NewSet()
	s.Put(NewClaimed("a", start, "dead", time.Second))
	require.Empty(t, decide(t, s, start, Claim{By: "w", IDs: []string{"a"}, Lease: time.Second}), "leased to another writer")
	require.Len(t, decide(t, s, start.Add(time.Second), Claim{By: "w", IDs: []string{"a"}, Lease: time.Second}), 1)
	_, changed, err, handled := Decide(s, start, Fail{ID: "a", By: "dead"})
	require.True(t, handled)
	require.Empty(t, changed)
	require.True(t, errs.HasCode(err, CodeNotClaimed))
	_, _, err, _ = Decide(s, start, Park{ID: "b", By: "w"})
	require.True(t, errs.HasCode(err, CodeUnknownTask))
	_, _, err, _ = Decide(s, start, Retry{ID: "a"})
	require.True(t, errs.HasCode(err, CodeNotParked))
}

func TestAReleasedClaimWasNoAttempt(t *testing.T) {
	s := NewSet()
	s.Put(NewClaimed("a", start, "w", time.Minute))
	released := decide(t, s, start, Release{By: "w", IDs: []string{"a", "unknown"}}).([]Task)
	require.Len(t, released, 1)
	require.False(t, released[0].Attempted())
	require.True(t, released[0].Claimable(start, "other"))
}

func TestReasonsAreBoundedText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reason := rapid.OneOf(rapid.String(), rapid.StringN(190, 400, -1), rapid.Just(strings.Repeat("\xff", 300))).Draw(t, "reason")
		out := bounded(reason)
		require.LessOrEqual(t, len(out), MaxReasonBytes)
		require.True(t, utf8.ValidString(out))
		if utf8.ValidString(reason) {
			require.True(t, strings.HasPrefix(reason, out))
		}
	})
}

// decide runs a command that must not fail and applies what it changed.
func decide(t require.TestingT, s *Set, at time.Time, cmd any) any {
	answer, changed, err, handled := Decide(s, at, cmd)
	require.NoError(t, err)
	require.True(t, handled)
	for _, c := range changed {
		s.Put(c)
	}
	return answer
}

// TestLifecycle runs random commands of several writers and compares every index with a look at all tasks.
func TestLifecycle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, at := NewSet(), start
		id := rapid.SampledFrom([]string{"a", "b", "c", "a:1", "ab"})
		writer := rapid.SampledFrom([]string{"w", "w1", "v"})
		lease := rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.IntRange(1, 20).Draw(t, "lease")) * time.Second
		})
		try := func(cmd any) any {
			before := s.Clone()
			answer, changed, err, handled := Decide(s, at, cmd)
			require.True(t, handled)
			if err != nil {
				require.Empty(t, changed)
				return nil
			}
			for _, c := range changed {
				checkChange(t, before, at, cmd, c)
				s.Put(c)
			}
			checkUnchanged(t, before, changed)
			return answer
		}
		t.Repeat(map[string]func(*rapid.T){
			"time": func(t *rapid.T) {
				at = at.Add(time.Duration(rapid.IntRange(1, 40_000).Draw(t, "ms")) * time.Millisecond)
			},
			"new": func(t *rapid.T) {
				if id := id.Draw(t, "id"); !has(s, id) {
					s.Put(NewClaimed(id, at, rapid.SampledFrom([]string{"", "w", "v"}).Draw(t, "writer"), lease.Draw(t, "lease")))
				}
			},
			"claim": func(t *rapid.T) {
				ids := rapid.SliceOfNDistinct(id, 0, 3, rapid.ID).Draw(t, "ids")
				try(Claim{By: writer.Draw(t, "writer"), IDs: ids, Lease: lease.Draw(t, "lease")})
			},
			"release": func(t *rapid.T) {
				try(Release{By: writer.Draw(t, "writer"), IDs: rapid.SliceOfNDistinct(id, 0, 3, rapid.ID).Draw(t, "ids")})
			},
			"fail":  func(t *rapid.T) { try(Fail{ID: id.Draw(t, "id"), By: writer.Draw(t, "writer"), Reason: "no"}) },
			"park":  func(t *rapid.T) { try(Park{ID: id.Draw(t, "id"), By: writer.Draw(t, "writer"), Reason: "never"}) },
			"retry": func(t *rapid.T) { try(Retry{ID: id.Draw(t, "id")}) },
			"done":  func(t *rapid.T) { s.Remove(id.Draw(t, "id")) },
			"":      func(t *rapid.T) { checkIndexes(t, s, at) },
		})
	})
}

func has(s *Set, id string) bool {
	_, ok := s.Get(id)
	return ok
}

// checkChange holds the rules of the lifecycle against one change.
func checkChange(t *rapid.T, before *Set, at time.Time, cmd any, now Task) {
	was, ok := before.Get(now.ID)
	require.True(t, ok, "only open tasks change")
	require.Equal(t, was.CreatedAt, now.CreatedAt)
	switch c := cmd.(type) {
	case Claim:
		leased := was.Status == Claimed && was.ClaimedBy != c.By && at.Before(was.ClaimUntil)
		require.False(t, leased, "nobody takes a claim before its lease ends")
		require.NotEqual(t, Parked, was.Status)
		require.Equal(t, at.Add(c.Lease), now.ClaimUntil)
	case Fail:
		require.Equal(t, c.By, was.ClaimedBy)
		require.Equal(t, was.Failures+1 >= MaxFailures, now.Status == Parked)
	}
	require.GreaterOrEqual(t, now.Attempts, 0)
}

func checkUnchanged(t *rapid.T, before *Set, changed []Task) {
	for was := range before.All() {
		if i := slices.IndexFunc(changed, func(c Task) bool { return c.ID == was.ID }); i < 0 {
			continue
		}
		again, ok := before.Get(was.ID)
		require.True(t, ok)
		require.Equal(t, was, again, "a clone is independent")
	}
}

func checkIndexes(t *rapid.T, s *Set, at time.Time) {
	all := slices.Collect(s.All())
	require.Equal(t, s.Len(), len(all))
	want := func(keep func(Task) bool) []string {
		var ids []string
		for _, task := range all {
			if keep(task) {
				ids = append(ids, task.ID)
			}
		}
		slices.Sort(ids)
		return ids
	}
	ids := func(tasks []Task) []string {
		var ids []string
		for _, task := range tasks {
			ids = append(ids, task.ID)
		}
		slices.Sort(ids)
		return ids
	}
	require.Equal(t, want(func(x Task) bool { return x.Claimable(at, "") }), ids(slices.Collect(s.Due(at))))
	for _, w := range []string{"w", "w1", "v"} {
		require.Equal(t, want(func(x Task) bool { return x.ClaimedBy == w }), ids(slices.Collect(s.ClaimedBy(w, time.Time{}))))
		require.Equal(t, want(func(x Task) bool { return x.ClaimedBy == w && !x.ClaimUntil.Before(at) }), ids(slices.Collect(s.ClaimedBy(w, at))))
		require.Equal(t, want(func(x Task) bool { return x.ClaimedBy == w && x.ClaimUntil.Before(at) }), ids(slices.Collect(s.ClaimedUntil(w, at))))
	}
	require.Equal(t, want(func(x Task) bool { return x.Status == Parked }), ids(slices.Collect(s.Parked())))
	require.Equal(t, s.ParkedLen(), len(slices.Collect(s.Parked())))
	next, ok := s.NextDue(at)
	var first time.Time
	for _, x := range all {
		due := x.NextAt
		if x.Status == Claimed {
			due = x.ClaimUntil
		}
		if x.Status != Parked && due.After(at) && (first.IsZero() || due.Before(first)) {
			first = due
		}
	}
	require.Equal(t, !first.IsZero(), ok)
	require.True(t, first.Equal(next))
}
