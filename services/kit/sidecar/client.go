package sidecar

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	dapr "github.com/dapr/go-sdk/client"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Names of the components that every component set has.
const (
	StateStore      = "state"
	PubSub          = "pubsub"
	PaymentProvider = "payment-provider"
	Mail            = "mail"
	SMS             = "sms"
)

// maxReceiveBytes holds the largest answer, a bulk read of MaxBulkKeys values of MaxValueBytes, and its framing.
const maxReceiveBytes = MaxBulkKeys*(MaxValueBytes+1<<10) + 1<<20

// Config says where the sidecar is. Zero durations get the defaults; a caller's earlier deadline always wins.
type Config struct {
	Host          string        // default 127.0.0.1
	GRPCPort      int           // DAPR_GRPC_PORT
	HTTPPort      int           // DAPR_HTTP_PORT; only Wait uses it
	Token         string        // DAPR_API_TOKEN; "" sends none
	StateWithin   time.Duration // deadline of a state call; default 6 s
	PublishWithin time.Duration // default 5 s
	BindingWithin time.Duration // default 15 s
}

// Defaults fills in what is zero.
func (c Config) Defaults() Config {
	if c.Host == "" {
		c.Host = "127.0.0.1"
	}
	for _, d := range []struct {
		at        *time.Duration
		byDefault time.Duration
	}{{&c.StateWithin, 6 * time.Second}, {&c.PublishWithin, 5 * time.Second}, {&c.BindingWithin, 15 * time.Second}} {
		if *d.at == 0 {
			*d.at = d.byDefault
		}
	}
	return c
}

// Client speaks State, Publisher and Bindings to one sidecar. It is safe for concurrent use.
type Client struct {
	cfg  Config
	conn *grpc.ClientConn
	api  dapr.Client
	http *http.Client

	bulkKeys atomic.Int64 // how many keys the next bulk call asks for
}

// The ports that a Client serves.
var (
	_ State     = (*Client)(nil)
	_ Publisher = (*Client)(nil)
	_ Bindings  = (*Client)(nil)
)

// New makes a Client. It connects when it is first used, so the sidecar need not be there yet. Close it after use.
func New(cfg Config) (*Client, error) {
	cfg = cfg.Defaults()
	if cfg.GRPCPort < 1 || cfg.GRPCPort > 65535 {
		return nil, fmt.Errorf("sidecar: gRPC port %d is not a port (is DAPR_GRPC_PORT set?)", cfg.GRPCPort)
	}
	conn, err := grpc.NewClient(
		net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.GRPCPort)),
		grpc.WithTransportCredentials(insecure.NewCredentials()), // loopback; the token authenticates
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		// gRPC would wait for up to two minutes between attempts; a sidecar is back within seconds.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: 2 * time.Second,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReceiveBytes)),
		grpc.WithUnaryInterceptor(outgoing(cfg.Token)),
	)
	if err != nil {
		return nil, fmt.Errorf("sidecar: %w", err)
	}
	c := &Client{cfg: cfg, conn: conn, api: dapr.NewClientWithConnection(conn), http: &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Second,
	}}
	c.bulkKeys.Store(MaxBulkKeys)
	return c, nil
}

// outgoing adds the token and, for a sampled trace, the trace context.
func outgoing(token string) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if token != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "dapr-api-token", token)
		}
		if md, _ := metadata.FromOutgoingContext(ctx); trace.SpanContextFromContext(ctx).IsSampled() && md.Get("traceparent") == nil {
			carrier := propagation.MapCarrier{}
			propagation.TraceContext{}.Inject(ctx, carrier)
			ctx = metadata.AppendToOutgoingContext(ctx, "traceparent", carrier["traceparent"])
		}
		return invoke(ctx, method, req, reply, cc, opts...)
	}
}

// App is a connection to an app that speaks gRPC, which the sidecar looks for by its id (gRPC proxying). It may be used as long as the
// Client. Streams are refused: nothing here needs them.
func (c *Client) App(id string) grpc.ClientConnInterface { return app{c.conn, id} }

type app struct {
	conn *grpc.ClientConn
	id   string
}

// sidecarsOwn begin the methods that a sidecar answers itself, whatever app they are for: its API with our state and our secrets, the
// workflows beside it, and what gRPC brings.
var sidecarsOwn = []string{"/dapr.", "/TaskHubSidecarService/", "/grpc."}

// Invoke calls a method of the app, until ctx ends: it has no limit of its own. Its answer may have as many bytes as one of the sidecar's own.
// What methods there are is said by files that others wrote, so those of the sidecar itself are refused.
func (a app) Invoke(ctx context.Context, method string, in, out any, opts ...grpc.CallOption) error {
	if slices.ContainsFunc(sidecarsOwn, func(own string) bool { return strings.HasPrefix(method, own) }) {
		return status.Errorf(codes.Unimplemented, "%s is the sidecar's own and no method of an app", method)
	}
	md, _ := metadata.FromOutgoingContext(ctx)
	md = md.Copy()
	md.Set("dapr-app-id", a.id)
	return a.conn.Invoke(metadata.NewOutgoingContext(ctx, md), method, in, out, opts...)
}

// NewStream implements grpc.ClientConnInterface.
func (a app) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Error(codes.Unimplemented, "streams to apps are not spoken here")
}

// Close ends the connection; calls under way fail.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	if err := c.conn.Close(); err != nil {
		return fmt.Errorf("sidecar: close: %w", err)
	}
	return nil
}

// Healthy is nil when the sidecar has its components up and can be called.
func (c *Client) Healthy(ctx context.Context) error {
	address := net.JoinHostPort(c.cfg.Host, strconv.Itoa(c.cfg.HTTPPort))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/v1.0/healthz/outbound", nil)
	if err != nil {
		return fmt.Errorf("sidecar: %w", err)
	}
	if c.cfg.Token != "" {
		req.Header.Set("dapr-api-token", c.cfg.Token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("sidecar is not there: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("sidecar is not healthy: status %d", resp.StatusCode)
	}
	return nil
}

// Components gives the names of the components that the sidecar has up.
func (c *Client) Components(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.StateWithin)
	defer cancel()
	told, err := c.api.GetMetadata(ctx)
	if err != nil {
		return nil, fmt.Errorf("sidecar: metadata: %w", err)
	}
	names := make([]string, len(told.RegisteredComponents))
	for i, component := range told.RegisteredComponents {
		names[i] = component.Name
	}
	return names, nil
}

// Wait returns nil once the sidecar is healthy, or an error when ctx ends first.
func (c *Client) Wait(ctx context.Context) error {
	const longest = time.Second
	pause := 20 * time.Millisecond
	for {
		err := c.Healthy(ctx)
		if err == nil {
			c.conn.Connect()
			return nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(ctx.Err(), err)
		case <-timer.C:
		}
		pause = min(2*pause, longest)
	}
}
