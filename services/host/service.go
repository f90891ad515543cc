package host

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Deps is what a service is given. Everything is safe for concurrent use.
type Deps struct {
	Log       *slog.Logger     // carries the service's name
	Now       func() time.Time // UTC
	NewID     func() string    // UUID v7
	Writer    string           // names this start of the process in journals; a UUID v7
	State     sidecar.State
	Publisher sidecar.Publisher
	Bindings  sidecar.Bindings
	Secrets   sidecar.Secrets
	// Configuration reads the component set's configuration store, if it has one.
	Configuration sidecar.Configuration
	Apps          func(app string) grpc.ClientConnInterface // reaches apps that speak gRPC, through Dapr; nil: there is no sidecar
	Client        *http.Client                              // reaches other services as http://{service}/…, in-process or through Dapr
	Metrics       prometheus.Registerer                     // adds the label service; the service's own labels must not be named so
	Tracer        trace.Tracer
	// Services lists the names of the services in this host, this one included, in their order. It is for
	// showing placement to operators, not for deciding anything by it.
	Services []string
	// HostReady is nil when every service of this host is ready. It may be called once Run has begun.
	HostReady func() error
}

// Service is one service of a host. New made it without side effects; the host calls Register once, then Run
// once; Ready and the functions of Follows come from any goroutine at any time after Register.
type Service interface {
	// Name is the service's name: a lower-case word that is also its app id, its topic and its key prefix.
	Name() string
	// Contract is the service's public OpenAPI 3.0 document in YAML; nil if it has none.
	Contract() []byte
	// Register adds the routes; g is already under /{name}.
	Register(g *echo.Group)
	// Follows gives, for each topic it wants pushed, the function that takes an event's data (an encoded segment).
	// The function must return soon and cannot refuse; news says that the segment was not known yet.
	Follows() map[string]func(ctx context.Context, data []byte) (news bool)
	// Run works until ctx ends, then stops cleanly and returns nil or ctx's error. Any earlier return ends the process.
	Run(ctx context.Context) error
	// Ready is nil when the service can do its work now, or says why not.
	Ready() error
}

// Public is what a service implements that also listens to the outside world; the gateway does.
type Public interface {
	// Public gives the address to listen on ("127.0.0.1:8080") and the handler. The host opens the listener once
	// every service of the host is ready and closes it first on the way down.
	Public() (address string, handler http.Handler)
}

// PublicGRPC is what a service implements that also speaks gRPC with the outside world.
type PublicGRPC interface {
	// PublicGRPC gives the address to listen on and the server; nil: it does not. The host opens and closes the listener with
	// that of Public.
	PublicGRPC() (address string, server Server)
}

// Reloader is what a service implements that reads something which may change while it runs.
type Reloader interface {
	// Reload has the service look for changes now and not at its next turn. It returns at once; any goroutine may call it.
	Reload()
}

// Factory makes a service. It validates its configuration and has no side effects but registering metrics.
type Factory func(Deps) (Service, error)

// Named is a factory and the name that its service will have.
type Named struct {
	Name string
	New  Factory
}
