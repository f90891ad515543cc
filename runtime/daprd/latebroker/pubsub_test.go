package latebroker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dapr/components-contrib/metadata"
	"github.com/dapr/components-contrib/pubsub"
	"github.com/dapr/kit/logger"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	testWait  = 30 * time.Second
	testRetry = time.Millisecond
)

var refused = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

// world is a broker that can be away, and remembers what was done to it.
type world struct {
	mu         sync.Mutex
	init       error // what Init says
	subscribe  error
	inits      int
	closed     int
	subscribed []string
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *world) look(what func() int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return what()
}

func (w *world) construct() pubsub.PubSub { return &fake{w: w} }

type fake struct{ w *world }

func (f *fake) Init(context.Context, pubsub.Metadata) error {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	f.w.inits++
	return f.w.init
}

func (f *fake) Subscribe(_ context.Context, req pubsub.SubscribeRequest, _ pubsub.Handler) error {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	if f.w.subscribe == nil {
		f.w.subscribed = append(f.w.subscribed, req.Topic)
	}
	return f.w.subscribe
}

func (f *fake) Close() error {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	f.w.closed++
	return nil
}

func (f *fake) Features() []pubsub.Feature { return []pubsub.Feature{pubsub.FeatureBulkPublish} }

func (f *fake) Publish(context.Context, *pubsub.PublishRequest) error { return nil }

func (f *fake) BulkPublish(context.Context, *pubsub.BulkPublishRequest) (pubsub.BulkPublishResponse, error) {
	return pubsub.BulkPublishResponse{}, nil
}

func (f *fake) GetComponentMetadata() (m metadata.MetadataMap) { return m }

func (w *world) open(t *testing.T) *pubSub {
	t.Helper()
	p := newPubSub(logger.NewLogger("test"), w.construct, testRetry)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	return p
}

func topic(name string) pubsub.SubscribeRequest { return pubsub.SubscribeRequest{Topic: name} }

func TestJoinsTheBrokerWithItsSubscriptions(t *testing.T) {
	w := &world{init: fmt.Errorf("dial: %w", refused)}
	p := w.open(t)
	require.NoError(t, p.Init(t.Context(), pubsub.Metadata{}))
	ended, end := context.WithCancel(t.Context())
	require.NoError(t, p.Subscribe(t.Context(), topic("order"), nil))
	require.NoError(t, p.Subscribe(ended, topic("payment"), nil))
	require.NoError(t, p.Subscribe(ended, topic("shipment"), nil))
	end()
	require.NoError(t, p.Subscribe(t.Context(), topic("refund"), nil))
	assert.Len(t, p.kept, 2, "those that have ended are not kept for ever")
	require.ErrorIs(t, p.Publish(t.Context(), &pubsub.PublishRequest{}), errAway)
	answer, err := p.BulkPublish(t.Context(), &pubsub.BulkPublishRequest{Entries: []pubsub.BulkMessageEntry{{EntryId: "1"}}})
	require.ErrorIs(t, err, errAway)
	assert.Len(t, answer.FailedEntries, 1)
	require.Eventually(t, func() bool { return w.look(func() int { return w.inits }) > 3 }, testWait, testRetry, "it is tried again")
	assert.Empty(t, w.subscribed)

	w.set(func() { w.init = nil })
	require.Eventually(t, func() bool { return p.Publish(t.Context(), &pubsub.PublishRequest{}) == nil }, testWait, testRetry)
	assert.Equal(t, []string{"order", "refund"}, w.subscribed, "what has ended is not subscribed any more")
	_, err = p.BulkPublish(t.Context(), &pubsub.BulkPublishRequest{})
	require.NoError(t, err)
	require.NoError(t, p.Subscribe(t.Context(), topic("notify"), nil))
	assert.Equal(t, []string{"order", "refund", "notify"}, w.subscribed)
}

func TestABrokerThatIsThereIsUsedAtOnce(t *testing.T) {
	w := &world{}
	p := w.open(t)
	require.NoError(t, p.Init(t.Context(), pubsub.Metadata{}))
	require.NoError(t, p.Publish(t.Context(), &pubsub.PublishRequest{}))
	require.NoError(t, p.Subscribe(t.Context(), topic("order"), nil))
	assert.Equal(t, []string{"order"}, w.subscribed)
	assert.Equal(t, 1, w.inits)
}

func TestWhatIsWrongWithTheMetadataIsSaidAtOnce(t *testing.T) {
	wrong := errors.New("missing URL")
	w := &world{init: wrong}
	require.ErrorIs(t, w.open(t).Init(t.Context(), pubsub.Metadata{}), wrong)
	assert.Equal(t, 1, w.inits)

	w = &world{init: refused}
	ended, end := context.WithCancel(t.Context())
	end()
	require.ErrorIs(t, w.open(t).Init(ended, pubsub.Metadata{}), refused, "nobody wants it any more")
}

func TestAConnectionThatTakesNoSubscriptionIsGivenBack(t *testing.T) {
	w := &world{init: refused, subscribe: errors.New("not yet")}
	p := w.open(t)
	require.NoError(t, p.Init(t.Context(), pubsub.Metadata{}))
	require.NoError(t, p.Subscribe(t.Context(), topic("order"), nil))
	w.set(func() { w.init = nil })
	require.Eventually(t, func() bool { return w.look(func() int { return w.closed }) >= 2 }, testWait, testRetry)
	require.ErrorIs(t, p.Publish(t.Context(), &pubsub.PublishRequest{}), errAway)
	w.set(func() { w.subscribe = nil })
	require.Eventually(t, func() bool { return p.Publish(t.Context(), &pubsub.PublishRequest{}) == nil }, testWait, testRetry)
	assert.Equal(t, []string{"order"}, w.subscribed)
}

func TestAway(t *testing.T) {
	for _, err := range []error{
		refused, fmt.Errorf("x: %w", refused), context.DeadlineExceeded, errors.New("redis streams: error connecting to redis at x: dial tcp: connection refused"),
		errors.New("kafka: client has run out of available brokers to talk to"), fmt.Errorf("read: %s", io.EOF), errors.New("LOADING Redis is loading the dataset in memory"),
	} {
		assert.True(t, away(err), err)
	}
	for _, err := range []error{errors.New("missing url"), errors.New(`Exception (403) Reason: "username or password not allowed"`), errors.New("WRONGPASS")} {
		assert.False(t, away(err), err)
	}
}
