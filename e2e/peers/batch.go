package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"sync"
	"time"

	dapr "github.com/dapr/go-sdk/client"
)

// recordBytes is what batch writes for a reservation: a checksum of its id and its quantity, 4 bytes each. That is as much as sidecart
// writes for one of this load, whose ids count upwards and so compress well: a segment of 111 of them has 963 bytes, all told (2026-11-21).
const recordBytes = 8

// Bounds of batch.
const (
	maxWaiting  = 4096 // reservations of a SKU, as in the queue of a shard
	writeWithin = 5 * time.Second
	booksKeys   = 100 // of one bulk read of the books, which has 3.2 MB at most
	booksAtOnce = 16  // reads of them that the sidecar has under way
)

var errFull = errors.New("too many wait")

// batch is the least that a service on Echo pays which answers after a write through Dapr that all share who wait. Each SKU has one
// writer, as each shard of sidecart's journals has: it collects while its last write is under way, and creates one key for all that came.
// It knows no stock (it oversells), no repeats and no history. A write whose outcome is unknown leaves its group unknown; the next
// takes a number of its own. SKUs are put once, into a store that has none of them.
type batch struct {
	client  dapr.Client
	writing context.Context // until close
	stop    context.CancelFunc
	writers sync.WaitGroup
	lanes   sync.Map // SKU → *lane
}

func newBatch() (*batch, error) {
	c, err := newSidecar()
	if err != nil {
		return nil, err
	}
	return batchOver(c), nil
}

func batchOver(c dapr.Client) *batch {
	b := &batch{client: c}
	b.writing, b.stop = context.WithCancel(context.Background())
	return b
}

func skuKey(sku string) string          { return "peer/" + sku }
func groupKey(sku string, n int) string { return skuKey(sku) + "/" + strconv.Itoa(n) }

// put fails for a SKU that is there.
func (b *batch) put(ctx context.Context, sku string, units int64) error {
	if err := b.create(ctx, skuKey(sku), strconv.AppendInt(nil, units, 10)); err != nil {
		return err
	}
	l := newLane()
	b.lanes.Store(sku, l)
	b.writers.Go(func() { b.write(sku, l) })
	return nil
}

func (b *batch) reserve(_ context.Context, r reservation) error {
	l, ok := b.lanes.Load(r.SKU)
	if !ok {
		return errUnknownSKU
	}
	g, err := l.(*lane).add(r)
	if err != nil {
		return err
	}
	<-g.done // the write has an end of its own
	return g.err
}

// write creates a key for each group of a SKU, one after the other, until close.
func (b *batch) write(sku string, l *lane) {
	for n := 1; ; n++ {
		g, err := l.take(b.writing)
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(b.writing, writeWithin)
		g.err = b.create(ctx, groupKey(sku, n), g.records)
		cancel()
		close(g.done)
	}
}

// create is sidecart's own write: a key that must not be there.
func (b *batch) create(ctx context.Context, key string, value []byte) error {
	return b.client.SaveStateWithETag(ctx, stateStore, key, value, "", nil,
		dapr.WithConcurrency(dapr.StateConcurrencyFirstWrite), dapr.WithConsistency(dapr.StateConsistencyStrong))
}

// stock adds up the records in the store. Writes that failed have left holes in their numbers, so it reads on until nothing of a whole bulk
// is there.
func (b *batch) stock(ctx context.Context, sku string) (books, error) {
	item, err := b.client.GetStateWithConsistency(ctx, stateStore, skuKey(sku), nil, dapr.StateConsistencyStrong)
	if err != nil {
		return books{}, err
	}
	if len(item.Value) == 0 {
		return books{}, errUnknownSKU
	}
	all := books{SKU: sku}
	if all.Received, err = strconv.ParseInt(string(item.Value), 10, 64); err != nil {
		return books{}, fmt.Errorf("units of %s: %w", sku, err)
	}
	for n := 1; ; n += booksKeys {
		reserved, found, err := b.read(ctx, sku, n)
		if err != nil {
			return books{}, err
		}
		if found == 0 {
			all.Available = all.Received - all.Reserved
			return all, nil
		}
		all.Reserved += reserved
	}
}

// read adds up the units in booksKeys groups from a number on, and says how many of these groups there are.
func (b *batch) read(ctx context.Context, sku string, from int) (reserved int64, found int, err error) {
	keys := make([]string, booksKeys)
	for i := range keys {
		keys[i] = groupKey(sku, from+i)
	}
	items, err := b.client.GetBulkState(ctx, stateStore, keys, nil, booksAtOnce)
	if err != nil {
		return 0, 0, err
	}
	for _, item := range items {
		switch {
		case item.Error != "":
			return 0, 0, fmt.Errorf("reading %s: %s", item.Key, item.Error)
		case len(item.Value)%recordBytes != 0:
			return 0, 0, fmt.Errorf("%s has %d bytes, which are no whole records", item.Key, len(item.Value))
		case len(item.Value) > 0:
			found++
		}
		for r := item.Value; len(r) > 0; r = r[recordBytes:] {
			reserved += int64(binary.LittleEndian.Uint32(r[recordBytes/2:]))
		}
	}
	return reserved, found, nil
}

// close ends the writers; a write under way fails.
func (b *batch) close() {
	b.stop()
	b.writers.Wait()
	b.client.Close()
}

// lane is where reservations of a SKU wait for its writer. Safe for concurrent use.
type lane struct {
	due chan struct{} // room for one: next has a first record

	mu   sync.Mutex
	next *group
}

func newLane() *lane { return &lane{due: make(chan struct{}, 1), next: newGroup(0)} }

// group is written at once.
type group struct {
	records []byte
	done    chan struct{} // closed when it was written, or not
	err     error         // why it may not be there; only to be read when done is closed
}

func newGroup(records int) *group {
	return &group{records: make([]byte, 0, records*recordBytes), done: make(chan struct{})}
}

// add gives the group that the reservation will be written with.
func (l *lane) add(r reservation) (*group, error) {
	sum := crc32.ChecksumIEEE([]byte(r.ID))
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.next
	if len(g.records) == maxWaiting*recordBytes {
		return nil, errFull
	}
	g.records = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(g.records, sum), uint32(r.Quantity)) // at most maxUnits
	if len(g.records) == recordBytes {
		l.due <- struct{}{} // has room: take has emptied it before it gave the last group
	}
	return g, nil
}

// take waits until anybody does or ctx ends, and gives what there is. Others then wait for what is next.
func (l *lane) take(ctx context.Context) (*group, error) {
	select {
	case <-l.due:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.next
	l.next = newGroup(len(g.records) / recordBytes)
	return g, nil
}
