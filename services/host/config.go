package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"

	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/sidecar"
	"github.com/sidecart/sidecart/services/kit/vitals"
)

// Config says where a host listens and what it expects of its sidecar. Zero fields get the defaults.
type Config struct {
	ListenHost     string        // address of the app and internal listeners; default 127.0.0.1
	InternalHost   string        // address of the internal listener alone; default ListenHost
	App            string        // APP_ID, by which other apps' sidecars find this one
	AppPort        int           // APP_PORT; 0 takes a free one
	InternalPort   int           // metrics, health, profiles; 0 takes a free one
	AppToken       string        // APP_API_TOKEN: what the sidecar must show; "" asks for none and says so in the log
	DaprHTTPPort   int           // DAPR_HTTP_PORT, for calls to services of other hosts; 0: there is no sidecar
	DaprToken      string        // DAPR_API_TOKEN: what we show to the sidecar
	PProfToken     string        // who shows it gets profiles on the internal listener; "" is nobody
	Vitals         vitals.Config // how the process watches itself
	Brokers        Brokers       // the component events go through, and maybe a second one
	ShutdownWithin time.Duration // one deadline for the whole way down; default 8 s
	HTTP           httpx.Config  // bounds of the services' routes
}

// Outside is what a host is given of the world around it. Metrics must be its own registry; the rest may be shared.
type Outside struct {
	Log     *slog.Logger
	Metrics *prometheus.Registry
	Tracer  trace.Tracer
	Sidecar Sidecar
	Now     func() time.Time // default time.Now in UTC
	NewID   func() string    // default UUID v7
}

// Sidecar is what a host needs of its sidecar; *sidecar.Client is one. The host closes it.
type Sidecar interface {
	sidecar.State
	sidecar.Bindings
	sidecar.Configuration
	sidecar.Secrets
	// App reaches an app that speaks gRPC.
	App(app string) grpc.ClientConnInterface
	// On gives a Publisher to a broker's component.
	On(component string) sidecar.Publisher
	// Wait returns nil once the sidecar can be called.
	Wait(ctx context.Context) error
	Close() error
}

// Defaults fills in what is zero.
func (c Config) Defaults() Config {
	if c.ListenHost == "" {
		c.ListenHost = "127.0.0.1"
	}
	if c.InternalHost == "" {
		c.InternalHost = c.ListenHost
	}
	if c.Brokers.Present == "" {
		c.Brokers.Present = sidecar.PubSub
	}
	if c.ShutdownWithin == 0 {
		c.ShutdownWithin = 8 * time.Second
	}
	return c
}

// minTokenBytes is the least length of a token that people choose.
const minTokenBytes = 16

// Validate says everything that is wrong at once.
func (c Config) Validate() error {
	var wrong []error
	for _, p := range []struct {
		name string
		port int
	}{{"APP_PORT", c.AppPort}, {"SIDECART_INTERNAL_PORT", c.InternalPort}, {"DAPR_HTTP_PORT", c.DaprHTTPPort}} {
		if p.port < 0 || p.port > 65535 {
			wrong = append(wrong, fmt.Errorf("%s: %d is not a port", p.name, p.port))
		}
	}
	if c.PProfToken != "" && len(c.PProfToken) < minTokenBytes {
		wrong = append(wrong, fmt.Errorf("SIDECART_PPROF_TOKEN: has less than %d bytes", minTokenBytes))
	}
	wrong = append(wrong, c.Brokers.validate())
	if c.ShutdownWithin < 0 {
		wrong = append(wrong, fmt.Errorf("shutdown within %s: must not be negative", c.ShutdownWithin))
	}
	return errors.Join(wrong...)
}
