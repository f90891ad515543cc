package host

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/delivery"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// twoBrokers is a sidecar that keeps what is published, by component.
type twoBrokers struct {
	*fakeSidecar
	mu  sync.Mutex
	got map[string][]string
}

func (b *twoBrokers) On(component string) sidecar.Publisher { return onBroker{b, component} }

type onBroker struct {
	*twoBrokers
	component string
}

func (b onBroker) Publish(_ context.Context, topic string, e sidecar.CloudEvent) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got[b.component] = append(b.got[b.component], topic+" "+e.ID+" "+e.Shares)
	return nil
}

func newTwoBrokers(store *journaltest.Store) *twoBrokers {
	beside := upSidecar()
	beside.State = store.Client("host", journaltest.Faults{})
	return &twoBrokers{fakeSidecar: beside, got: map[string][]string{}}
}

var twoOfThem = Config{Brokers: Brokers{Present: "pubsub", Next: "pubsub-next", Percent: 100}}

// Two brokers: every topic is subscribed on both, each delivery reaches the followers with its broker counted, and what a
// service publishes goes to both and is out before the host ends.
func TestTwoBrokersAtOnce(t *testing.T) {
	store := journaltest.NewStore()
	beside := newTwoBrokers(store)
	seen := map[string]bool{}
	shop := &fakeService{name: "shop", follows: map[string]func(context.Context, []byte) bool{
		"order": func(_ context.Context, data []byte) bool {
			known := seen[string(data)]
			seen[string(data)] = true
			return !known
		},
	}}
	shop.run = func(ctx context.Context) error {
		<-ctx.Done() // the last segment is published on the way down
		return shop.deps.Publisher.Publish(context.WithoutCancel(ctx), "shop", sidecar.CloudEvent{ID: "shop/0/1"})
	}
	h := start(t, twoOfThem, Outside{Sidecar: beside}, shop.named())
	assert.JSONEq(t, `[{"pubsubname":"pubsub","topic":"order","route":"/events/pubsub/order","metadata":{"rawPayload":"true"}},{"pubsubname":"pubsub-next","topic":"order","route":"/events/pubsub-next/order","metadata":{"rawPayload":"true"}}]`,
		request(t, h.app, http.MethodGet, "/dapr/subscribe", "", "").Body.String())
	for _, broker := range []string{"pubsub-next", "pubsub", "pubsub"} {
		w := request(t, h.app, http.MethodPost, "/events/"+broker+"/order", "",
			`{"id":"order/1/7","sidecartshares":"pubsub=100,pubsub-next=100","data":{"seq":7}}`)
		assert.JSONEq(t, `{"status":"SUCCESS"}`, w.Body.String())
	}
	var status delivery.Status
	require.NoError(t, json.Unmarshal(request(t, h.app, http.MethodGet, "/shop/internal/brokers", "", "").Body.Bytes(), &status))
	assert.Equal(t, []any{"shop", "pubsub", "pubsub-next", 100}, []any{status.Service, status.Present, status.Next, status.Percent})
	require.Len(t, status.Lines, 2)
	present, next := status.Lines[0], status.Lines[1]
	assert.Equal(t, []uint64{2, 0, 1, 1}, []uint64{present.Delivered, present.First, present.Doubled, present.InARow})
	assert.Equal(t, []uint64{1, 1, 0, 1}, []uint64{next.Delivered, next.First, next.Doubled, next.InARow})
	require.NoError(t, h.end(t))
	want := []string{"shop shop/0/1 pubsub=100,pubsub-next=100"}
	assert.Equal(t, map[string][]string{"pubsub": want, "pubsub-next": want}, beside.got)
	assert.Equal(t, []string{delivery.RecordKey("shop", "order")}, store.Keys(""), "the count was written on the way down")
}

func TestOneBrokerIsNotCounted(t *testing.T) {
	store := journaltest.NewStore()
	beside := newTwoBrokers(store)
	shop := &fakeService{name: "shop", follows: map[string]func(context.Context, []byte) bool{"order": func(context.Context, []byte) bool { return true }}}
	h := start(t, Config{Brokers: Brokers{Present: "another", Always: true}}, Outside{Sidecar: beside}, shop.named())
	require.Equal(t, http.StatusOK, request(t, h.app, http.MethodPost, "/events/another/order", "", `{"id":"order/1/7","data":{}}`).Code)
	require.NoError(t, shop.deps.Publisher.Publish(t.Context(), "shop", sidecar.CloudEvent{ID: "shop/0/1"}))
	assert.JSONEq(t, `{"service":"shop","present":"another","next":"","percent":0,"publishing":{"published":0,"failed":0,"dropped":0},"lines":[]}`,
		request(t, h.app, http.MethodGet, "/shop/internal/brokers", "", "").Body.String())
	require.NoError(t, h.end(t))
	assert.Equal(t, map[string][]string{"another": {"shop shop/0/1 "}}, beside.got)
	assert.Empty(t, store.Keys(""))
}

// The state store is away: what it counted cannot be told, and that is said.
func TestBrokersOfAServiceWithoutItsStore(t *testing.T) {
	store := journaltest.NewStore()
	beside := newTwoBrokers(store)
	beside.State.(*journaltest.Client).Cut()
	shop := &fakeService{name: "shop", follows: map[string]func(context.Context, []byte) bool{"order": nil}}
	h, err := New(twoOfThem, Outside{Sidecar: beside}, shop.named())
	require.NoError(t, err)
	assert.Equal(t, http.StatusServiceUnavailable, request(t, h.app, http.MethodGet, "/shop/internal/brokers", "", "").Code)
}

func TestBrokersAreChecked(t *testing.T) {
	shop := &fakeService{name: "shop"}
	for want, b := range map[string]Brokers{
		`SIDECART_PUBSUB: "Pub/Sub" cannot be the name`:           {Present: "Pub/Sub"},
		`SIDECART_PUBSUB_NEXT: "-" cannot be the name`:            {Next: "-"},
		"SIDECART_PUBSUB_NEXT: pubsub is SIDECART_PUBSUB already": {Next: "pubsub"},
		"SIDECART_PUBSUB_NEXT_PERCENT: there is no":               {Percent: 10},
		"SIDECART_PUBSUB_NEXT_PERCENT: 101 is not from 0 to 100":  {Next: "b", Percent: 101},
		"SIDECART_PUBSUB_NEXT_PERCENT: -1 is not from 0 to 100":   {Next: "b", Percent: -1},
	} {
		_, err := New(Config{Brokers: b}, Outside{Sidecar: upSidecar()}, shop.named())
		require.ErrorContains(t, err, want)
	}
}
