package jetstream

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dapr/components-contrib/metadata"
	"github.com/dapr/components-contrib/pubsub"
	contrib "github.com/dapr/components-contrib/pubsub/jetstream"
	"github.com/dapr/kit/logger"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/runtime/broker"
)

const (
	testWait  = 30 * time.Second
	testCheck = 5 * time.Millisecond
)

// TestAClosedConnectionIsReplacedWithItsSubscriptions closes the component
// under the wrapper, which is what the NATS client does when it gives up, and
// expects messages to flow again on a real broker.
func TestAClosedConnectionIsReplacedWithItsSubscriptions(t *testing.T) {
	b := startBroker(t)
	made := &recorder{}
	p := newPubSub(logger.NewLogger("test"), made.construct, testCheck)
	require.NoError(t, p.Init(t.Context(), meta(b.NATSURL())))
	defer func() { assert.NoError(t, p.Close()) }()

	received := make(chan string, 8)
	ctx, unsubscribe := context.WithCancel(t.Context())
	defer unsubscribe()
	require.NoError(t, p.Subscribe(ctx, pubsub.SubscribeRequest{Topic: "order"}, func(_ context.Context, m *pubsub.NewMessage) error {
		received <- string(m.Data)
		return nil
	}))
	require.NoError(t, p.Publish(t.Context(), message("1")))
	assert.Equal(t, `{"id":"1"}`, next(t, received))

	made.last().giveUp()
	require.Eventually(t, func() bool { return p.Publish(t.Context(), message("2")) == nil }, testWait, testCheck)
	assert.Equal(t, `{"id":"2"}`, next(t, received))
	assert.Equal(t, 2, made.connected(), "one connection each time")
}

func TestTheWatchTriesAgainUntilThereIsABroker(t *testing.T) {
	made := &recorder{fake: true}
	p := newPubSub(logger.NewLogger("test"), made.construct, testCheck)
	require.NoError(t, p.Init(t.Context(), pubsub.Metadata{}))
	defer func() { assert.NoError(t, p.Close()) }()

	made.refuse.Store(true)
	made.last().giveUp()
	require.Eventually(t, func() bool { return made.refused.Load() >= 3 }, testWait, testCheck)
	assert.ErrorIs(t, p.Publish(t.Context(), message("1")), nats.ErrConnectionClosed)
	made.refuse.Store(false)
	require.Eventually(t, func() bool { return p.Publish(t.Context(), message("1")) == nil }, testWait, testCheck)
}

func TestASubscriptionThatHasEndedIsNotMoved(t *testing.T) {
	made := &recorder{fake: true}
	p := newPubSub(logger.NewLogger("test"), made.construct, testCheck)
	require.NoError(t, p.Init(t.Context(), pubsub.Metadata{}))
	defer func() { assert.NoError(t, p.Close()) }()

	ended, end := context.WithCancel(t.Context())
	require.NoError(t, p.Subscribe(ended, pubsub.SubscribeRequest{Topic: "payment"}, nil))
	require.NoError(t, p.Subscribe(t.Context(), pubsub.SubscribeRequest{Topic: "order"}, nil))
	end()
	require.Eventually(t, func() bool { return len(p.subscriptions()) == 1 }, testWait, testCheck)
	first := made.last()
	first.giveUp()
	require.Eventually(t, func() bool { return p.connection() != first }, testWait, testCheck)
	assert.Equal(t, []string{"order"}, made.last().topics)
}

func TestInitWaitsForTheBroker(t *testing.T) {
	made := &recorder{fake: true}
	made.refuse.Store(true)
	p := newPubSub(logger.NewLogger("test"), made.construct, testCheck)
	ready := make(chan error, 1)
	go func() { ready <- p.Init(t.Context(), pubsub.Metadata{}) }()
	require.Eventually(t, func() bool { return made.refused.Load() >= 2 }, testWait, testCheck)
	made.refuse.Store(false)
	require.NoError(t, <-ready)
	require.NoError(t, p.Close())
}

func TestInitGivesUpWithItsContextAndAtOnceOnBadMetadata(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	made := &recorder{fake: true}
	made.refuse.Store(true)
	p := newPubSub(logger.NewLogger("test"), made.construct, testCheck)
	cancel()
	require.ErrorIs(t, p.Init(ctx, pubsub.Metadata{}), nats.ErrNoServers)
	require.NoError(t, p.Close())

	err := New(logger.NewLogger("test")).Init(t.Context(), pubsub.Metadata{})
	assert.ErrorContains(t, err, "missing nats URL")
}

// recorder makes components and remembers them.
type recorder struct {
	fake    bool        // without a broker
	refuse  atomic.Bool // whether there is no broker, for fakes
	refused atomic.Int64
	mu      sync.Mutex
	made    []*component
}

func (r *recorder) construct() pubsub.PubSub {
	c := &component{recorder: r}
	if !r.fake {
		c.PubSub = contrib.NewJetStream(logger.NewLogger("test"))
	}
	return c
}

// last is the component that connected last.
func (r *recorder) last() *component {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.made[len(r.made)-1]
}

func (r *recorder) connected() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.made)
}

// component is contrib's, or a fake, that can be made to give up.
type component struct {
	pubsub.PubSub
	recorder *recorder
	closed   atomic.Bool
	topics   []string
}

func (c *component) giveUp() {
	c.closed.Store(true)
	if c.PubSub != nil {
		_ = c.PubSub.Close()
	}
}

func (c *component) Init(ctx context.Context, meta pubsub.Metadata) error {
	if c.recorder.refuse.Load() {
		c.recorder.refused.Add(1)
		return nats.ErrNoServers
	}
	if c.PubSub != nil {
		if err := c.PubSub.Init(ctx, meta); err != nil {
			return err
		}
	}
	c.recorder.mu.Lock()
	defer c.recorder.mu.Unlock()
	c.recorder.made = append(c.recorder.made, c)
	return nil
}

func (c *component) Publish(ctx context.Context, req *pubsub.PublishRequest) error {
	switch {
	case c.closed.Load():
		return pubsub.NewRetriableError(nats.ErrConnectionClosed)
	case c.PubSub != nil:
		return c.PubSub.Publish(ctx, req)
	case req.Topic == probeTopic:
		return nats.ErrNoStreamResponse
	}
	return nil
}

func (c *component) Subscribe(ctx context.Context, req pubsub.SubscribeRequest, handler pubsub.Handler) error {
	c.topics = append(c.topics, req.Topic)
	if c.PubSub == nil {
		return nil
	}
	return c.PubSub.Subscribe(ctx, req, handler)
}

func (c *component) Close() error {
	if c.PubSub == nil || c.closed.Load() {
		return nil
	}
	return c.PubSub.Close()
}

func startBroker(t *testing.T) *broker.Broker {
	t.Helper()
	b, err := broker.New(broker.Config{
		StoreDir: t.TempDir(), Topics: []string{"order"},
		TopicMaxBytes: broker.DefaultTopicMaxBytes, TopicMaxAge: broker.DefaultTopicMaxAge,
	}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
	select {
	case <-b.Ready():
	case err := <-ended:
		ended <- nil
		require.NoError(t, errors.Join(errors.New("broker ended"), err))
	}
	return b
}

func meta(natsURL string) pubsub.Metadata {
	return pubsub.Metadata{Base: metadata.Base{Properties: map[string]string{
		"natsURL": natsURL, "durableName": "notify", "queueGroupName": "notify",
	}}}
}

func message(id string) *pubsub.PublishRequest {
	return &pubsub.PublishRequest{Topic: "order", Data: []byte(`{"id":"` + id + `"}`)}
}

func next(t *testing.T, received <-chan string) string {
	t.Helper()
	select {
	case m := <-received:
		return m
	case <-time.After(testWait):
		require.FailNow(t, "no message")
		return ""
	}
}
