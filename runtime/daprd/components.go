package main

import (
	"context"

	"github.com/dapr/components-contrib/bindings"
	bindingcron "github.com/dapr/components-contrib/bindings/cron"
	bindinghttp "github.com/dapr/components-contrib/bindings/http"
	bindingkafka "github.com/dapr/components-contrib/bindings/kafka"
	bindingstorage "github.com/dapr/components-contrib/bindings/localstorage"
	bindingmqtt "github.com/dapr/components-contrib/bindings/mqtt3"
	bindingpostgres "github.com/dapr/components-contrib/bindings/postgres"
	bindingredis "github.com/dapr/components-contrib/bindings/redis"
	configpostgres "github.com/dapr/components-contrib/configuration/postgres"
	configredis "github.com/dapr/components-contrib/configuration/redis"
	chatecho "github.com/dapr/components-contrib/conversation/echo"
	chatollama "github.com/dapr/components-contrib/conversation/ollama"
	chatopenai "github.com/dapr/components-contrib/conversation/openai"
	"github.com/dapr/components-contrib/middleware"
	"github.com/dapr/components-contrib/middleware/http/bearer"
	"github.com/dapr/components-contrib/middleware/http/ratelimit"
	nameskubernetes "github.com/dapr/components-contrib/nameresolution/kubernetes"
	namesmdns "github.com/dapr/components-contrib/nameresolution/mdns"
	pubsubmemory "github.com/dapr/components-contrib/pubsub/in-memory"
	pubsubkafka "github.com/dapr/components-contrib/pubsub/kafka"
	pubsubmqtt "github.com/dapr/components-contrib/pubsub/mqtt3"
	pubsubrabbitmq "github.com/dapr/components-contrib/pubsub/rabbitmq"
	pubsubredis "github.com/dapr/components-contrib/pubsub/redis"
	secretsenv "github.com/dapr/components-contrib/secretstores/local/env"
	secretsfile "github.com/dapr/components-contrib/secretstores/local/file"
	statememory "github.com/dapr/components-contrib/state/in-memory"
	statemysql "github.com/dapr/components-contrib/state/mysql"
	statepostgres "github.com/dapr/components-contrib/state/postgresql/v2"
	stateredis "github.com/dapr/components-contrib/state/redis"
	"github.com/dapr/dapr/pkg/components"
	bindingreg "github.com/dapr/dapr/pkg/components/bindings"
	configreg "github.com/dapr/dapr/pkg/components/configuration"
	chatreg "github.com/dapr/dapr/pkg/components/conversation"
	middlewarereg "github.com/dapr/dapr/pkg/components/middleware/http"
	namesreg "github.com/dapr/dapr/pkg/components/nameresolution"
	pubsubreg "github.com/dapr/dapr/pkg/components/pubsub"
	secretreg "github.com/dapr/dapr/pkg/components/secretstores"
	statereg "github.com/dapr/dapr/pkg/components/state"
	daprmiddleware "github.com/dapr/dapr/pkg/middleware"
	"github.com/dapr/kit/logger"

	"github.com/sidecart/sidecart/runtime/daprd/jetstream"
	"github.com/sidecart/sidecart/runtime/daprd/latebroker"
	"github.com/sidecart/sidecart/runtime/daprd/mail"
	"github.com/sidecart/sidecart/runtime/daprd/names"
	"github.com/sidecart/sidecart/runtime/daprd/onewriter"
)

// To add a component: import its package above and give it one line in its
// building block below, under the names that Dapr's own documentation uses
// (without the block: "sqlite" becomes `type: state.sqlite`).

// registries are where components are made known. They are Dapr's own default
// registries and not private ones because Dapr adds the pluggable components
// it finds on Unix sockets to the default registries: with ours beside them, a
// team may still bring a component that is not compiled in.
type registries struct {
	state         *statereg.Registry
	pubsub        *pubsubreg.Registry
	bindings      *bindingreg.Registry
	configuration *configreg.Registry
	secrets       *secretreg.Registry
	conversation  *chatreg.Registry
	names         *namesreg.Registry
	middleware    *middlewarereg.Registry
}

func defaultRegistries() registries {
	return registries{
		state:         statereg.DefaultRegistry,
		pubsub:        pubsubreg.DefaultRegistry,
		bindings:      bindingreg.DefaultRegistry,
		configuration: configreg.DefaultRegistry,
		secrets:       secretreg.DefaultRegistry,
		conversation:  chatreg.DefaultRegistry,
		names:         namesreg.DefaultRegistry,
		middleware:    middlewarereg.DefaultRegistry,
	}
}

// setLogger gives every component the logger it writes to.
func (r registries) setLogger(log logger.Logger) {
	r.state.Logger = log
	r.pubsub.Logger = log
	r.bindings.Logger = log
	r.configuration.Logger = log
	r.secrets.Logger = log
	r.conversation.Logger = log
	r.names.Logger = log
	r.middleware.Logger = log
}

// registerComponents makes every compiled-in component known. Call it once,
// before the runtime is made. life says when other sidecars find this one.
func registerComponents(r registries, life names.Life) {
	r.state.RegisterComponent(statememory.NewInMemoryStateStore, "in-memory")
	r.state.RegisterComponent(onewriter.New, "sqlite", "sqlite3")
	r.state.RegisterComponent(stateredis.NewRedisStateStore, "redis")
	r.state.RegisterComponent(statemysql.NewMySQLStateStore, "mysql")
	for _, name := range []string{"postgresql", "postgres"} {
		// Upstream's default is v1, whose table layout differs. A component
		// file without `version: v2` must be refused and not silently read as
		// something else, so v2 is the only version here and also the default.
		r.state.RegisterComponentWithVersions(name, components.Versioning{
			Preferred: components.VersionConstructor{Version: "v2", Constructor: statepostgres.NewPostgreSQLStateStore},
			Default:   "v2",
		})
	}

	r.pubsub.RegisterComponent(pubsubmemory.New, "in-memory")
	r.pubsub.RegisterComponent(latebroker.Wrap(jetstream.New), "jetstream")
	r.pubsub.RegisterComponent(latebroker.Wrap(pubsubredis.NewRedisStreams), "redis")
	r.pubsub.RegisterComponent(latebroker.Wrap(pubsubrabbitmq.NewRabbitMQ), "rabbitmq")
	r.pubsub.RegisterComponent(latebroker.Wrap(pubsubkafka.NewKafka), "kafka")
	// Not late: after an Init that failed, a client of this component goes on connecting in the background (v1.18.3), and of two
	// clients with one name a broker drops one, by turns.
	r.pubsub.RegisterComponent(pubsubmqtt.NewMQTTPubSub, "mqtt3", "mqtt")

	r.bindings.RegisterOutputBinding(bindinghttp.NewHTTP, "http")
	r.bindings.RegisterOutputBinding(mail.New, "smtp")
	r.bindings.RegisterOutputBinding(bindingstorage.NewLocalStorage, "localstorage")
	r.bindings.RegisterOutputBinding(bindingredis.NewRedis, "redis")
	r.bindings.RegisterOutputBinding(bindingpostgres.NewPostgres, "postgresql", "postgres")
	r.bindings.RegisterInputBinding(bindingcron.NewCron, "cron")
	registerTwoWay(r.bindings, bindingkafka.NewKafka, "kafka")
	registerTwoWay(r.bindings, bindingmqtt.NewMQTT, "mqtt3", "mqtt")

	r.configuration.RegisterComponent(configredis.NewRedisConfigurationStore, "redis")
	r.configuration.RegisterComponent(configpostgres.NewPostgresConfigurationStore, "postgresql", "postgres")

	r.secrets.RegisterComponent(secretsfile.NewLocalSecretStore, "local.file")
	r.secrets.RegisterComponent(secretsenv.NewEnvSecretStore, "local.env")

	r.conversation.RegisterComponent(chatecho.NewEcho, "echo")
	r.conversation.RegisterComponent(chatopenai.NewOpenAI, "openai")
	r.conversation.RegisterComponent(chatollama.NewOllama, "ollama")

	r.names.RegisterComponent(names.New(life), "sqlite")
	r.names.RegisterComponent(namesmdns.NewResolver, "mdns")
	r.names.RegisterComponent(nameskubernetes.NewResolver, "kubernetes")

	r.middleware.RegisterComponent(httpMiddleware(bearer.NewBearerMiddleware), "bearer")
	r.middleware.RegisterComponent(httpMiddleware(ratelimit.NewRateLimitMiddleware), "ratelimit")
}

// registerTwoWay registers a binding that both receives and sends.
func registerTwoWay[B interface {
	bindings.InputBinding
	bindings.OutputBinding
}](reg *bindingreg.Registry, construct func(logger.Logger) B, names ...string) {
	reg.RegisterInputBinding(func(l logger.Logger) bindings.InputBinding { return construct(l) }, names...)
	reg.RegisterOutputBinding(func(l logger.Logger) bindings.OutputBinding { return construct(l) }, names...)
}

// httpMiddleware adapts contrib's middleware interface to the runtime's.
func httpMiddleware[M middleware.Middleware](construct func(logger.Logger) M) func(logger.Logger) middlewarereg.FactoryMethod {
	return func(l logger.Logger) middlewarereg.FactoryMethod {
		return func(meta middleware.Metadata) (daprmiddleware.HTTP, error) {
			// The registry's factory has no context; the handler's life is the process's.
			return construct(l).GetHandler(context.Background(), meta)
		}
	}
}
