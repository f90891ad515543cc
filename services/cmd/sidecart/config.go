package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/sidecar"
	"github.com/sidecart/sidecart/services/kit/telemetry"
)

// config is everything that the environment can say. Zero values are the defaults of whoever uses them.
type config struct {
	logLevel       slog.Level
	otlp           string
	host           host.Config
	sidecar        sidecar.Config
	gatewayAddr    string
	gatewayGRPC    string
	gatewayRules   string
	access         httpx.AccessConfig
	shards         int
	snapshotEach   int
	segmentVersion int
	trimAfter      time.Duration
	staleAfter     time.Duration
	payWithin      time.Duration
	archiveAfter   time.Duration
	mailFrom       string
	mailsAtOnce    int
}

// configError marks what the person who started the process can put right.
type configError struct{ err error }

// Error is one complaint a line.
func (e *configError) Error() string { return "configuration: " + e.err.Error() }

// Unwrap gives the complaints.
func (e *configError) Unwrap() error { return e.err }

// setting is one row of the table: a variable, what it is for, and where its value goes.
type setting struct {
	env, help string
	value     value
}

// value parses and checks one setting. String is its present value; "" says that the default applies.
type value interface {
	Set(string) error
	String() string
}

// table is the one place where variables meet fields.
func (c *config) table() []setting {
	return []setting{
		{"APP_ID", "this app's Dapr id: for logs, for traces, and to tell a release from the service beside it", text{&c.host.App}},
		{"APP_PORT", "where the sidecar reaches this app; unset: a free port", number{&c.host.AppPort, 0, 65535}},
		{"APP_API_TOKEN", "what the sidecar must show", text{&c.host.AppToken}},
		{"DAPR_HTTP_PORT", "the sidecar's HTTP API", number{&c.host.DaprHTTPPort, 1, 65535}},
		{"DAPR_GRPC_PORT", "the sidecar's gRPC API; required", number{&c.sidecar.GRPCPort, 1, 65535}},
		{"DAPR_API_TOKEN", "what is shown to the sidecar", text{&c.sidecar.Token}},
		{"SIDECART_GATEWAY_ADDR", "where the gateway listens to the public (127.0.0.1:8080)", address{&c.gatewayAddr}},
		{"SIDECART_GATEWAY_GRPC_ADDR", "where the gateway listens for gRPC (docs/grpc.md); unset: nowhere", address{&c.gatewayGRPC}},
		{"SIDECART_GATEWAY_RULES", "the gateway's gateway.yaml (docs/gateway-rules.md); unset: none", text{&c.gatewayRules}},
		{"SIDECART_LISTEN_HOST", "address of the app and internal listeners (127.0.0.1)", text{&c.host.ListenHost}},
		{"SIDECART_INTERNAL_HOST", "address of the internal listener, if another (that of SIDECART_LISTEN_HOST)", text{&c.host.InternalHost}},
		{"SIDECART_INTERNAL_PORT", "metrics and health for operators; unset: a free port", number{&c.host.InternalPort, 0, 65535}},
		{"SIDECART_PUBSUB", "the broker's component (pubsub)", text{&c.host.Brokers.Present}},
		{"SIDECART_PUBSUB_NEXT", "a second broker's component, to move to; unset: none", text{&c.host.Brokers.Next}},
		{"SIDECART_PUBSUB_NEXT_PERCENT", "share of the segments that is published on it, too, 0 to 100 (0)", number{&c.host.Brokers.Percent, 0, 100}},
		{"SIDECART_PUBLISH", "which segments go to the broker: followed, those of services that another process asked for news within a minute, or always (followed)", publishing{&c.host.Brokers.Always}},
		{"SIDECART_SHARDS", "shards of a journal that is not there yet, 1 to 256 (2)", number{&c.shards, 1, 256}},
		{"SIDECART_SNAPSHOT_EVERY", "segments from one snapshot of a shard to the next at the soonest, 1 to 100000 (500); a large state is written the more seldom", number{&c.snapshotEach, 1, 100_000}},
		{"SIDECART_SEGMENT_VERSION", "layout of new segments, 1 to 2 (2); 1 while replicas run that read no other", number{&c.segmentVersion, journal.SegmentVersion, journal.PackedVersion}},
		{"SIDECART_TRIM_AFTER", "age at which a segment that nobody needs is deleted, 10s to 720h (24h)", duration{&c.trimAfter, 10 * time.Second, 720 * time.Hour}},
		{"SIDECART_STALE_AFTER", "how long a writer trusts what it knows of the head, 1s to 1h (1m); trimming waits for twice this", duration{&c.staleAfter, time.Second, time.Hour}},
		{"SIDECART_PAY_WITHIN", "how long an order waits for its payment, 1s to 23h (15m)", duration{&c.payWithin, time.Second, 23 * time.Hour}},
		{"SIDECART_ARCHIVE_AFTER", "how long a finished order stays in memory, 1s to 24h (1m)", duration{&c.archiveAfter, time.Second, 24 * time.Hour}},
		{"SIDECART_MAIL_FROM", "the sender of mails (shop@sidecart.invalid)", text{&c.mailFrom}},
		{"SIDECART_MAIL_CONCURRENCY", "mails sent at a time, 1 to 64 (1: a released Dapr mixes up concurrent mails; ours does not)", number{&c.mailsAtOnce, 1, 64}},
		{"SIDECART_SHUTDOWN_WITHIN", "deadline of an orderly stop, 1s to 5m (8s)", duration{&c.host.ShutdownWithin, time.Second, 5 * time.Minute}},
		{"SIDECART_LOG_LEVEL", "debug, info, warn or error (info)", level{&c.logLevel}},
		{"SIDECART_ACCESS_LOG_ONE_IN", "the gateway logs one in so many requests, by trace id, 1 to 1000000 (100); every one that failed with 5xx or was slow", number{&c.access.OneIn, 1, 1_000_000}},
		{"SIDECART_SLOW_AFTER", "from which a request is slow to the access log, 1ms to 1m (1s)", duration{&c.access.SlowAfter, time.Millisecond, time.Minute}},
		{"SIDECART_PPROF_TOKEN", "who shows it as a bearer token gets profiles on the internal listener, 16 bytes or more; unset: nobody", text{&c.host.PProfToken}},
		{"SIDECART_LEAVE_IN_DANGER", "true: a process whose CPU or memory is in danger is now and then not ready, for 30 s; only with several replicas (false)", yesNo{&c.host.Vitals.Leave}},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "base URL of an OTLP/HTTP collector for traces", text{&c.otlp}},
	}
}

// load reads the environment into c and says everything that is wrong with it.
func (c *config) load(getenv func(string) string) error {
	var wrong []error
	for _, s := range c.table() {
		given := getenv(s.env)
		if given == "" {
			continue
		}
		if err := s.value.Set(given); err != nil {
			if !telemetry.IsSecret(s.env) {
				err = fmt.Errorf("%q %w", given, err)
			}
			wrong = append(wrong, fmt.Errorf("%s: %w", s.env, err))
		}
	}
	if c.sidecar.GRPCPort == 0 && len(wrong) == 0 {
		wrong = append(wrong, errors.New("DAPR_GRPC_PORT is not set: start this beside a sidecar, with scripts/up or dapr run"))
	}
	if c.host.App == "" {
		c.host.App = "sidecart"
	}
	c.sidecar.HTTPPort, c.host.DaprToken = c.host.DaprHTTPPort, c.sidecar.Token
	if err := errors.Join(wrong...); err != nil {
		return &configError{err}
	}
	return nil
}

// log tells at debug level what applies, without secrets.
func (c *config) log(log *slog.Logger, services []string) {
	attrs := []any{slog.String("services", strings.Join(services, ","))}
	for _, s := range c.table() {
		shown := s.value.String()
		if shown != "" && telemetry.IsSecret(s.env) {
			shown = telemetry.Masked
		}
		attrs = append(attrs, slog.String(s.env, shown))
	}
	log.Debug("configuration", attrs...)
}

// helpText is the table for --help.
func helpText() string {
	var b strings.Builder
	b.WriteString("Environment:\n")
	for _, s := range new(config).table() {
		_, _ = fmt.Fprintf(&b, "  %-28s %s\n", s.env, s.help)
	}
	return b.String()
}

type text struct{ p *string }

func (v text) Set(s string) error { *v.p = s; return nil }
func (v text) String() string     { return *v.p }

type number struct {
	p         *int
	low, high int
}

func (v number) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < v.low || n > v.high {
		return fmt.Errorf("is not a whole number from %d to %d", v.low, v.high)
	}
	*v.p = n
	return nil
}

func (v number) String() string {
	if *v.p == 0 {
		return ""
	}
	return strconv.Itoa(*v.p)
}

type duration struct {
	p         *time.Duration
	low, high time.Duration
}

func (v duration) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d < v.low || d > v.high {
		return fmt.Errorf("is not a duration from %s to %s, such as 90s", v.low, v.high)
	}
	*v.p = d
	return nil
}

func (v duration) String() string {
	if *v.p == 0 {
		return ""
	}
	return v.p.String()
}

type address struct{ p *string }

func (v address) Set(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return errors.New("is not host:port, such as 127.0.0.1:8080")
	}
	*v.p = s
	return nil
}

func (v address) String() string { return *v.p }

type yesNo struct{ p *bool }

func (v yesNo) Set(s string) error {
	b, err := strconv.ParseBool(s)
	if err != nil {
		return errors.New("is not true or false")
	}
	*v.p = b
	return nil
}

func (v yesNo) String() string { return strconv.FormatBool(*v.p) }

// The values of SIDECART_PUBLISH.
const (
	publishFollowed = "followed"
	publishAlways   = "always"
)

type publishing struct{ always *bool }

func (v publishing) Set(s string) error {
	if s != publishFollowed && s != publishAlways {
		return fmt.Errorf("is neither %s nor %s", publishFollowed, publishAlways)
	}
	*v.always = s == publishAlways
	return nil
}

func (v publishing) String() string {
	if *v.always {
		return publishAlways
	}
	return publishFollowed
}

type level struct{ p *slog.Level }

func (v level) Set(s string) error {
	if err := v.p.UnmarshalText([]byte(s)); err != nil {
		return errors.New("is not debug, info, warn or error")
	}
	return nil
}

func (v level) String() string { return v.p.String() }
