package task_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/task"
)

// slowLedger is a ledger whose every commit takes a time, many at a time, as a journal with group commit does.
type slowLedger struct {
	*ledger
	takes time.Duration
}

func (l slowLedger) DoShard(ctx context.Context, shard int, cmd journal.Command) (journal.Result, error) {
	<-time.After(l.takes) // of the bubble
	return l.ledger.DoShard(ctx, shard, cmd)
}

// TestTheOutsideWorldDoesNotWaitForTheStore holds that one execution at a time follows the other although claims and
// records take far longer, so that a backlog goes away as fast as the outside world takes it.
func TestTheOutsideWorldDoesNotWaitForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tasks = 200
		l := slowLedger{newLedger(2), 30 * time.Millisecond}
		w := &world{do: func(_ context.Context, t task.Task) task.Outcome {
			<-time.After(20 * time.Millisecond) // of the bubble
			return task.Recorded(done{t.ID})
		}}
		for i := range tasks {
			l.put(i%2, task.New(fmt.Sprint(i), time.Now()))
		}
		began := time.Now()
		stop := beginOn(t, l, l.ledger, w, task.Config{Writer: "me", MaxInFlight: 1})
		defer stop()
		for len(w.made()) < tasks {
			<-time.After(time.Millisecond) // of the bubble
		}
		require.Equal(t, 1, w.peak)
		require.Less(t, time.Since(began), tasks*30*time.Millisecond, "the bubble's clock: 20 ms each, and not 80")
		for i := range tasks {
			require.Equal(t, 1, w.count(fmt.Sprint(i)))
		}
	})
}

// TestUnrecordedOutcomesAreBounded holds that a store that takes nothing stops the effects before many are made whose
// outcome nobody knows after a crash.
func TestUnrecordedOutcomesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := newLedger(1), &world{}
		l.fail = func(cmd any) error {
			if _, isDone := cmd.(done); isDone {
				return errs.OutcomeUnknown(errors.New("the store is down"))
			}
			return nil
		}
		for i := range 100 {
			l.put(0, task.NewClaimed(fmt.Sprint(i), time.Now(), "me", time.Hour))
		}
		stop := begin(t, l, w, task.Config{Writer: "me", MaxInFlight: 2})
		<-time.After(10 * time.Second) // of the bubble
		synctest.Wait()
		require.LessOrEqual(t, len(w.made()), 2+4*2)
		stop()
	})
}
