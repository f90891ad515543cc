package inventory

import (
	"context"
	"fmt"
	"io"
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
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/httpx/httpxtest"
	"github.com/sidecart/sidecart/services/kit/identity"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// shop is the service on the real journal over an in-memory store, beside an order journal that the test writes.
// It lives in a synctest bubble: time passes when everybody waits.
type shop struct {
	t        *testing.T
	store    *journaltest.Store
	state    *journaltest.Client
	service  *Service
	web      *echo.Echo
	orderWeb *echo.Echo
	orders   *journal.Journal[*noState]
	ordersUp atomic.Bool
	contract *httpxtest.Contract
	stop     func()
}

// inShop runs a test with a fresh shop whose journal has the given number of shards.
func inShop(t *testing.T, shards int, test func(s *shop)) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, shards, journaltest.NewStore(), journaltest.Faults{})
		defer s.stop()
		test(s)
	})
}

func newShop(t *testing.T, shards int, store *journaltest.Store, faults journaltest.Faults) *shop {
	s := &shop{t: t, store: store, state: store.Client("inventory", faults), contract: httpxtest.Load(t, contract)}
	s.ordersUp.Store(true)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	utcNow := func() time.Time { return time.Now().UTC() }
	var err error
	s.orders, err = journal.New(journal.Config{Service: "order"}, orderMachine{}, journal.Deps{
		State: store.Client("order", journaltest.Faults{}), Now: utcNow, Writer: uuid.NewString(), Log: log,
		Publish: func(ctx context.Context, _ journal.Segment, encoded []byte) error {
			if s.ordersUp.Load() {
				s.service.Follows()["order"](ctx, encoded)
			}
			return nil
		},
	})
	require.NoError(t, err)
	s.service, err = New(Config{Journal: journal.Config{Shards: shards}}, host.Deps{
		Log: log, Now: utcNow, Writer: uuid.NewString(), State: s.state, Publisher: noBroker{},
		NewID:  uuid.NewString,
		Client: &http.Client{Transport: s}, Metrics: prometheus.NewRegistry(),
	})
	require.NoError(t, err)
	s.web, s.orderWeb = httpx.NewEcho(httpx.Config{}, httpx.Deps{Log: log}), httpx.NewEcho(httpx.Config{}, httpx.Deps{Log: log})
	s.service.Register(s.web.Group("/inventory"))
	s.orders.Register(s.orderWeb.Group("/order"))

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { done <- s.orders.Run(ctx) }()
	go func() { done <- s.service.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				require.ErrorIs(t, err, context.Canceled)
			}
		}
	})
	<-s.orders.Loaded()
	return s
}

// RoundTrip is the way to other services.
func (s *shop) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "order" || !s.ordersUp.Load() {
		return nil, fmt.Errorf("%s is not there", r.URL.Host)
	}
	r = r.Clone(r.Context())
	r.URL.Path = "/order" + r.URL.Path
	w := httptest.NewRecorder()
	s.orderWeb.ServeHTTP(w, r)
	return w.Result(), nil
}

// order makes something happen in the order service.
func (s *shop) order(e journal.Event) {
	_, err := s.orders.Do(s.t.Context(), "any", e)
	require.NoError(s.t, err)
}

func (s *shop) call(method, path string, body any) httpxtest.Answer {
	return s.callAs(identity.Caller{}, method, path, body)
}

// callAs calls for somebody whom the gateway names; the zero Caller is from inside.
func (s *shop) callAs(who identity.Caller, method, path string, body any) httpxtest.Answer {
	return s.sendAs(who, method, path, "application/json", httpxtest.JSON(s.t, body))
}

func (s *shop) send(method, path, contentType string, body []byte) httpxtest.Answer {
	return s.sendAs(identity.Caller{}, method, path, contentType, body)
}

func (s *shop) sendAs(who identity.Caller, method, path, contentType string, body []byte) httpxtest.Answer {
	header := http.Header{}
	if body != nil {
		header.Set("Content-Type", contentType)
	}
	who.Put(header)
	return s.contract.Ask(s.t, s.web, "/inventory", method, path, body, header)
}

func (s *shop) put(sku string, quantity int) {
	s.call("PUT", "/v1/inventory/"+sku, map[string]any{"title": "Item " + sku,
		"price": map[string]any{"amount": 100, "currency": "EUR"}, "quantity": quantity}).Is(201, nil)
}

func (s *shop) item(sku string) Item {
	var i Item
	s.call("GET", "/v1/inventory/"+sku, nil).Is(200, &i)
	require.Equal(s.t, i.Received, i.Available+i.Reserved+i.Sold)
	return i
}

// stock asserts available, reserved and sold.
func (s *shop) stock(sku string, available, reserved, sold int64) {
	s.t.Helper()
	i := s.item(sku)
	require.Equal(s.t, []int64{available, reserved, sold}, []int64{i.Available, i.Reserved, i.Sold}, sku)
}

func (s *shop) hold(id string, seconds int64, pairs ...any) httpxtest.Answer {
	return s.call("POST", "/internal/holds", inventoryapi.HoldRequest{ID: id, HoldSeconds: seconds, Lines: lines(pairs...)})
}

// later lets time pass.
func later(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}

func paid(id string, pairs ...any) orderapi.Paid {
	return orderapi.Paid{OrderID: id, Lines: orderLines(pairs...)}
}

func cancelled(id, reason string, pairs ...any) orderapi.Cancelled {
	return orderapi.Cancelled{OrderID: id, Reason: reason, Lines: orderLines(pairs...)}
}

func orderLines(pairs ...any) []orderapi.Line {
	var ls []orderapi.Line
	for _, l := range lines(pairs...) {
		ls = append(ls, orderapi.Line{SKU: l.SKU, Quantity: l.Quantity})
	}
	return ls
}

type noBroker struct{}

func (noBroker) Publish(context.Context, string, sidecar.CloudEvent) error { return nil }

// orderMachine is a journal of order events that the test decides on: a command is its event.
type orderMachine struct{}

type noState struct{}

func (orderMachine) New() *noState                             { return &noState{} }
func (orderMachine) Clone(*noState) *noState                   { return &noState{} }
func (orderMachine) Types() journal.Types                      { return orderapi.Types() }
func (orderMachine) Apply(*noState, journal.At, journal.Event) {}

func (orderMachine) Decide(_ *noState, _ journal.At, cmd journal.Command) (any, []journal.Event, error) {
	return nil, []journal.Event{cmd.(journal.Event)}, nil
}

func (orderMachine) Dump(*noState, func(string, any) error) error { return nil }
func (orderMachine) Load(*noState, string, jsontext.Value) error  { return nil }
