package order

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/httpx/httpxtest"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
	"github.com/sidecart/sidecart/services/order/orderapi"
	"github.com/sidecart/sidecart/services/payment/paymentapi"
)

// shop is the service on the real journal over an in-memory store. Beside it are a stand-in for inventory's holds
// and the journals of payment and inventory, which the test writes. It lives in a synctest bubble: time passes
// when everybody waits.
type shop struct {
	t        *testing.T
	store    *journaltest.Store
	stock    *stockroom
	replicas []*replica
	payments *source
	holds    *source
	contract *httpxtest.Contract
	stop     func()
}

// replica is one process of the service.
type replica struct {
	service *Service
	web     *echo.Echo
	state   *journaltest.Client
}

type options struct {
	replicas int
	faults   journaltest.Faults
	config   Config
	store    *journaltest.Store
	stock    *stockroom
}

// inShop runs a test with a fresh shop.
func inShop(t *testing.T, o options, test func(s *shop)) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, o)
		defer s.stop()
		test(s)
	})
}

func utcNow() time.Time { return time.Now().UTC() }

func newShop(t *testing.T, o options) *shop {
	if o.store == nil {
		o.store, o.stock = journaltest.NewStore(), newStockroom()
	}
	s := &shop{t: t, store: o.store, stock: o.stock, contract: httpxtest.Load(t, contract)}
	log := slog.New(slog.DiscardHandler)
	s.payments = newSource(t, s.store, sourcePayment, paymentapi.Types())
	s.holds = newSource(t, s.store, sourceInventory, inventoryapi.Types())
	s.stock.register(s.holds.web.Group("/inventory"))
	parts := []func(context.Context) error{s.payments.journal.Run, s.holds.journal.Run}
	for i := range max(o.replicas, 1) {
		r := &replica{state: s.store.Client(fmt.Sprint("order-", i), o.faults), web: httpx.NewEcho(httpx.Config{}, httpx.Deps{Log: log})}
		var err error
		r.service, err = New(o.config, host.Deps{
			Log: log, Now: utcNow, Writer: uuid.NewString(), NewID: uuid.NewString, State: r.state, Publisher: noBroker{},
			Client: &http.Client{Transport: s},
		})
		require.NoError(t, err)
		r.service.Register(r.web.Group("/order"))
		s.replicas = append(s.replicas, r)
		parts = append(parts, r.service.Run)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, len(parts))
	for _, run := range parts {
		go func() { done <- run(ctx) }()
	}
	s.stop = sync.OnceFunc(func() {
		cancel()
		for range parts {
			if err := <-done; err != nil {
				require.ErrorIs(t, err, context.Canceled)
			}
		}
	})
	for _, r := range s.replicas {
		<-r.service.log.Loaded()
	}
	return s
}

// RoundTrip is the way to other services.
func (s *shop) RoundTrip(r *http.Request) (*http.Response, error) {
	target := map[string]*source{sourcePayment: s.payments, sourceInventory: s.holds}[r.URL.Host]
	if target == nil || target.down.Load() {
		return nil, fmt.Errorf("%s is not there", r.URL.Host)
	}
	r = r.Clone(r.Context())
	r.URL.Path = "/" + r.URL.Host + r.URL.Path
	w := httptest.NewRecorder()
	target.web.ServeHTTP(w, r)
	return w.Result(), nil
}

// answer is what came back.
type answer struct{ httpxtest.Answer }

func (s *shop) call(method, path string, body any, header ...string) answer {
	return s.callAt(0, method, path, body, header...)
}

func (s *shop) callAt(replica int, method, path string, body any, header ...string) answer {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return answer{s.contract.Ask(s.t, s.replicas[replica].web, "/order", method, path, httpxtest.JSON(s.t, body), h)}
}

// order asserts an order and gives it.
func (a answer) order(status int) orderapi.OrderAnswer {
	a.T.Helper()
	var o orderapi.OrderAnswer
	a.Is(status, &o)
	return o
}

func basket(pairs ...any) orderapi.PlaceRequest {
	r := orderapi.PlaceRequest{Customer: "ada", Contact: orderapi.Contact{Email: "ada@example.com"}}
	for i := 0; i < len(pairs); i += 2 {
		r.Lines = append(r.Lines, orderapi.LineRequest{SKU: pairs[i].(string), Quantity: int64(pairs[i+1].(int))})
	}
	return r
}

func (s *shop) place(key string, r orderapi.PlaceRequest) answer {
	return s.call("POST", "/v1/orders", r, "Idempotency-Key", key)
}

func (s *shop) get(id string) orderapi.OrderAnswer {
	s.t.Helper()
	return s.call("GET", "/v1/orders/"+id, nil).order(200)
}

func (s *shop) pay(id, method string) answer {
	return s.call("POST", "/v1/orders/"+id+"/payment", orderapi.PayRequest{Method: method})
}

// inMemory tells whether a replica still has the order in memory.
func (r *replica) inMemory(id string) bool {
	return r.service.log.State(r.service.log.ShardOf(id)).order(id) != nil
}

// later lets time pass.
func later(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}

type noBroker struct{}

func (noBroker) Publish(context.Context, string, sidecar.CloudEvent) error { return nil }

// source is the journal of another service, which the test writes: a command is its event.
type source struct {
	t       *testing.T
	journal *journal.Journal[*nothing]
	web     *echo.Echo
	down    atomic.Bool
}

func newSource(t *testing.T, store *journaltest.Store, name string, types journal.Types) *source {
	j, err := journal.New(journal.Config{Service: name}, saysAnything{types}, journal.Deps{
		State: store.Client(name, journaltest.Faults{}), Now: utcNow, Writer: uuid.NewString(),
	})
	require.NoError(t, err)
	s := &source{t: t, journal: j, web: httpx.NewEcho(httpx.Config{}, httpx.Deps{})}
	j.Register(s.web.Group("/" + name))
	return s
}

// says makes something happen in the other service.
func (s *source) says(e journal.Event) {
	<-s.journal.Loaded()
	_, err := s.journal.Do(s.t.Context(), "any", e)
	require.NoError(s.t, err)
}

type nothing struct{}

type saysAnything struct{ types journal.Types }

func (saysAnything) New() *nothing                             { return &nothing{} }
func (saysAnything) Clone(*nothing) *nothing                   { return &nothing{} }
func (m saysAnything) Types() journal.Types                    { return m.types }
func (saysAnything) Apply(*nothing, journal.At, journal.Event) {}

func (saysAnything) Decide(_ *nothing, _ journal.At, cmd journal.Command) (any, []journal.Event, error) {
	return nil, []journal.Event{cmd.(journal.Event)}, nil
}

func (saysAnything) Dump(*nothing, func(string, any) error) error { return nil }
func (saysAnything) Load(*nothing, string, jsontext.Value) error  { return nil }

// trouble is a store that fails in every way.
func trouble(seed uint64) journaltest.Faults {
	return journaltest.Faults{
		Seed: seed, FailBefore: 0.05, FailAfter: 0.05, PlainConflict: 0.1, Delay: 0.1, StallLost: 0.01, StallLate: 0.01,
	}
}
