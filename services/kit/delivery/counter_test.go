package delivery

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

func counterOf(t *testing.T, state sidecar.State, writer string, reg prometheus.Registerer) *Counter {
	t.Helper()
	c, err := NewCounter(CounterConfig{Follower: "notify", Sources: []string{"order"}, Present: "pubsub", Next: "pubsub-next"},
		CounterDeps{State: state, Now: func() time.Time { return time.Now().UTC() }, Writer: writer, Log: slog.New(slog.DiscardHandler), Metrics: reg})
	require.NoError(t, err)
	return c
}

func eventOf(seq uint64) sidecar.CloudEvent {
	return sidecar.CloudEvent{ID: SegmentID("order", 0, seq), Shares: both(100).String()}
}

func countingFor(c *Counter) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = c.Run(ctx) })
	return func() { cancel(); running.Wait() }
}

// Two replicas share what each broker brings. Whatever the store does to their writes, none of them alone calls the other's
// share missed, and nothing is counted twice.
func TestReplicasCountTogetherOverABadStore(t *testing.T) {
	const segments = 600
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := journaltest.NewStore()
				faults := journaltest.Faults{Seed: seed, FailBefore: 0.1, FailAfter: 0.1, PlainConflict: 0.2, Delay: 0.2}
				a := counterOf(t, store.Client("a", faults), "a", nil)
				b := counterOf(t, store.Client("b", faults), "b", nil)
				stopA, stopB := countingFor(a), countingFor(b)
				dice := rand.New(rand.NewPCG(seed, 0))
				lost := uint64(0)
				for seq := uint64(1); seq <= segments; seq++ {
					for broker := range brokers {
						if broker == Next && seq%50 == 7 {
							lost++
							continue
						}
						to := a
						if seq > 1 && dice.IntN(2) == 0 { // counting begins with the lowest number of the first who writes
							to = b
						}
						require.NoError(t, to.Note(broker, eventOf(seq), broker == Present))
						time.Sleep(time.Millisecond)
					}
					if seq == 1 {
						time.Sleep(20 * time.Second)
					}
					time.Sleep(50 * time.Millisecond)
				}
				time.Sleep(Grace + 30*time.Second)
				stopB()
				stopA()
				lines, err := counterOf(t, store.Client("c", journaltest.Faults{}), "c", nil).Lines(t.Context())
				require.NoError(t, err)
				present, next := lines[0], lines[1]
				assert.Equal(t, []uint64{segments, segments, 0, 0}, []uint64{present.Delivered, present.First, present.Doubled, present.Missed})
				assert.Equal(t, []uint64{segments - lost, 0, 0, lost}, []uint64{next.Delivered, next.First, next.Doubled, next.Missed})
				assert.Equal(t, "order/0/557", next.LastMissed)
				require.NotNil(t, present.InARowSince)
				assert.EqualValues(t, segments, present.InARow)
			})
		})
	}
}

func TestTheLastWordsAreWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		reg := prometheus.NewRegistry()
		c := counterOf(t, store.Client("a", journaltest.Faults{}), "a", reg)
		stop := countingFor(c)
		require.NoError(t, c.Note(Present, eventOf(1), true))
		lines, err := c.Lines(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 1, lines[0].Delivered, "what is not written yet is counted in")
		assert.Zero(t, store.Writes(), "asking writes nothing")
		stop()
		assert.Equal(t, []string{RecordKey("notify", "order")}, store.Keys(""))
		families, err := reg.Gather()
		require.NoError(t, err)
		require.Len(t, families, 1)
		assert.Len(t, families[0].GetMetric(), 10, "five for each of two brokers")
		writes := store.Writes()
		idle := countingFor(counterOf(t, store.Client("b", journaltest.Faults{}), "b", nil))
		time.Sleep(Grace + time.Minute)
		idle()
		assert.Equal(t, writes+1, store.Writes(), "the one open number is judged, then nothing is written")
	})
}

func TestOtherBrokersAreAnotherCount(t *testing.T) {
	store := journaltest.NewStore()
	c := counterOf(t, store.Client("a", journaltest.Faults{}), "a", nil)
	require.NoError(t, c.Note(Present, eventOf(1), true))
	c.flush(t.Context())
	other := counterOf(t, store.Client("b", journaltest.Faults{}), "b", nil)
	other.by["order"].cfg.Next = "pubsub-third"
	require.NoError(t, other.Note(Present, eventOf(2), true))
	other.flush(t.Context())
	lines, err := other.Lines(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 1, lines[0].Delivered)
	assert.Equal(t, "pubsub-third", lines[1].Broker)
}

// A store that is away for long costs the count its memory and nothing else.
func TestWhatCannotBeWrittenIsBounded(t *testing.T) {
	store := journaltest.NewStore()
	client := store.Client("a", journaltest.Faults{})
	c := counterOf(t, client, "a", nil)
	for seq := uint64(1); seq <= maxPending+10; seq++ {
		require.NoError(t, c.Note(Present, eventOf(seq), true))
	}
	assert.Len(t, c.by["order"].pending, 10)
	c.flush(t.Context())
	lines, err := c.Lines(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 10, lines[0].Delivered)
	assert.Zero(t, lines[0].Missed)
}

func TestWhatIsNoSegmentOfASourceIsNotCounted(t *testing.T) {
	c := counterOf(t, journaltest.NewStore().Client("a", journaltest.Faults{}), "a", nil)
	require.Error(t, c.Note(Present, sidecar.CloudEvent{ID: "x"}, true))
	require.Error(t, c.Note(Present, sidecar.CloudEvent{ID: "payment/0/1"}, true))
	require.Error(t, c.Note(Present, sidecar.CloudEvent{ID: "order/0/1", Shares: "?"}, true))
	assert.Empty(t, c.by["order"].pending)
}
