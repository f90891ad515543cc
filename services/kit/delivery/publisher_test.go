package delivery

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// fakeBroker keeps what it was given; it can refuse, and it can be slow.
type fakeBroker struct {
	mu    sync.Mutex
	got   []sidecar.CloudEvent
	err   error
	takes time.Duration
}

func (f *fakeBroker) Publish(ctx context.Context, _ string, event sidecar.CloudEvent) error {
	f.mu.Lock()
	err, takes := f.err, f.takes
	f.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = append(f.got, event)
	return nil
}

func (f *fakeBroker) ids() (ids []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.got {
		ids = append(ids, e.ID)
	}
	return ids
}

func publishing(percent int, present, next *fakeBroker) (p *Publisher, stop func()) {
	p = NewPublisher(PublisherConfig{Present: "pubsub", Next: "pubsub-next", Percent: percent}, present, next, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = p.Run(ctx) })
	return p, func() { cancel(); running.Wait() }
}

func TestTheShareGoesToBothAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		present, next := &fakeBroker{}, &fakeBroker{}
		p, stop := publishing(50, present, next)
		var want []string
		for seq := uint64(1); seq <= 40; seq++ {
			event := eventOf(seq)
			if InShare(event.ID, 50) {
				want = append(want, event.ID)
			}
			require.NoError(t, p.Publish(t.Context(), "order", event))
		}
		stop() // an orderly end loses nothing
		assert.Len(t, present.got, 40)
		assert.Equal(t, want, next.ids(), "in order")
		for _, e := range append(present.got, next.got...) {
			assert.Equal(t, "pubsub=100,pubsub-next=50", e.Shares)
		}
		assert.Equal(t, Publishing{Published: uint64(len(want))}, p.Publishing())
		require.NoError(t, p.Publish(t.Context(), "order", eventOf(41)))
		assert.Len(t, next.ids(), len(want), "after the end the next broker gets nothing")
	})
}

func TestANextBrokerThatHangsOrFailsCostsThePresentOneNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		present, next := &fakeBroker{}, &fakeBroker{takes: time.Hour}
		p, stop := publishing(100, present, next)
		began := time.Now()
		for seq := uint64(1); seq <= maxQueued+100; seq++ {
			require.NoError(t, p.Publish(t.Context(), "order", eventOf(seq)))
		}
		assert.Zero(t, time.Since(began))
		assert.Len(t, present.got, maxQueued+100)
		assert.GreaterOrEqual(t, p.Publishing().Dropped, uint64(99))
		time.Sleep(publishWithin)
		synctest.Wait()
		assert.EqualValues(t, 1, p.Publishing().Failed)
		next.mu.Lock()
		next.takes, next.err = 0, errors.New("away")
		next.mu.Unlock()
		time.Sleep(publishWithin)
		synctest.Wait()
		assert.GreaterOrEqual(t, p.Publishing().Failed, uint64(maxQueued))
		assert.Zero(t, p.bytes)
		stop()
	})
}

func TestTheQueueIsBoundedInBytes(t *testing.T) {
	p := NewPublisher(PublisherConfig{Present: "pubsub", Next: "pubsub-next", Percent: 100}, &fakeBroker{}, &fakeBroker{}, slog.New(slog.DiscardHandler))
	event := eventOf(1)
	event.Data = make([]byte, 256<<10)
	for range maxQueuedBytes/len(event.Data) + 3 {
		require.NoError(t, p.Publish(t.Context(), "order", event))
	}
	assert.EqualValues(t, 3, p.Publishing().Dropped)
}

// What the present broker says is what the caller hears.
func TestThePresentBrokersErrorIsTold(t *testing.T) {
	p := NewPublisher(PublisherConfig{Present: "pubsub", Next: "pubsub-next"}, &fakeBroker{err: errors.New("full")}, &fakeBroker{}, slog.New(slog.DiscardHandler))
	require.EqualError(t, p.Publish(t.Context(), "order", eventOf(1)), "full")
}
