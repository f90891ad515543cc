package host

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// hears is a follower of order that does take with every event.
func hears(name string, take func(data string)) Named {
	s := &fakeService{name: name, follows: map[string]func(context.Context, []byte) bool{"order": func(_ context.Context, data []byte) bool {
		take(string(data))
		return true
	}}}
	return s.named()
}

func TestFollowersInTheProcessHearBeforeTheBroker(t *testing.T) {
	beside := newTwoBrokers(journaltest.NewStore())
	order := &fakeService{name: "order"}
	var heard []string
	_, err := New(Config{Brokers: Brokers{Always: true}}, Outside{Sidecar: beside}, order.named(), hears("broken", func(string) { panic("broken") }), hears("payment", func(data string) {
		assert.Empty(t, beside.got, "the broker comes after")
		heard = append(heard, data)
	}))
	require.NoError(t, err)
	require.NoError(t, order.deps.Publisher.Publish(t.Context(), "order", sidecar.CloudEvent{ID: "order/0/1", Data: []byte("1")}))
	assert.Equal(t, []string{"1"}, heard)
	assert.Equal(t, map[string][]string{"pubsub": {"order order/0/1 "}}, beside.got, "followers may be elsewhere, too")
}

// Who follows from elsewhere asks the source for its journal now and then, through the sidecar, and only then is there somebody to publish for.
func TestPublishedIsWhatOthersFollow(t *testing.T) {
	var now atomic.Int64
	clock := func() time.Time { return time.Unix(1_800_000_000+now.Load(), 0).UTC() }
	beside := newTwoBrokers(journaltest.NewStore())
	journals := func(g *echo.Group) {
		for _, path := range []string{"/journal", "/journal/:shard", "/journals", "/v1/things"} {
			g.GET(path, func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
		}
	}
	order, payment := &fakeService{name: "order", routes: journals}, &fakeService{name: "payment", routes: journals}
	h, err := New(Config{}, Outside{Sidecar: beside, Now: clock}, order.named(), payment.named())
	require.NoError(t, err)
	published := func() bool {
		clear(beside.got)
		err := order.deps.Publisher.Publish(t.Context(), "order", sidecar.CloudEvent{ID: "order/0/1"})
		if len(beside.got) > 0 {
			require.NoError(t, err)
			return true
		}
		require.ErrorIs(t, err, sidecar.ErrUnheard, "nothing was learned of the broker")
		return false
	}
	assert.False(t, published(), "nobody has asked")

	asked := func(url string) {
		resp, err := payment.deps.Client.Get(url)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusNoContent, resp.StatusCode)
	}
	asked("http://order/journal")
	assert.False(t, published(), "a service of the same process asks, and is handed everything")
	for _, path := range []string{"/payment/journal", "/order/journals", "/order/v1/things", "/journal", "/order/v1/journal"} {
		request(t, h.app, http.MethodGet, path, "", "")
		assert.False(t, published(), "%s is not order's journal", path)
	}
	for _, path := range []string{"/order/journal", "/order/journal/0?after=7"} {
		require.Equal(t, http.StatusNoContent, request(t, h.app, http.MethodGet, path, "", "").Code)
		assert.True(t, published(), path)
		now.Add(59)
		assert.True(t, published(), "it may ask another replica next")
		now.Add(1)
		assert.False(t, published(), "it has gone")
	}
}

// Followers ask the app that has the service's name: of a release beside it (order-canary) they never ask, and must hear of what it commits.
func TestAReleasePublishesUnasked(t *testing.T) {
	for app, published := range map[string]bool{"order-canary": true, "order": false, "": false} {
		beside := newTwoBrokers(journaltest.NewStore())
		order := &fakeService{name: "order"}
		_, err := New(Config{App: app}, Outside{Sidecar: beside}, order.named())
		require.NoError(t, err)
		err = order.deps.Publisher.Publish(t.Context(), "order", sidecar.CloudEvent{ID: "order/0/1"})
		assert.Equal(t, published, err == nil, "app %q: %v", app, err)
		assert.Equal(t, published, len(beside.got) == 1, "app %q", app)
	}
	beside := newTwoBrokers(journaltest.NewStore())
	order, payment := &fakeService{name: "order"}, &fakeService{name: "payment"}
	_, err := New(Config{App: "shop"}, Outside{Sidecar: beside}, order.named(), payment.named())
	require.NoError(t, err)
	require.ErrorIs(t, order.deps.Publisher.Publish(t.Context(), "order", sidecar.CloudEvent{ID: "order/0/1"}), sidecar.ErrUnheard)
	assert.Empty(t, beside.got, "all services in one app, whatever its name")
}

func TestEverythingIsPublishedIfSo(t *testing.T) {
	beside := newTwoBrokers(journaltest.NewStore())
	order := &fakeService{name: "order"}
	_, err := New(Config{Brokers: Brokers{Always: true}}, Outside{Sidecar: beside}, order.named())
	require.NoError(t, err)
	require.NoError(t, order.deps.Publisher.Publish(t.Context(), "order", sidecar.CloudEvent{ID: "order/0/1"}))
	assert.Len(t, beside.got, 1)
}

// What comes in the process would come from the broker for a second time; what does not is subscribed.
func TestOnlyTopicsFromElsewhereAreSubscribed(t *testing.T) {
	shop := &fakeService{name: "shop", follows: map[string]func(context.Context, []byte) bool{
		"order":   func(context.Context, []byte) bool { return true },
		"payment": func(context.Context, []byte) bool { return true },
	}}
	order := &fakeService{name: "order"}
	h, err := New(Config{}, Outside{Sidecar: upSidecar()}, order.named(), shop.named())
	require.NoError(t, err)
	assert.JSONEq(t, `[{"pubsubname":"pubsub","topic":"payment","route":"/events/pubsub/payment","metadata":{"rawPayload":"true"}}]`,
		request(t, h.app, http.MethodGet, "/dapr/subscribe", "", "").Body.String())

	h, err = New(twoOfThem, Outside{Sidecar: newTwoBrokers(journaltest.NewStore())}, order.named(), hears("payment", func(string) {}))
	require.NoError(t, err)
	list := request(t, h.app, http.MethodGet, "/dapr/subscribe", "", "").Body.String()
	assert.Equal(t, 2, strings.Count(list, `"topic":"order"`), "what two brokers deliver is counted: %s", list)
}

// With two brokers, which of them delivers a segment first is counted: nothing comes before both.
func TestTwoBrokersAreNotForestalled(t *testing.T) {
	order := &fakeService{name: "order"}
	_, err := New(twoOfThem, Outside{Sidecar: newTwoBrokers(journaltest.NewStore())}, order.named(), hears("payment", func(string) { t.Error("heard") }))
	require.NoError(t, err)
	_ = order.deps.Publisher.Publish(t.Context(), "order", sidecar.CloudEvent{ID: "order/0/1"}) // it does not run, so it may refuse
}
