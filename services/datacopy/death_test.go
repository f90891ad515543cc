package datacopy

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

// TestACopyIsTakenUpAfterDeathAtEveryWrite kills a run before and after each of its writes, in either store; some are undone.
// The next one gets to the end, and the target has everything.
func TestACopyIsTakenUpAfterDeathAtEveryWrite(t *testing.T) {
	for _, how := range []journaltest.Fault{journaltest.FailBefore, journaltest.FailAfter} {
		for at := 0; ; at++ {
			died := false
			synctest.Test(t, func(t *testing.T) {
				source, clients := traded(t)
				target := journaltest.NewStore()
				var writes atomic.Int64
				var from, to *journaltest.Client
				faults := journaltest.Faults{Script: func(op, _ string, _ int) (journaltest.Fault, bool) {
					if op == journaltest.OpGet || op == journaltest.OpGetBulk || writes.Add(1) != int64(at+1) {
						return journaltest.None, true
					}
					died = true
					from.Cut()
					to.Cut()
					return how, true
				}}
				from, to = source.Client("killed", faults), target.Client("killed", faults)
				_, err := newCopier(t, from, to).Run(t.Context())
				require.Equal(t, died, err != nil, "%v", err)
				c := plainCopier(t, source, target)
				if _, err := c.Undo(t.Context()); at%3 == 0 && err == nil {
					r, err := launch(source, "b", journaltest.Faults{}, settings())
					require.NoError(t, err)
					<-r.log.Loaded()
					sell(t, r, clients, 7, 7)
					require.NoError(t, r.stop())
				}
				report, err := c.Run(t.Context())
				require.NoError(t, err)
				require.True(t, report.Switched)
				require.NoError(t, clients.check(target))
				require.NoError(t, sameEverywhere(source, target))
			})
			if !died {
				require.Greater(t, at, 25)
				break
			}
			if t.Failed() {
				t.Fatalf("died at write %d (%v)", at, how)
			}
		}
	}
}

// An undo that comes a moment before the switch wins: the run that would have switched opens the source again.
func TestAnUndoneCopyDoesNotSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, clients := traded(t)
		target := journaltest.NewStore()
		undone := false
		to := target.Client("c", journaltest.Faults{Script: func(op, key string, _ int) (journaltest.Fault, bool) {
			if op == journaltest.OpReplace && key == recordKey && !undone {
				undone = true
				_, err := newCopier(t, source.Client("u", journaltest.Faults{}), target.Client("u", journaltest.Faults{})).Undo(t.Context())
				require.NoError(t, err)
			}
			return journaltest.None, true
		}})
		report, err := newCopier(t, source.Client("c", journaltest.Faults{}), to).Run(t.Context())
		require.ErrorIs(t, err, ErrUndone)
		require.False(t, report.Switched)
		require.NoError(t, clients.check(source))
		require.ErrorContains(t, clients.check(target), "not served", "what was copied is nobody's shop")
		report, err = plainCopier(t, source, target).Run(t.Context())
		require.NoError(t, err)
		require.True(t, report.Switched, "a later run takes it up")
		require.NoError(t, clients.check(target))
	})
}

// A run that sleeps at any of its calls until the shop sells from the target changes nothing there when it wakes.
func TestASleepingCopierIsHarmless(t *testing.T) {
	for at := 0; ; at++ {
		slept := false
		synctest.Test(t, func(t *testing.T) {
			source, clients := traded(t)
			target := journaltest.NewStore()
			var calls atomic.Int64
			var to *journaltest.Client
			to = target.Client("sleeper", journaltest.Faults{Script: func(string, string, int) (journaltest.Fault, bool) {
				if calls.Add(1) == int64(2*at+1) {
					slept = true
					go to.Pause() // at the latest at the end of this call
				}
				return journaltest.Delay, true
			}, DelayUpTo: 10 * time.Millisecond})
			done := make(chan error, 1)
			go func() {
				_, err := newCopier(t, source.Client("sleeper", journaltest.Faults{}), to).Run(t.Context())
				done <- err
			}()
			rest(time.Minute)
			_, err := plainCopier(t, source, target).Run(t.Context())
			require.NoError(t, err)
			r, err := launch(target, "b", journaltest.Faults{}, settings())
			require.NoError(t, err)
			<-r.log.Loaded()
			sell(t, r, clients, 7, 9)
			sellTo(t, r, clients, 4, 7, 1, 1) // newcomers, in the lists of the same owners
			rest(30 * time.Second)
			to.Resume()
			<-done
			sell(t, r, clients, 10, 11)
			rest(30 * time.Second)
			require.NoError(t, r.stop())
			require.NoError(t, clients.check(target))
		})
		if !slept {
			require.Greater(t, at, 10)
			break
		}
		if t.Failed() {
			t.Fatalf("slept at call %d", 2*at)
		}
	}
}
