package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	dapr "github.com/dapr/go-sdk/client"
	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel"

	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/kit/garbage"
	"github.com/sidecart/sidecart/services/kit/sidecar"
	"github.com/sidecart/sidecart/services/kit/telemetry"
)

// flushWithin bounds the export of the last spans after everything else has ended.
const flushWithin = 2 * time.Second

func serveCommand(getenv func(string) string) *cobra.Command {
	var services string
	var shards int
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run services beside a Dapr sidecar",
		Long: "Run a set of services as one Dapr app, beside the sidecar that the environment names.\n" +
			"Services: " + strings.Join(names(), ", ") + ".\n\n" + helpText(),
		Example: "  sidecart serve --services=all\n  sidecart serve --services=order,payment",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var c config
			if err := c.load(getenv); err != nil {
				return err
			}
			if cmd.Flags().Changed("shards") {
				if err := (number{&c.shards, 1, 256}).Set(fmt.Sprint(shards)); err != nil {
					return &configError{fmt.Errorf("--shards: %d %w", shards, err)}
				}
			}
			chosen, err := choose(services)
			if err != nil {
				return &configError{err}
			}
			garbage.CollectLate(getenv)
			return serve(cmd, c, chosen)
		},
	}
	cmd.Flags().StringVar(&services, "services", "all", "all, or names separated by commas")
	cmd.Flags().IntVar(&shards, "shards", 0, "shards of a journal that is not there yet (SIDECART_SHARDS)")
	return cmd
}

// choose reads --services; the order of the answer is that of the table, whatever order was asked for.
func choose(asked string) ([]string, error) {
	if asked == "all" {
		return names(), nil
	}
	wanted := map[string]bool{}
	for _, name := range strings.Split(asked, ",") {
		wanted[strings.TrimSpace(name)] = true
	}
	var chosen []string
	for _, name := range names() {
		if wanted[name] {
			chosen = append(chosen, name)
			delete(wanted, name)
		}
	}
	for name := range wanted {
		return nil, fmt.Errorf("--services: there is no service %q; there are %s", name, strings.Join(names(), ", "))
	}
	return chosen, nil
}

// serve wires the process together and runs it until the command's context ends.
func serve(cmd *cobra.Command, c config, chosen []string) error {
	ctx := cmd.Context()
	log := telemetry.NewLogger(cmd.ErrOrStderr(), c.logLevel).With(slog.String("app", c.host.App))
	quietLibraries(log)
	c.log(log, chosen)
	tracer, flush, err := telemetry.NewTracer(ctx, telemetry.TracingConfig{Endpoint: c.otlp, Service: c.host.App, Version: versionText()})
	if err != nil {
		return &configError{err}
	}
	beside, err := sidecar.New(c.sidecar)
	if err != nil {
		return &configError{err}
	}
	h, err := host.New(c.host, host.Outside{
		Log: log, Metrics: telemetry.NewRegistry(versionText()), Tracer: tracer, Sidecar: beside,
	}, factories(c, chosen)...)
	if err != nil {
		return &configError{errors.Join(err, beside.Close())}
	}
	defer reloadOnHangUp(h)()
	err = h.Run(ctx)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
	defer cancel()
	if flushErr := flush(end); flushErr != nil {
		log.Warn("the last traces were not exported", slog.Any("error", flushErr))
	}
	return err
}

// reloadOnHangUp has h look for changed contracts and rules whenever SIGHUP comes, until the function that it gives is called.
func reloadOnHangUp(h *host.Host) (stop func()) {
	came := make(chan os.Signal, 1)
	signal.Notify(came, syscall.SIGHUP)
	var group sync.WaitGroup
	group.Go(func() {
		for range came {
			h.Reload()
		}
	})
	return func() {
		signal.Stop(came)
		close(came)
		group.Wait()
	}
}

// quietLibraries points two libraries' own global loggers at ours. A process's main is the one place for globals.
func quietLibraries(log *slog.Logger) {
	dapr.SetLogger(nil)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.Warn("tracing", slog.Any("error", err))
	}))
}
