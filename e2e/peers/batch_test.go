package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	dapr "github.com/dapr/go-sdk/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ledger is a sidecar's state store in memory, of create-only writes. Those of groups wait until they are let. Safe for concurrent use.
type ledger struct {
	dapr.Client
	begun chan string // keys of groups that wait; it has room for all of a test
	let   chan error  // what a write ends with; nil: it is kept

	mu    sync.Mutex
	saved map[string][]byte
}

func newLedger() *ledger {
	return &ledger{begun: make(chan string, 1000), let: make(chan error), saved: map[string][]byte{}}
}

func (l *ledger) SaveStateWithETag(ctx context.Context, _, key string, value []byte, _ string, _ map[string]string, _ ...dapr.StateOption) error {
	if key != skuKey("pot") {
		l.begun <- key
		select {
		case err := <-l.let:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.saved[key] != nil {
		return errors.New("it is there")
	}
	l.saved[key] = value
	return nil
}

func (l *ledger) GetStateWithConsistency(_ context.Context, _, key string, _ map[string]string, _ dapr.StateConsistency) (*dapr.StateItem, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &dapr.StateItem{Key: key, Value: l.saved[key]}, nil
}

func (l *ledger) GetBulkState(_ context.Context, _ string, keys []string, _ map[string]string, _ int32) ([]*dapr.BulkStateItem, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var items []*dapr.BulkStateItem
	for _, key := range keys {
		items = append(items, &dapr.BulkStateItem{Key: key, Value: l.saved[key]})
	}
	return items, nil
}

func (l *ledger) Close() {}

// reserving has so many reservations of two units under way.
func reserving(b *batch, n int) (outcomes chan error) {
	outcomes = make(chan error, n)
	for i := range n {
		go func() {
			outcomes <- b.reserve(context.Background(), reservation{ID: fmt.Sprint("r", i), SKU: "pot", Quantity: 2})
		}()
	}
	return outcomes
}

func TestBatchWritesOnceForAllWhoCameDuringAWrite(t *testing.T) {
	store := newLedger()
	b := batchOver(store)
	defer b.close()
	require.ErrorIs(t, b.reserve(t.Context(), reservation{SKU: "pot"}), errUnknownSKU)
	_, err := b.stock(t.Context(), "pot")
	require.ErrorIs(t, err, errUnknownSKU)
	require.NoError(t, b.put(t.Context(), "pot", 100))
	require.Error(t, b.put(t.Context(), "pot", 100), "what it has is not put away")

	first := reserving(b, 1)
	assert.Equal(t, "peer/pot/1", <-store.begun)
	others := reserving(b, 5)
	found, _ := b.lanes.Load("pot")
	require.Eventually(t, func() bool {
		l := found.(*lane)
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.next.records) == 5*recordBytes
	}, 10*time.Second, time.Millisecond)
	assert.Empty(t, first, "nobody is answered before the write")
	store.let <- nil
	require.NoError(t, <-first)

	assert.Equal(t, "peer/pot/2", <-store.begun)
	assert.Empty(t, others)
	store.let <- errors.New("cut off")
	for range 5 {
		require.EqualError(t, <-others, "cut off", "a write that failed is everybody's")
	}
	last := reserving(b, 1)
	assert.Equal(t, "peer/pot/3", <-store.begun)
	store.let <- nil
	require.NoError(t, <-last)
	have, err := b.stock(t.Context(), "pot")
	require.NoError(t, err)
	assert.Equal(t, books{SKU: "pot", Received: 100, Available: 96, Reserved: 4}, have, "the books read on behind a write that failed")
}

func TestBatchReadsBooksOfManyWrites(t *testing.T) {
	store := newLedger()
	close(store.let)
	b := batchOver(store)
	defer b.close()
	require.NoError(t, b.put(t.Context(), "pot", maxUnits))
	const writes = 2*booksKeys + 1
	for range writes {
		require.NoError(t, b.reserve(t.Context(), reservation{ID: "r", SKU: "pot", Quantity: 2}))
	}
	have, err := b.stock(t.Context(), "pot")
	require.NoError(t, err)
	assert.Equal(t, int64(2*writes), have.Reserved)
	store.saved[groupKey("pot", writes)] = []byte("half")
	_, err = b.stock(t.Context(), "pot")
	require.ErrorContains(t, err, "peer/pot/201 has 4 bytes")
}

func TestBatchBoundsWhatWaits(t *testing.T) {
	l := newLane()
	for range maxWaiting {
		_, err := l.add(reservation{ID: "r", Quantity: 1})
		require.NoError(t, err)
	}
	_, err := l.add(reservation{ID: "r", Quantity: 1})
	require.ErrorIs(t, err, errFull)
	g, err := l.take(t.Context())
	require.NoError(t, err)
	assert.Len(t, g.records, maxWaiting*recordBytes)
	_, err = l.add(reservation{ID: "r", Quantity: 1})
	require.NoError(t, err)
}
