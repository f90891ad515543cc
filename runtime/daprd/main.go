package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/dapr/dapr/cmd/daprd/options"
	"github.com/dapr/dapr/pkg/buildinfo"
	"github.com/dapr/dapr/pkg/healthz"
	"github.com/dapr/dapr/pkg/metrics"
	"github.com/dapr/dapr/pkg/modes"
	"github.com/dapr/dapr/pkg/runtime"
	"github.com/dapr/dapr/pkg/runtime/registry"
	"github.com/dapr/dapr/pkg/security"
	"github.com/dapr/kit/concurrency"
	"github.com/dapr/kit/logger"
	"github.com/dapr/kit/signals"
	"go.opencensus.io/stats/view"

	"github.com/sidecart/sidecart/runtime/daprd/names"
)

// nameWhenEnv names a path of the app that must answer 200 before other sidecars are sent here. Unset: they are from the start,
// as with a released daprd. For shops whose replicas are replaced while they sell; it matters to nameresolution.sqlite alone.
const nameWhenEnv = "SIDECART_NAME_WHEN"

func main() {
	collectLater(os.Getenv)
	keepConnections(http.DefaultTransport.(*http.Transport))
	log := logger.NewLogger("dapr.runtime")
	opts, err := options.New(os.Args[1:])
	if err != nil {
		log.Fatalf("cannot read the command line: %s", err)
	}
	switch {
	case opts.RuntimeVersion:
		fmt.Println(buildinfo.Version())
	case opts.BuildInfo:
		fmt.Printf("Version: %s\nGit Commit: %s\nGit Version: %s\n",
			buildinfo.Version(), buildinfo.Commit(), buildinfo.GitVersion())
	case opts.WaitCommand:
		runtime.WaitUntilDaprOutboundReady(opts.DaprHTTPPort)
	default:
		if err := serve(log, opts); err != nil {
			log.Fatalf("daprd cannot go on: %s", err)
		}
	}
}

// serve runs the sidecar until a signal ends it, the runtime's own shutdown
// API is called, or the runtime fails. SIGHUP ends the running instance and
// starts the next one with its files read anew.
func serve(log logger.Logger, opts *options.Options) error {
	opts.Logger.SetAppID(opts.AppID)
	if err := logger.ApplyOptionsToLoggers(&opts.Logger); err != nil {
		return fmt.Errorf("logging options: %w", err)
	}
	log.Infof("starting Dapr runtime %s, app id %q", buildinfo.Version(), opts.AppID)

	ctx := signals.Context()
	reg := defaultRegistries()
	reg.setLogger(logger.NewLogger("dapr.contrib"))
	registerComponents(reg, names.Life{Ending: ctx.Done(), ReadyPath: os.Getenv(nameWhenEnv), AppToken: os.Getenv("APP_API_TOKEN")})

	// Each context on the channel lives until the next SIGHUP. The first one
	// is there at once; the channel is closed at shutdown.
	for instance := range signals.OnHUP(ctx) {
		err := runInstance(instance, log, opts)
		if err != nil {
			return err
		}
		if instance.Err() == nil {
			break // The runtime ended by itself, as POST /v1.0/shutdown asks.
		}
	}
	log.Info("daprd shut down")
	return nil
}

// runInstance makes one runtime and its identity provider and runs both until
// ctx ends or one of them stops.
func runInstance(ctx context.Context, log logger.Logger, opts *options.Options) error {
	health := healthz.New()
	identity, err := security.New(ctx, security.Options{
		SentryAddress:           opts.SentryAddress,
		ControlPlaneTrustDomain: opts.ControlPlaneTrustDomain,
		ControlPlaneNamespace:   opts.ControlPlaneNamespace,
		TrustAnchors:            opts.TrustAnchors,
		AppID:                   opts.AppID,
		MTLSEnabled:             opts.EnableMTLS,
		Mode:                    modes.DaprMode(opts.Mode),
		Healthz:                 health,
		JwtAudiences:            opts.SentryRequestJwtAudiences,
	})
	if err != nil {
		return fmt.Errorf("workload identity: %w", err)
	}
	return concurrency.NewRunnerManager(
		identity.Run,
		func(ctx context.Context) error {
			handler, err := identity.Handler(ctx)
			if err != nil {
				return fmt.Errorf("workload identity: %w", err)
			}
			cfg := runtimeConfig(opts)
			cfg.Security = handler
			cfg.Healthz = health
			cfg.Registry = registry.NewOptions()
			cfg.Metrics = metrics.Options{
				Enabled:       opts.Metrics.Enabled(),
				Log:           log,
				Port:          opts.Metrics.Port(),
				ListenAddress: opts.Metrics.ListenAddress(),
				Namespace:     metrics.DefaultMetricNamespace,
				Healthz:       health,
				Meter:         view.NewMeter(),
			}
			rt, err := runtime.FromConfig(ctx, cfg)
			if err != nil {
				return err
			}
			return rt.Run(ctx)
		},
	).Run(ctx)
}

// runtimeConfig carries the command line over to the runtime. Every flag that
// Dapr parses has its place here: one that is forgotten would be accepted and
// ignored, which main_test.go checks.
func runtimeConfig(o *options.Options) *runtime.Config {
	return &runtime.Config{
		AppID:                         o.AppID,
		Mode:                          o.Mode,
		Config:                        o.Config,
		ResourcesPath:                 o.ResourcesPath,
		ComponentsPath:                o.ComponentsPath,
		ControlPlaneAddress:           o.ControlPlaneAddress,
		SentryAddress:                 o.SentryAddress,
		EnableMTLS:                    o.EnableMTLS,
		AllowedOrigins:                o.AllowedOrigins,
		UnixDomainSocket:              o.UnixDomainSocket,
		DisableBuiltinK8sSecretStore:  o.DisableBuiltinK8sSecretStore,
		DisableInitEndpoints:          o.DisableInitEndpoints,
		DaprHTTPPort:                  o.DaprHTTPPort,
		DaprAPIGRPCPort:               o.DaprAPIGRPCPort,
		DaprAPIListenAddresses:        o.DaprAPIListenAddresses,
		DaprInternalGRPCPort:          o.DaprInternalGRPCPort,
		DaprInternalGRPCListenAddress: o.DaprInternalGRPCListenAddress,
		DaprPublicPort:                o.DaprPublicPort,
		DaprPublicListenAddress:       o.DaprPublicListenAddress,
		ProfilePort:                   o.ProfilePort,
		EnableProfiling:               o.EnableProfiling,
		EnableAPILogging:              o.EnableAPILogging,
		MaxRequestSize:                o.MaxRequestSize,
		ReadBufferSize:                o.ReadBufferSize,
		DaprGracefulShutdownSeconds:   o.DaprGracefulShutdownSeconds,
		DaprBlockShutdownDuration:     o.DaprBlockShutdownDuration,
		HotReloadReconcileInterval:    o.HotReloadReconcileInterval,
		ApplicationPort:               o.AppPort,
		AppProtocol:                   o.AppProtocol,
		AppChannelAddress:             o.AppChannelAddress,
		AppMaxConcurrency:             o.AppMaxConcurrency,
		AppSSL:                        o.AppSSL,
		EnableAppHealthCheck:          o.EnableAppHealthCheck,
		AppHealthCheckPath:            o.AppHealthCheckPath,
		AppHealthProbeInterval:        o.AppHealthProbeInterval,
		AppHealthProbeTimeout:         o.AppHealthProbeTimeout,
		AppHealthThreshold:            o.AppHealthThreshold,
		ActorsService:                 o.ActorsService,
		ActorsDisseminationTimeout:    o.ActorsDisseminationTimeout,
		RemindersService:              o.RemindersService,
		SchedulerAddress:              o.SchedulerAddress,
		SchedulerStreams:              o.SchedulerJobStreams,
	}
}
