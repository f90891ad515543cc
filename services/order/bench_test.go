package order

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/money"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// BenchmarkPlace is what an order costs the order service, its listener and inventory apart: 256 customers at once, a
// store that is a map, slow enough for batches to grow, and an inventory that has everything. What does not depend on the machine's other load is
// the allocations and how many orders share a call.
func BenchmarkPlace(b *testing.B) {
	stock := &plenty{}
	service, err := New(Config{Journal: journal.Config{SnapshotEverySegments: 1 << 40}}, host.Deps{
		Log: slog.New(slog.DiscardHandler), Now: utcNow, Writer: uuid.NewString(), NewID: uuid.NewString, Publisher: noBroker{},
		State: slowState{journaltest.NewStore().Client("order", journaltest.Faults{})}, Client: &http.Client{Transport: stock},
	})
	require.NoError(b, err)
	web := httpx.NewEcho(httpx.Config{}, httpx.Deps{})
	service.Register(web.Group("/order"))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	defer func() {
		cancel()
		require.NoError(b, <-ended)
	}()
	<-service.log.Loaded()

	const customers = 256
	body := []byte(`{"customer":"ada","contact":{"email":"ada@example.com"},"lines":[{"sku":"mug-blue","quantity":1}]}`)
	var next atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	var all sync.WaitGroup
	for range customers {
		all.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				r, err := http.NewRequest(http.MethodPost, "/order/v1/orders", bytes.NewReader(body))
				if err != nil {
					b.Error(err)
					return
				}
				r.Header = http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {fmt.Sprint(i)}}
				w := &forgetful{header: http.Header{}}
				web.ServeHTTP(w, r)
				if w.status != http.StatusCreated {
					b.Error(w.status)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/float64(stock.calls.Load()), "orders/call")
}

// BenchmarkRecordPlaced is what 100 new orders of as many customers cost the domain, in one segment as the journal records
// them: on a clone of a state that has 50,000 orders.
func BenchmarkRecordPlaced(b *testing.B) {
	const had, each = 50_000, 100
	customers := rand.New(rand.NewPCG(1, 2))
	m, placed := machine{}, 0
	record := func(s *state, orders int) *state {
		s = m.Clone(s)
		for range orders {
			placed++
			at := journal.At{Seq: uint64(placed / each), Time: start.Add(time.Duration(placed) * time.Millisecond)}
			c := aPlacement(uuid.NewSHA1(orderNamespace, fmt.Append(nil, placed)).String(), at.Time)
			c.Customer = fmt.Sprintf("customer-%07d", customers.IntN(1_000_000))
			_, events, err := m.Decide(s, at, c)
			require.NoError(b, err)
			m.Apply(s, at, events[0])
		}
		return s
	}
	s := record(m.New(), had)
	b.ReportAllocs()
	for b.Loop() {
		s = record(s, each)
	}
}

// slowState takes a millisecond for what a store makes durable.
type slowState struct{ sidecar.State }

func (s slowState) Create(ctx context.Context, key string, value []byte) error {
	<-time.After(time.Millisecond)
	return s.State.Create(ctx, key, value)
}

// plenty is an inventory that never runs out.
type plenty struct{ calls atomic.Int64 }

func (p *plenty) RoundTrip(r *http.Request) (*http.Response, error) {
	var ask inventoryapi.HoldsRequest
	if r.URL.Path != "/internal/holds/batch" {
		return nil, httpx.ErrNotSent
	}
	if err := json.UnmarshalRead(r.Body, &ask); err != nil {
		return nil, err
	}
	p.calls.Add(1)
	<-time.After(time.Millisecond) // its commit
	answer := inventoryapi.HoldsAnswer{Results: make([]inventoryapi.HoldResult, len(ask.Holds))}
	for i, h := range ask.Holds {
		answer.Results[i].Hold = &inventoryapi.Hold{ID: h.ID, ExpiresAt: time.Now().Add(time.Hour), Lines: []inventoryapi.HeldLine{
			{SKU: h.Lines[0].SKU, Title: "Blue mug", Quantity: h.Lines[0].Quantity, UnitPrice: money.Of(1250, "EUR")},
		}}
	}
	encoded, err := json.Marshal(answer)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(encoded)), ContentLength: int64(len(encoded)), Request: r}, err
}

// forgetful keeps only the status of an answer.
type forgetful struct {
	header http.Header
	status int
}

func (w *forgetful) Header() http.Header         { return w.header }
func (w *forgetful) WriteHeader(status int)      { w.status = status }
func (w *forgetful) Write(p []byte) (int, error) { return len(p), nil }
