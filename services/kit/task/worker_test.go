package task_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/follow"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/task"
)

func TestWorkerExecutesWhatIsQueuedAndWhatItsWriterClaimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := newLedger(2), &world{}
		l.put(0, task.New("queued", time.Now()))
		l.put(1, task.NewClaimed("mine", time.Now(), "me", 15*time.Second),
			task.NewClaimed("foreign", time.Now(), "dead", 15*time.Second))
		stop := begin(t, l, w, task.Config{Writer: "me", Channel: "world"})
		defer stop()
		synctest.Wait()
		require.Equal(t, map[string]int{"queued": 1, "mine": 1}, l.done)
		<-time.After(14 * time.Second) // of the bubble
		synctest.Wait()
		require.Zero(t, w.count("foreign"), "a dead writer's claim is respected until its lease ends")
		<-time.After(time.Second) // of the bubble
		synctest.Wait()
		require.Equal(t, 1, l.done["foreign"])
		require.Zero(t, l.set(0).Len()+l.set(1).Len())
	})
}

func TestWorkerWaitsBetweenFailuresThenParks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := newLedger(1), &world{do: func(context.Context, task.Task) task.Outcome { return task.TryAgain("down") }}
		l.put(0, task.New("a", time.Now()))
		stop := begin(t, l, w, task.Config{Writer: "me", Channel: "world"})
		defer stop()
		<-time.After(2 * time.Minute) // of the bubble
		synctest.Wait()
		parked, ok := l.set(0).Get("a")
		require.True(t, ok)
		require.Equal(t, task.Parked, parked.Status)
		require.Equal(t, "down", parked.Reason)
		var waits []time.Duration
		for i := 1; i < len(w.calls["a"]); i++ {
			waits = append(waits, w.calls["a"][i].Sub(w.calls["a"][i-1]).Round(time.Second)/time.Second)
		}
		require.Equal(t, []time.Duration{1, 2, 4, 8, 16, 32}, waits)

		w.mu.Lock()
		w.do = nil
		w.mu.Unlock()
		board := &task.Board{
			Journal: l, Sets: func(s int) []*task.Set { return []*task.Set{l.set(s)} },
			Describe: func(int, task.Task) follow.Parked { return follow.Parked{Source: "world", Type: "effect"} },
		}
		require.Len(t, board.Parked(), 1)
		require.Equal(t, "world", board.Parked()[0].Source)
		require.True(t, errs.HasCode(board.Retry(t.Context(), "b"), follow.CodeParkedNotFound))
		require.NoError(t, board.Retry(t.Context(), "a"))
		synctest.Wait()
		require.Equal(t, 1, l.done["a"])
		require.Empty(t, board.Parked())
	})
}

func TestWorkerGivesUpAtOnceWhenToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := newLedger(1), &world{do: func(context.Context, task.Task) task.Outcome { return task.GiveUp("never") }}
		l.put(0, task.New("a", time.Now()))
		stop := begin(t, l, w, task.Config{Writer: "me", Channel: "world"})
		defer stop()
		synctest.Wait()
		parked, _ := l.set(0).Get("a")
		require.Equal(t, task.Parked, parked.Status)
		require.Equal(t, 1, parked.Attempts)
	})
}

// TestWorkerWaitsAsLongAsTheWayIsClosed: a circuit breaker lets one try through every five seconds; nothing is parked for waiting, and
// what is committed meanwhile does not grow with what waits.
func TestWorkerWaitsAsLongAsTheWayIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tasks, outage = 40, 20 * time.Minute
		began := time.Now()
		nextTry := began
		var tries, commits atomic.Int64
		l := newLedger(2)
		w := &world{}
		w.do = func(_ context.Context, t task.Task) task.Outcome {
			w.mu.Lock()
			defer w.mu.Unlock()
			switch now := time.Now(); {
			case now.Sub(began) > outage:
				return task.Recorded(done{t.ID})
			case now.Before(nextTry):
				return task.NotNow("resting")
			default:
				nextTry = now.Add(5 * time.Second)
				tries.Add(1)
				return task.TryAgain("down")
			}
		}
		for i := range tasks {
			l.put(i%2, task.New(fmt.Sprint(i), time.Now()))
		}
		l.after = func(any) error { commits.Add(1); return nil }
		stop := begin(t, l, w, task.Config{Writer: "me", MaxInFlight: 4})
		defer stop()
		<-time.After(outage) // of the bubble
		synctest.Wait()
		require.Greater(t, tries.Load(), int64(outage/(10*time.Second)), "it is tried all the while")
		require.Less(t, commits.Load(), 2*int64(outage/time.Second), "failed tries and leases of a few, not a commit for each task and second")
		<-time.After(2 * task.MaxBackOff) // of the bubble
		synctest.Wait()
		parked := l.set(0).ParkedLen() + l.set(1).ParkedLen()
		require.Equal(t, tasks, len(l.done)+parked)
		require.LessOrEqual(t, parked, int(tries.Load())/task.MaxFailures, "only what was itself tried often enough")
	})
}

func TestWorkerBoundsConcurrencyAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(3)
		w := &world{do: func(ctx context.Context, t task.Task) task.Outcome {
			<-ctx.Done() // hangs until its deadline
			return task.TryAgain("slow")
		}}
		for i := range 30 {
			l.put(i%3, task.NewClaimed(fmt.Sprint(i), time.Now(), []string{"", "me"}[i%2], 15*time.Second))
		}
		stop := begin(t, l, w, task.Config{Writer: "me", MaxInFlight: 4, ExecuteWithin: time.Second, Lease: 15 * time.Second})
		defer stop()
		<-time.After(10 * time.Minute) // of the bubble
		synctest.Wait()
		require.Equal(t, 4, w.peak)
		for i := range 30 {
			parked, _ := l.set(i % 3).Get(fmt.Sprint(i))
			require.Equal(t, task.Parked, parked.Status, "task %d", i)
			require.Equal(t, task.MaxFailures, w.count(fmt.Sprint(i)), "task %d", i)
		}
	})
}

// TestWorkerRenewsClaimsThatWaitedTooLong gives a worker more of its own claims than it can begin within their lease.
func TestWorkerRenewsClaimsThatWaitedTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(1)
		short := 0
		w := &world{do: func(_ context.Context, t task.Task) task.Outcome {
			if time.Until(t.ClaimUntil) < time.Second {
				short++
			}
			<-time.After(time.Second) // of the bubble
			return task.Recorded(done{t.ID})
		}}
		for i := range 20 {
			l.put(0, task.NewClaimed(fmt.Sprint(i), time.Now(), "me", 3*time.Second))
		}
		stop := begin(t, l, w, task.Config{Writer: "me", MaxInFlight: 1, ExecuteWithin: time.Second, Lease: 3 * time.Second})
		defer stop()
		<-time.After(time.Minute) // of the bubble
		synctest.Wait()
		require.Len(t, l.done, 20)
		require.Zero(t, short, "an execution has its whole time before the lease ends")
		for i := range 20 {
			require.Equal(t, 1, w.count(fmt.Sprint(i)))
		}
	})
}

func TestWorkerKeepsAnOutcomeUntilItIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := newLedger(1), &world{do: func(_ context.Context, t task.Task) task.Outcome {
			<-time.After(100 * time.Millisecond) // of the bubble
			return task.Recorded(done{t.ID})
		}}
		up := time.Now().Add(8 * time.Second)
		l.fail = func(cmd any) error {
			if _, isDone := cmd.(done); isDone && time.Now().Before(up) {
				return errs.OutcomeUnknown(errors.New("the store is down"))
			}
			return nil
		}
		l.put(0, task.New("a", time.Now()))
		stop := begin(t, l, w, task.Config{Writer: "me", Channel: "world"})
		defer stop()
		<-time.After(12 * time.Second) // of the bubble
		synctest.Wait()
		require.Equal(t, 1, l.done["a"])
		require.Equal(t, 1, w.count("a"), "what was done is not done again")
	})
}

func TestWorkerUsesAClaimWhoseAnswerGotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := newLedger(1), &world{}
		lost := 0
		l.after = func(cmd any) error {
			if _, isClaim := cmd.(task.Claim); isClaim && lost == 0 {
				lost++
				return errs.OutcomeUnknown(errors.New("the reply is lost"))
			}
			return nil
		}
		l.put(0, task.New("a", time.Now()))
		stop := begin(t, l, w, task.Config{Writer: "me", Channel: "world"})
		defer stop()
		<-time.After(3 * time.Second) // of the bubble
		synctest.Wait()
		require.Equal(t, 1, l.done["a"])
		require.Equal(t, 1, w.count("a"))
	})
}

func TestWorkerDoesNotSpinWhileTheJournalIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := newLedger(1), &world{}
		tries := 0
		l.fail = func(any) error { tries++; return errs.Overloaded("the queue") }
		l.put(0, task.New("a", time.Now()))
		stop := begin(t, l, w, task.Config{Writer: "me", Channel: "world"})
		defer stop()
		<-time.After(time.Minute) // of the bubble
		synctest.Wait()
		require.LessOrEqual(t, tries, 62)
		require.Zero(t, w.count("a"), "what is not claimed is not done")
	})
}

func TestWorkerSurvivesAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(1)
		w := &world{do: func(_ context.Context, t task.Task) task.Outcome {
			if t.Attempts == 1 {
				panic("a defect")
			}
			return task.Recorded(done{t.ID})
		}}
		l.put(0, task.New("a", time.Now()))
		stop := begin(t, l, w, task.Config{Writer: "me", Channel: "world"})
		defer stop()
		<-time.After(5 * time.Second) // of the bubble
		synctest.Wait()
		require.Equal(t, 1, l.done["a"])
	})
}

func TestWorkerDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(1)
		w := &world{do: func(ctx context.Context, t task.Task) task.Outcome {
			hold := time.Second
			if t.ID == "hangs" {
				hold = time.Hour
			}
			select {
			case <-time.After(hold):
				return task.Recorded(done{t.ID})
			case <-ctx.Done():
				return task.TryAgain("cut off")
			}
		}}
		now := time.Now()
		l.put(0, task.NewClaimed("hangs", now, "me", 15*time.Second), task.NewClaimed("runs", now, "me", 16*time.Second),
			task.NewClaimed("waits", now, "me", 17*time.Second))
		stop := begin(t, l, w, task.Config{Writer: "me", MaxInFlight: 2, DrainWithin: 3 * time.Second})
		synctest.Wait()
		stop()
		require.Equal(t, 3*time.Second, time.Since(now))
		require.Equal(t, map[string]int{"runs": 1}, l.done)
		waits, _ := l.set(0).Get("waits")
		require.Equal(t, task.Queued, waits.Status, "an unused claim is given back")
		require.False(t, waits.Attempted())
		hangs, _ := l.set(0).Get("hangs")
		require.Equal(t, task.Claimed, hangs.Status, "what was cut off is repeated only after its lease")
	})
}

func TestTwoReplicasShareTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := newLedger(2), &world{do: func(_ context.Context, t task.Task) task.Outcome {
			<-time.After(100 * time.Millisecond) // of the bubble
			return task.Recorded(done{t.ID})
		}}
		for i := range 100 {
			l.put(i%2, task.New(fmt.Sprint(i), time.Now()))
		}
		stopA := begin(t, l, w, task.Config{Writer: "a", MaxInFlight: 5})
		stopB := begin(t, l, w, task.Config{Writer: "b", MaxInFlight: 5})
		defer stopA()
		defer stopB()
		<-time.After(time.Minute) // of the bubble
		synctest.Wait()
		for i := range 100 {
			require.Equal(t, 1, w.count(fmt.Sprint(i)), "each is done once while nobody dies")
			require.Equal(t, 1, l.done[fmt.Sprint(i)])
		}
	})
}

func TestConfigIsChecked(t *testing.T) {
	_, err := task.NewWorker(task.Config{ExecuteWithin: time.Second, Lease: time.Second, MaxInFlight: -1}, task.Deps{})
	require.ErrorContains(t, err, "Writer")
	require.ErrorContains(t, err, "Channel")
	require.ErrorContains(t, err, "Lease")
	require.ErrorContains(t, err, "out of range")
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	l := newLedger(2)
	parked := task.New("p", time.Now())
	parked.Status = task.Parked
	l.put(0, task.New("a", time.Now()), parked)
	_, err := task.NewWorker(task.Config{Writer: "me", Channel: "world"}, task.Deps{Journal: l, Set: l.set, Metrics: registry})
	require.NoError(t, err)
	families, err := registry.Gather()
	require.NoError(t, err)
	got := map[string]float64{}
	for _, f := range families {
		got[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
	}
	require.Equal(t, map[string]float64{"sidecart_tasks_open": 2, "sidecart_tasks_parked": 1}, got)
}

// What is done later for a caller, and what is recorded of it, belongs to that caller's trace.
func TestWorkerWorksInTheTraceOfTheTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const id = "4bf92f3577b34da6a3ce929d0e0e4736"
		var executed, recorded []string
		l := newLedger(1)
		w := &world{do: func(ctx context.Context, k task.Task) task.Outcome {
			executed = append(executed, httpx.TraceID(ctx))
			return task.Recorded(done{k.ID})
		}}
		l.heard = func(ctx context.Context, cmd any) {
			if _, ok := cmd.(done); ok {
				recorded = append(recorded, httpx.TraceID(ctx))
			}
		}
		l.put(0, task.New("a", time.Now()).In(id))
		defer begin(t, l, w, task.Config{Writer: "me", Channel: "world", MaxInFlight: 1})()
		synctest.Wait()
		l.put(0, task.New("b", time.Now()))
		<-time.After(2 * time.Second) // of the bubble
		synctest.Wait()
		require.Equal(t, []string{id, ""}, executed)
		require.Equal(t, []string{id, ""}, recorded)
	})
}
