package broker

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Long enough for a busy machine; nothing waits for it when all is well.
const testWait = 30 * time.Second

func TestEachTopicIsAStreamWithItsBounds(t *testing.T) {
	cfg := testConfig(t)
	b, stop := start(t, cfg)
	defer stop()
	js := connect(t, b)

	for _, topic := range cfg.Topics {
		stream, err := js.Stream(t.Context(), topic)
		require.NoError(t, err)
		got := stream.CachedInfo().Config
		assert.Equal(t, []string{topic}, got.Subjects)
		assert.Equal(t, jetstream.FileStorage, got.Storage)
		assert.Equal(t, cfg.TopicMaxBytes, got.MaxBytes)
		assert.Equal(t, cfg.TopicMaxAge, got.MaxAge)
		assert.Equal(t, jetstream.DiscardOld, got.Discard)
	}
}

func TestMessagesReachAConsumerAndAnIDOnlyOnce(t *testing.T) {
	b, stop := start(t, testConfig(t))
	defer stop()
	js := connect(t, b)

	publish(t, js, "order", "order/0/1", "first")
	publish(t, js, "order", "order/0/1", "first")
	publish(t, js, "order", "order/0/2", "second")
	assert.Equal(t, []string{"first", "second"}, consume(t, js, "order", "notify", 2))
	stream, err := js.Stream(t.Context(), "order")
	require.NoError(t, err)
	assert.EqualValues(t, 2, stream.CachedInfo().State.Msgs)
}

func TestStreamsMessagesAndPositionsSurviveARestart(t *testing.T) {
	cfg := testConfig(t)
	b, stop := start(t, cfg)
	js := connect(t, b)
	publish(t, js, "order", "order/0/1", "first")
	publish(t, js, "order", "order/0/2", "second")
	require.Equal(t, []string{"first"}, consume(t, js, "order", "notify", 1))
	stop()

	b, stop = start(t, cfg)
	defer stop()
	js = connect(t, b)
	assert.Equal(t, []string{"second"}, consume(t, js, "order", "notify", 1))
}

func TestTopicsAndBoundsMayChangeBetweenStarts(t *testing.T) {
	cfg := testConfig(t)
	b, stop := start(t, cfg)
	publish(t, connect(t, b), "payment", "payment/0/1", "kept")
	stop()

	cfg.Topics = []string{"order", "notify"}
	cfg.TopicMaxAge = time.Hour
	b, stop = start(t, cfg)
	defer stop()
	js := connect(t, b)
	stream, err := js.Stream(t.Context(), "order")
	require.NoError(t, err)
	assert.Equal(t, time.Hour, stream.CachedInfo().Config.MaxAge)
	_, err = js.Stream(t.Context(), "notify")
	require.NoError(t, err)
	stream, err = js.Stream(t.Context(), "payment")
	require.NoError(t, err, "a topic that is no longer listed ages out, nothing deletes it")
	assert.EqualValues(t, 1, stream.CachedInfo().State.Msgs)
}

func TestHealthSaysOKOnceReady(t *testing.T) {
	b, stop := start(t, testConfig(t))
	defer stop()
	resp, err := http.Get(b.HealthURL())
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, http.StatusOK, resp.StatusCode)
}

func TestTakenPortIsNamed(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer other.Close()
	taken := other.Addr().(*net.TCPAddr).Port

	for name, change := range map[string]func(*Config){
		"NATS":   func(c *Config) { c.Port = taken },
		"health": func(c *Config) { c.HTTPPort = taken },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(t)
			change(&cfg)
			b, err := New(cfg, quiet())
			require.NoError(t, err)
			err = b.Run(t.Context())
			require.ErrorIs(t, err, ErrPortTaken)
			assert.ErrorContains(t, err, other.Addr().String())
			select {
			case <-b.Ready():
				assert.Fail(t, "ready although it failed")
			default:
			}
		})
	}
}

func TestSecondBrokerOnTheSamePortIsRefusedAndTheFirstGoesOn(t *testing.T) {
	first, stop := start(t, testConfig(t))
	defer stop()
	cfg := testConfig(t)
	cfg.Port = portOf(t, first.NATSURL())
	second, err := New(cfg, quiet())
	require.NoError(t, err)
	require.ErrorIs(t, second.Run(t.Context()), ErrPortTaken)
	publish(t, connect(t, first), "order", "order/0/1", "still here")
}

func TestStoreThatIsAFileIsRefused(t *testing.T) {
	cfg := testConfig(t)
	cfg.StoreDir = filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(cfg.StoreDir, nil, 0o600))
	b, err := New(cfg, quiet())
	require.NoError(t, err)
	assert.ErrorContains(t, b.Run(t.Context()), cfg.StoreDir)
}

func TestBadConfigIsRefusedWithAllThatIsWrong(t *testing.T) {
	_, err := New(Config{
		Port: -1, HTTPPort: 70000, Topics: []string{"a.b", "order", "order"}, TopicMaxBytes: 1, TopicMaxAge: time.Second,
	}, quiet())
	require.Error(t, err)
	for _, want := range []string{"port -1", "HTTP port 70000", "store folder", `"a.b"`, `"order" is given twice`, "bytes per topic", "age of 1s"} {
		assert.ErrorContains(t, err, want)
	}
	_, err = New(Config{StoreDir: "x", TopicMaxBytes: DefaultTopicMaxBytes, TopicMaxAge: time.Hour}, quiet())
	assert.ErrorContains(t, err, "0 topics")
}

func testConfig(t *testing.T) Config {
	t.Helper()
	return Config{
		StoreDir:      t.TempDir(),
		Topics:        []string{"order", "payment"},
		TopicMaxBytes: DefaultTopicMaxBytes,
		TopicMaxAge:   DefaultTopicMaxAge,
	}
}

// start runs a broker until the returned function, which checks that it ends
// without an error, or the test's end.
func start(t *testing.T, cfg Config) (*Broker, func()) {
	t.Helper()
	b, err := New(cfg, quiet())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	select {
	case <-b.Ready():
	case err := <-ended:
		cancel()
		require.FailNow(t, "broker ended", "%v", err)
	case <-time.After(testWait):
		cancel()
		require.FailNow(t, "broker is not ready")
	}
	return b, func() {
		cancel()
		select {
		case err := <-ended:
			assert.NoError(t, err)
		case <-time.After(testWait):
			assert.Fail(t, "broker did not end")
		}
	}
}

func connect(t *testing.T, b *Broker) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(b.NATSURL())
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	return js
}

func publish(t *testing.T, js jetstream.JetStream, topic, id, text string) {
	t.Helper()
	_, err := js.Publish(t.Context(), topic, []byte(text), jetstream.WithMsgID(id))
	require.NoError(t, err)
}

// consume takes n messages through a durable consumer and acknowledges them.
func consume(t *testing.T, js jetstream.JetStream, topic, durable string, n int) []string {
	t.Helper()
	consumer, err := js.CreateOrUpdateConsumer(t.Context(), topic, jetstream.ConsumerConfig{
		Durable: durable, AckPolicy: jetstream.AckExplicitPolicy,
	})
	require.NoError(t, err)
	batch, err := consumer.Fetch(n, jetstream.FetchMaxWait(testWait))
	require.NoError(t, err)
	var texts []string
	for msg := range batch.Messages() {
		texts = append(texts, string(msg.Data()))
		require.NoError(t, msg.DoubleAck(t.Context()))
	}
	require.NoError(t, batch.Error())
	return texts
}

func portOf(t *testing.T, natsURL string) int {
	t.Helper()
	addr, err := net.ResolveTCPAddr("tcp", natsURL[len("nats://"):])
	require.NoError(t, err)
	return addr.Port
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
