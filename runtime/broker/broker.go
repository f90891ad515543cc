package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	loopback = "127.0.0.1"

	// Recovering bounded streams takes well under a second; a minute is for a
	// machine that is busy with everything else that starts at the same time.
	startWithin    = time.Minute
	shutdownWithin = 5 * time.Second

	// A repeated publication of the same segment carries the same id and is
	// dropped within this window.
	duplicateWindow = 2 * time.Minute

	// Streams live in files. What is left is bookkeeping.
	maxMemoryBytes = 16 << 20
)

// Broker is one NATS server and its health endpoint. Make it with New, run it
// once with Run. Its methods may be called from any goroutine.
type Broker struct {
	cfg   Config
	log   *slog.Logger
	ready chan struct{}

	// Both are set before ready is closed and read only after.
	natsURL   string
	healthURL string
}

// New checks cfg and returns a broker that has not started anything.
func New(cfg Config, log *slog.Logger) (*Broker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	return &Broker{cfg: cfg, log: log, ready: make(chan struct{})}, nil
}

// Ready is closed once every stream exists and clients may connect. It stays
// open when Run fails before that.
func (b *Broker) Ready() <-chan struct{} { return b.ready }

// NATSURL is where clients connect. Valid after Ready.
func (b *Broker) NATSURL() string { return b.natsURL }

// HealthURL is the health endpoint's address. Valid after Ready.
func (b *Broker) HealthURL() string { return b.healthURL }

// Run serves until ctx ends, and then returns nil once everything it started
// has stopped. Any other end is an error. Call it once.
func (b *Broker) Run(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", hostPort(b.cfg.HTTPPort))
	if err != nil {
		return fmt.Errorf("broker: health endpoint: %w", explainListen(err.Error(), b.cfg.HTTPPort))
	}
	health := &http.Server{Handler: b.healthHandler(), ReadHeaderTimeout: 5 * time.Second}
	healthEnded := make(chan error, 1)
	go func() { healthEnded <- health.Serve(listener) }()
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownWithin)
		defer cancel()
		if err := health.Shutdown(ctx); err != nil {
			b.log.Warn("health endpoint did not close in time", "error", err)
		}
	}()

	ns, err := b.start(ctx)
	if ns != nil {
		defer func() {
			ns.Shutdown()
			ns.WaitForShutdown()
		}()
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("broker: %w", err)
	}
	b.natsURL = ns.ClientURL()
	b.healthURL = "http://" + listener.Addr().String() + "/healthz"
	close(b.ready)

	select {
	case <-ctx.Done():
		return nil
	case err := <-healthEnded:
		return fmt.Errorf("broker: health endpoint ended: %w", err)
	}
}

// start brings the server up and makes the streams. The caller shuts down the
// server that it returns, with an error too.
func (b *Broker) start(ctx context.Context) (*server.Server, error) {
	// The server would make the folder itself, but says less when it cannot.
	if err := os.MkdirAll(b.cfg.StoreDir, 0o700); err != nil {
		return nil, fmt.Errorf("store folder: %w", err)
	}
	ns, err := server.NewServer(b.options())
	if err != nil {
		return nil, err
	}
	log := &natsLog{log: b.log, fatal: make(chan string, 1)}
	ns.SetLoggerV2(log, false, false, false)
	ns.Start()

	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for !ns.ReadyForConnections(50 * time.Millisecond) {
		select {
		case msg := <-log.fatal:
			return ns, explainListen(msg, b.cfg.Port)
		case <-ctx.Done():
			return ns, fmt.Errorf("NATS is not ready after %s: %w", startWithin, ctx.Err())
		default:
		}
	}
	return ns, b.makeStreams(ctx, ns)
}

func (b *Broker) options() *server.Options {
	port := b.cfg.Port
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return &server.Options{
		ServerName:             "sidecart",
		Host:                   loopback,
		Port:                   port,
		MaxPayload:             maxMessageBytes,
		NoSigs:                 true, // signals are the caller's
		DisableJetStreamBanner: true,
		JetStream:              true,
		StoreDir:               b.cfg.StoreDir,
		JetStreamMaxMemory:     maxMemoryBytes,
		// A stream left from an earlier list of topics keeps its share.
		JetStreamMaxStore: maxTopics * b.cfg.TopicMaxBytes,
	}
}

// makeStreams creates what is missing and brings the bounds of what exists to
// the configured ones. It deletes nothing: a topic that is no longer listed
// ages out.
func (b *Broker) makeStreams(ctx context.Context, ns *server.Server) error {
	conn, err := nats.Connect("", nats.InProcessServer(ns), nats.Name("sidecart broker"))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return fmt.Errorf("JetStream: %w", err)
	}
	for _, topic := range b.cfg.Topics {
		_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
			Name:       topic,
			Subjects:   []string{topic},
			Storage:    jetstream.FileStorage,
			Retention:  jetstream.LimitsPolicy,
			Discard:    jetstream.DiscardOld,
			MaxBytes:   b.cfg.TopicMaxBytes,
			MaxAge:     b.cfg.TopicMaxAge,
			Duplicates: min(duplicateWindow, b.cfg.TopicMaxAge),
		})
		if err != nil {
			return fmt.Errorf("stream for topic %q: %w", topic, err)
		}
	}
	return nil
}

func (b *Broker) healthHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-b.ready:
			w.WriteHeader(http.StatusOK)
		default:
			http.Error(w, "streams are not there yet", http.StatusServiceUnavailable)
		}
	})
	return mux
}

func hostPort(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }

// ErrPortTaken says that another process listens where the broker should.
var ErrPortTaken = errors.New("port is taken by another process")
