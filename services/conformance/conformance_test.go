package conformance_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/conformance"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

func TestEveryLieIsCaughtByName(t *testing.T) {
	told := map[string]bool{}
	for _, lie := range lies {
		told[lie.property] = true
		t.Run(lie.property+"/"+lie.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := honest(journaltest.Faults{})
				lie.tell(s)
				v, err := s.run(t.Context())
				require.NoError(t, err)
				failed := v.Names(conformance.Failed)
				if lie.property == "create-new" {
					assert.Contains(t, failed, lie.property)
					return // nothing else can hold
				}
				assert.Contains(t, failed, lie.property)
				others := slices.DeleteFunc(failed, func(name string) bool { return name == lie.property || slices.Contains(lie.also, name) })
				assert.Empty(t, others, "failed too\n%s", v.Words())
				assert.Equal(t, lie.level, v.Level(), "%s", v.Words())
				assert.Contains(t, v.Words(), lie.property)
			})
		})
	}
	for _, p := range conformance.Properties() {
		if !p.AboutBroker() {
			assert.True(t, told[p.Name], "no store lies about %s", p.Name)
		}
	}
}

func TestAnHonestStorePassesEverythingAndIsLeftEmpty(t *testing.T) {
	for name, faults := range map[string]journaltest.Faults{
		"without faults":            {},
		"conflicts as plain errors": {PlainConflict: 1},
		"now and then a failure":    {Seed: 7, FailBefore: .01, FailAfter: .01, Delay: .05, DelayUpTo: 30 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := honest(faults)
				var reported []string
				v, err := conformance.Run(t.Context(), s.liar, func(r conformance.Result) { reported = append(reported, r.Name) },
					conformance.WithPeer(s.store.Client("b", faults)), conformance.WithOverwrite(s.overwrite), conformance.WithRestart("nothing", s.restart))
				require.NoError(t, err)
				assert.Empty(t, v.Names(conformance.Failed), "%s", v.Words())
				assert.Empty(t, v.Names(conformance.Skipped))
				assert.Equal(t, conformance.LevelSafe, v.Level())
				assert.Equal(t, "sidecart is safe on this set.\nNot tried: the broker.", v.Words())
				assert.Positive(t, v.Pace.PerSecond)
				assert.Empty(t, s.store.Keys("conformance/"))
				var want []string
				for _, p := range conformance.Properties() {
					if !p.AboutBroker() {
						want = append(want, p.Name)
					}
				}
				assert.Equal(t, want, reported)
			})
		})
	}
}

func TestWhatIsNotGivenIsNotTriedAndSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, err := conformance.Run(t.Context(), honest(journaltest.Faults{}).liar, nil)
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{"create-refuses-overwritten", "one-store", "restart"}, v.Names(conformance.Skipped))
		assert.Equal(t, conformance.LevelSafe, v.Level())
		assert.Contains(t, v.Words(), "Not tried: ")
	})
}

func TestAStoreThatIsNotThereIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := journaltest.NewStore().Client("a", journaltest.Faults{})
		client.Cut()
		_, err := conformance.Run(t.Context(), client, nil)
		assert.ErrorContains(t, err, "not reached within 30s")
		assert.ErrorIs(t, err, journaltest.ErrCut)
	})
}

func TestAnEndedRunSaysSoAndCleansUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := honest(journaltest.Faults{})
		v, err := conformance.Run(ctx, s.liar, func(r conformance.Result) {
			if r.Name == "create-race" {
				cancel()
			}
		})
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, "create-race", v.Results[len(v.Results)-1].Name)
		assert.Empty(t, s.store.Keys("conformance/"))
	})
}

func TestWhatCannotBeDeletedIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := honest(journaltest.Faults{})
		s.liar.remove = func(context.Context, string) error { return errors.New("read only") }
		v, err := s.run(t.Context())
		require.NoError(t, err)
		assert.Contains(t, v.Words(), "Left behind: ")
		assert.Contains(t, v.Left, "could not be deleted")
	})
}

func TestPropertiesAreNamedOnceAndSaySoInWords(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range conformance.Properties() {
		assert.Regexp(t, `^[a-z]+(-[a-z]+)*$`, p.Name)
		assert.False(t, seen[p.Name], p.Name)
		seen[p.Name] = true
		assert.NotEmpty(t, p.Asks)
		assert.NotEmpty(t, p.Breaks)
		assert.Contains(t, []conformance.Severity{conformance.Unsafe, conformance.Degraded, conformance.Note}, p.Severity)
	}
}

// fakeBroker hands events to the suite's app.
type fakeBroker struct {
	deliver func(b *conformance.Broker, n int, e sidecar.CloudEvent) error
	b       *conformance.Broker
	n       int
}

func (f *fakeBroker) Publish(_ context.Context, _ string, e sidecar.CloudEvent) error {
	f.n++
	return f.deliver(f.b, f.n, e)
}

// until delivers again until the app takes it.
func until(b *conformance.Broker, e sidecar.CloudEvent) {
	for !b.Deliver(e) {
	}
}

func TestBrokers(t *testing.T) {
	for name, c := range map[string]struct {
		level   conformance.Level
		failed  []string
		deliver func(b *conformance.Broker, n int, e sidecar.CloudEvent) error
	}{
		"honest": {conformance.LevelSafe, nil, func(b *conformance.Broker, _ int, e sidecar.CloudEvent) error { until(b, e); return nil }},
		"twice": {conformance.LevelSafe, nil, func(b *conformance.Broker, _ int, e sidecar.CloudEvent) error {
			until(b, e)
			until(b, e)
			return nil
		}},
		"starts late": {conformance.LevelSafe, nil, func(b *conformance.Broker, n int, e sidecar.CloudEvent) error {
			if n > 5 {
				until(b, e)
			}
			return nil
		}},
		"never leaves its sidecar, as in memory": {
			conformance.LevelDegraded, []string{"broker-delivers"},
			func(*conformance.Broker, int, sidecar.CloudEvent) error { return nil },
		},
		"takes nothing": {
			conformance.LevelDegraded, []string{"broker-delivers"},
			func(*conformance.Broker, int, sidecar.CloudEvent) error { return errors.New("no stream") },
		},
		"loses one": {conformance.LevelDegraded, []string{"broker-delivers"}, func(b *conformance.Broker, n int, e sidecar.CloudEvent) error {
			if n != 30 {
				until(b, e)
			}
			return nil
		}},
		"changes the type": {conformance.LevelDegraded, []string{"broker-envelope"}, func(b *conformance.Broker, _ int, e sidecar.CloudEvent) error {
			e.Type = "com.example"
			until(b, e)
			return nil
		}},
		"loses large ones": {conformance.LevelDegraded, []string{"broker-large"}, func(b *conformance.Broker, _ int, e sidecar.CloudEvent) error {
			if len(e.Data) < 128<<10 {
				until(b, e)
			}
			return nil
		}},
		"loses what an app could not take": {conformance.LevelSafe, []string{"broker-redelivers"}, func(b *conformance.Broker, _ int, e sidecar.CloudEvent) error {
			b.Deliver(e)
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakeBroker{deliver: c.deliver}
				f.b = conformance.NewBroker(f, "conformance")
				v, err := conformance.Run(t.Context(), nil, nil, conformance.BrokerOnly(), conformance.WithBroker(f.b))
				require.NoError(t, err)
				assert.Equal(t, c.failed, v.Names(conformance.Failed), "%s", v.Words())
				assert.Equal(t, c.level, v.Level())
				assert.NotContains(t, v.Words(), "safe on this set", "nobody looked at the store")
			})
		})
	}
	v, err := conformance.Run(t.Context(), nil, nil, conformance.BrokerOnly(), conformance.WithBroker(conformance.NoBroker(errors.New("daprd refused it"))))
	require.NoError(t, err)
	assert.Equal(t, []string{"broker-starts"}, v.Names(conformance.Failed))
	assert.Equal(t, conformance.LevelUnsafe, v.Level())
	assert.Contains(t, v.Words(), "sidecart can NOT use this broker.")
	assert.Contains(t, v.Words(), "daprd refused it")
}
