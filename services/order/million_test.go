package order

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	dapr "github.com/dapr/go-sdk/client"
	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/httpx/httpxtest"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
	"github.com/sidecart/sidecart/services/kit/sidecar/sidecartest"
	"github.com/sidecart/sidecart/services/order/orderapi"
	"github.com/sidecart/sidecart/services/payment/paymentapi"
)

// The past of the shop that the test starts: so many orders, all of them finished and archived, and what the last
// minutes left behind the snapshots.
const (
	pastOrders     = 1_000_000
	pastCustomers  = 20_000
	archivedAtOnce = 128 // as the Archiver does
	tailSegments   = 450 // of each shard: just less than the default distance of two snapshots

	archivesInFlight = 256
	keysPerCopy      = 16 * archivedAtOnce // in one transaction of the store
	buildWithin      = 25 * time.Minute
	readyPatience    = time.Minute
	startReadBytes   = 16 << 20 // the most that a start may read
)

// TestAServiceWithAMillionFinishedOrdersStarts builds what such a service has on disk and starts one beside the real
// daprd. The time is in the test's log; what holds it down is asserted: a start reads the snapshot and the segments after
// it, and never a view.
func TestAServiceWithAMillionFinishedOrdersStarts(t *testing.T) {
	if os.Getenv("SIDECART_LONG") == "" {
		t.Skip("skipped: it takes minutes; SIDECART_LONG=1 runs it")
	}
	file := filepath.Join(t.TempDir(), "state.db")
	d := sidecartest.Start(t, file)
	began := time.Now()
	buildPast(t, d)
	info, err := os.Stat(file)
	require.NoError(t, err)
	t.Logf("built in %s; the store's file has %d MB", time.Since(began).Round(time.Second), info.Size()>>20)

	began = time.Now()
	d.Restart()
	t.Logf("daprd on it: healthy after %s", time.Since(began).Round(time.Millisecond))
	read := &countingState{State: d.Client}
	s := openOn(t, read)
	t.Logf("the service: %d calls, %d keys, %d bytes read", read.calls.Load(), read.keys.Load(), read.bytes.Load())
	require.Zero(t, read.others.Load(), "keys that are not of the journal")
	require.Less(t, read.bytes.Load(), int64(startReadBytes))

	// What is long gone is found, repeated and listed as if it were in memory.
	for i := 0; i < pastOrders; i += pastOrders/50 - 1 {
		o := s.get(orderID(inside.Owner(), pastKey(i)))
		require.Equal(t, orderapi.StatusPaid, o.Status)
		require.Equal(t, pastRequest(i).Customer, o.Customer)
		repeat := s.place(pastKey(i), pastRequest(i))
		require.Equal(t, "true", repeat.Header.Get(orderapi.HeaderReplayed))
		first := repeat.order(http.StatusCreated)
		require.Equal(t, o.ID, first.ID)
		require.Equal(t, orderapi.StatusAwaitingPayment, first.Status, "the first answer, not the order of today")
	}
	s.place(pastKey(7), basket("mug", 9)).Refused(http.StatusUnprocessableEntity, orderapi.CodeIdempotencyKeyReused)
	var list httpx.List[orderapi.OrderAnswer]
	s.call("GET", "/v1/orders?limit=200&customer="+pastRequest(42).Customer, nil).Is(http.StatusOK, &list)
	require.Len(t, list.Items, pastOrders/pastCustomers)
	s.call("GET", "/v1/orders/"+uuid.NewString(), nil).Refused(http.StatusNotFound, orderapi.CodeUnknownOrder)

	// And business goes on.
	s.stock.available["mug"] = 10
	placed := s.place("a new key", basket("mug", 1)).order(http.StatusCreated)
	require.Equal(t, orderapi.StatusAwaitingPayment, s.get(placed.ID).Status)
}

// pastKey is the Idempotency-Key of the i-th order.
func pastKey(i int) string { return fmt.Sprintf("key-%07d", i) }

// pastRequest is what was ordered with it.
func pastRequest(i int) orderapi.PlaceRequest {
	name := fmt.Sprintf("customer-%05d", i%pastCustomers)
	return orderapi.PlaceRequest{
		Customer: name, Contact: orderapi.Contact{Email: name + "@example.com"},
		Lines: []orderapi.LineRequest{{SKU: fmt.Sprintf("sku-%03d", i%500), Quantity: 1}, {SKU: "mug", Quantity: 2}},
	}
}

// openOn starts the service on a store, beside stand-ins for inventory and payment, and tells how long it took.
func openOn(t *testing.T, state sidecar.State) *shop {
	s := &shop{t: t, store: journaltest.NewStore(), stock: newStockroom(), contract: httpxtest.Load(t, contract)}
	s.payments = newSource(t, s.store, sourcePayment, paymentapi.Types())
	s.holds = newSource(t, s.store, sourceInventory, inventoryapi.Types())
	s.stock.register(s.holds.web.Group("/inventory"))
	log := slog.New(slog.DiscardHandler)
	r := &replica{web: httpx.NewEcho(httpx.Config{}, httpx.Deps{Log: log})}
	var err error
	r.service, err = New(Config{}, host.Deps{
		Log: log, Now: utcNow, Writer: uuid.NewString(), NewID: uuid.NewString, State: state, Publisher: noBroker{},
		Client: &http.Client{Transport: s},
	})
	require.NoError(t, err)
	r.service.Register(r.web.Group("/order"))
	s.replicas = []*replica{r}
	running(t, s.payments.journal.Run)
	running(t, s.holds.journal.Run)
	began := time.Now()
	running(t, r.service.Run)
	require.Eventually(t, func() bool { return r.service.Ready() == nil }, readyPatience, time.Millisecond)
	t.Logf("the service: ready after %s", time.Since(began).Round(time.Millisecond))
	return s
}

// running runs something until the test ends.
func running(t *testing.T, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); require.NoError(t, <-done) })
	t.Cleanup(stop)
	return stop
}

// countingState says what was read.
type countingState struct {
	sidecar.State
	calls, keys, bytes, others atomic.Int64
}

func (c *countingState) Get(ctx context.Context, key string) (sidecar.Item, error) {
	item, err := c.State.Get(ctx, key)
	c.count(map[string]sidecar.Item{key: item}, 1, key)
	return item, err
}

func (c *countingState) GetBulk(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	items, err := c.State.GetBulk(ctx, keys)
	c.count(items, len(keys), keys...)
	return items, err
}

func (c *countingState) count(items map[string]sidecar.Item, n int, keys ...string) {
	c.calls.Add(1)
	c.keys.Add(int64(n))
	for _, item := range items {
		c.bytes.Add(int64(len(item.Value)))
	}
	for _, key := range keys {
		if !strings.HasPrefix(key, Name+"/journal") && !strings.HasPrefix(key, Name+"/snapshot/") {
			c.others.Add(1)
		}
	}
}

// historian is the service's machine that also takes the word of the test for what was archived, so that the past needs
// a commit for each event and not for each order.
type historian struct{ machine }

func (h historian) Decide(s *state, at journal.At, cmd journal.Command) (any, []journal.Event, error) {
	if past, ok := cmd.(orderapi.Archived); ok {
		return nil, []journal.Event{past}, nil
	}
	return h.machine.Decide(s, at, cmd)
}

// buildPast fills the store: the journal with its snapshots by the journal's own code, views and lists by the archive's.
func buildPast(t *testing.T, d *sidecartest.Daprd) {
	ctx, cancel := context.WithTimeout(t.Context(), buildWithin)
	defer cancel()
	log, stop := pastJournal(t, d, journal.Config{SnapshotEvery: time.Second}, historian{})
	api, err := dapr.NewClientWithPort(strconv.Itoa(d.GRPCPort))
	require.NoError(t, err)
	defer api.Close()
	api.WithAuthToken(d.Token)
	batches, err := archivePast(ctx, log)
	require.NoError(t, err)
	t.Logf("%d orders archived, segments %v", pastOrders, log.Heads())
	require.NoError(t, viewPast(ctx, api, batches))
	require.NoError(t, listPast(ctx, api))
	for shard, head := range log.Heads() {
		require.Eventually(t, func() bool {
			var header struct {
				Seq   uint64 `json:"seq"`
				Bytes int    `json:"bytes"`
			}
			item, err := d.Get(ctx, Name+"/snapshot/"+strconv.Itoa(shard))
			return err == nil && item.Value != nil && json.Unmarshal(item.Value, &header) == nil && header.Seq == head
		}, buildWithin, 100*time.Millisecond, "the snapshot of shard %d", shard)
	}
	stop()
	log, stop = pastJournal(t, d, journal.Config{SnapshotEverySegments: 1 << 20}, historian{})
	placeTail(ctx, t, archive.Wrap[*state](log, archive.NewStore[orderapi.Order](d.Client, Name, "order"), indexOf))
	stop()
}

func pastJournal(t *testing.T, d *sidecartest.Daprd, cfg journal.Config, m journal.Machine[*state]) (*journal.Journal[*state], func()) {
	cfg.Service = Name
	log, err := journal.New(cfg, m, journal.Deps{State: d.Client, Now: utcNow, Writer: uuid.NewString()})
	require.NoError(t, err)
	stop := running(t, log.Run)
	<-log.Loaded()
	return log, stop
}

// pastBatch is orders of one shard that were archived by one event in the segment seq.
type pastBatch struct {
	shard  int
	seq    uint64
	orders []int
}

// archivePast enters the ids of all orders in the index of their shard.
func archivePast(ctx context.Context, log *journal.Journal[*state]) ([]*pastBatch, error) {
	open := make([]*pastBatch, log.Shards())
	var all []*pastBatch
	for i := range pastOrders {
		shard := log.ShardOf(orderID(inside.Owner(), pastKey(i)))
		if open[shard] == nil || len(open[shard].orders) == archivedAtOnce {
			open[shard] = &pastBatch{shard: shard}
			all = append(all, open[shard])
		}
		open[shard].orders = append(open[shard].orders, i)
	}
	var work errgroup.Group
	work.SetLimit(archivesInFlight)
	for _, b := range all {
		work.Go(func() error {
			var gone orderapi.Archived
			for _, i := range b.orders {
				gone.OrderIDs = append(gone.OrderIDs, orderID(inside.Owner(), pastKey(i)))
			}
			result, err := log.DoShard(ctx, b.shard, gone)
			b.seq = result.Seq
			return err
		})
	}
	return all, work.Wait()
}

// viewPast lets the orders live, through the rules of Decide, and puts their views into the store.
func viewPast(ctx context.Context, api dapr.Client, all []*pastBatch) error {
	into := &copier{api: api}
	var work errgroup.Group
	work.SetLimit(4)
	for batches := range slices.Chunk(all, keysPerCopy/archivedAtOnce) {
		work.Go(func() error {
			store := journaltest.NewStore()
			views := archive.NewStore[orderapi.Order](store.Client("order", journaltest.Faults{}), Name, "order")
			for _, b := range batches {
				lives := newState()
				for _, i := range b.orders {
					o, err := livePast(lives, b, i)
					if err != nil {
						return err
					}
					if err := views.Put(ctx, archive.View[orderapi.Order]{ID: o.ID, Shard: b.shard, Seq: o.Seq, Doc: *o}); err != nil {
						return err
					}
				}
			}
			return into.copy(ctx, store)
		})
	}
	return work.Wait()
}

// livePast is an order's life: placed, asked to be paid, paid.
func livePast(s *state, b *pastBatch, i int) (*orderapi.Order, error) {
	id, r := orderID(inside.Owner(), pastKey(i)), pastRequest(i)
	place := aPlacement(id, start)
	place.Fingerprint, place.Customer, place.Contact = fingerprint(r), r.Customer, r.Contact
	for step, cmd := range []journal.Command{place, requestPayment{OrderID: id, By: inside, Method: "card"}, aCharge(id, 1, uuid.NewString())} {
		at := journal.At{Shard: b.shard, Seq: b.seq, Time: pastTime(i).Add(time.Duration(step) * time.Second)}
		_, events, err := machine{}.Decide(s, at, cmd)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			machine{}.Apply(s, at, e)
		}
	}
	return s.order(id), nil
}

// pastTime is when the i-th order was placed: before the time until which it may be.
func pastTime(i int) time.Time { return start.Add(time.Duration(i-pastOrders) * time.Second) }

// listPast writes the lists of all customers.
func listPast(ctx context.Context, api dapr.Client) error {
	into := &copier{api: api}
	var work errgroup.Group
	work.SetLimit(4)
	for from := 0; from < pastCustomers; from += archivedAtOnce {
		work.Go(func() error {
			store := journaltest.NewStore()
			lists := archive.NewList(store.Client("order", journaltest.Faults{}), Name, "customer")
			for c := from; c < min(from+archivedAtOnce, pastCustomers); c++ {
				var entries []archive.Entry
				for i := c; i < pastOrders; i += pastCustomers {
					entries = append(entries, archive.Entry{ID: orderID(inside.Owner(), pastKey(i)), At: pastTime(i)})
				}
				if err := lists.Add(ctx, pastRequest(c).Customer, entries); err != nil {
					return err
				}
			}
			return into.copy(ctx, store)
		})
	}
	return work.Wait()
}

// copier puts everything of a store in memory into the real one: many keys in a transaction, one transaction at a time,
// because SQLite has one writer.
type copier struct {
	mu  sync.Mutex
	api dapr.Client
}

func (c *copier) copy(ctx context.Context, from *journaltest.Store) error {
	var writes []*dapr.StateOperation
	for _, key := range from.Keys("") {
		writes = append(writes, &dapr.StateOperation{Type: dapr.StateOperationTypeUpsert, Item: &dapr.SetStateItem{Key: key, Value: from.Value(key)}})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for part := range slices.Chunk(writes, keysPerCopy) {
		if err := c.api.ExecuteStateTransaction(ctx, sidecar.StateStore, nil, part); err != nil {
			return err
		}
	}
	return nil
}

// placeTail lets something happen after the snapshots: orders that await their payment, one a segment.
func placeTail(ctx context.Context, t *testing.T, log *archive.Journal[*state, orderapi.Order]) {
	var work errgroup.Group
	for shard := range log.Shards() {
		work.Go(func() error {
			for n := range tailSegments {
				place := aPlacement(uuid.NewString(), utcNow())
				for log.ShardOf(place.OrderID) != shard {
					place.OrderID = uuid.NewString()
				}
				place.Customer = "tail-" + strconv.Itoa(n)
				if _, err := log.DoShard(ctx, shard, place); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, work.Wait())
	t.Logf("%d segments in each shard after its snapshot", tailSegments)
}

// TestTheIndexFollowsFromArchivedEventsAlone holds what building the past of a million orders relies on.
func TestTheIndexFollowsFromArchivedEventsAlone(t *testing.T) {
	l := newLedger(t)
	for i := range 250 {
		id := orderID(inside.Owner(), pastKey(i))
		l.must(aPlacement(id, l.at.Time))
		l.must(requestPayment{OrderID: id, By: inside, Method: "card"})
		l.must(aCharge(id, 1, id))
		if i%90 == 89 {
			l.pass(time.Second)
			l.archiveAll()
		}
	}
	l.pass(time.Second)
	l.archiveAll()
	short := newState()
	for i, e := range l.events {
		if gone, ok := e.(orderapi.Archived); ok {
			machine{}.Apply(short, journal.At{Seq: uint64(i)}, gone)
		}
	}
	require.Equal(t, dump(t, l.s), dump(t, short))
}
