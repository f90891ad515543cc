// Command broker runs the embedded message broker of the default component
// set until SIGTERM or SIGINT. See package broker for what it keeps.
//
// Flags win over the environment (SIDECART_NATS_PORT, SIDECART_NATS_HTTP_PORT,
// SIDECART_NATS_DIR, SIDECART_TOPICS), so that a Dapr run file can start it.
// It prints one line when it is ready, logs to stderr, and exits with 1 and
// one clear line when it cannot start.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sidecart/sidecart/runtime/broker"
)

// memoryLimitBytes is where the garbage collector begins to work harder. Streams that are full are rewritten in blocks of
// 8 MiB; what that leaves behind made up to 210 MB of a process that is as fast with 110. GOMEMLIMIT says otherwise.
const memoryLimitBytes = 96 << 20

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimitBytes)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(os.LookupEnv).ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// command is the command line, with defaults from the environment that lookup
// reads.
func command(lookup func(string) (string, bool)) *cobra.Command {
	env := environment{lookup: lookup}
	var (
		cfg     broker.Config
		verbose bool
	)
	cmd := &cobra.Command{
		Use:           "broker",
		Short:         "Runs NATS JetStream on loopback with one stream per topic",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if env.err != nil {
				return env.err
			}
			level := slog.LevelInfo
			if verbose {
				level = slog.LevelDebug
			}
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
			return run(cmd, cfg, log)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&cfg.Port, "port", env.port("SIDECART_NATS_PORT", 4222), "NATS port on 127.0.0.1, 0 for a free one")
	flags.IntVar(&cfg.HTTPPort, "http-port", env.port("SIDECART_NATS_HTTP_PORT", 8222), "port of /healthz on 127.0.0.1, 0 for a free one")
	flags.StringVar(&cfg.StoreDir, "store-dir", env.text("SIDECART_NATS_DIR", ".data/nats"), "folder for the streams")
	flags.StringSliceVar(&cfg.Topics, "topics", strings.Split(env.text("SIDECART_TOPICS", "inventory,order,payment,notify,account"), ","), "topics, one stream each")
	flags.Int64Var(&cfg.TopicMaxBytes, "topic-max-bytes", broker.DefaultTopicMaxBytes, "bytes kept per topic; the oldest go first")
	flags.DurationVar(&cfg.TopicMaxAge, "topic-max-age", broker.DefaultTopicMaxAge, "age up to which a topic's messages are kept")
	flags.BoolVar(&verbose, "verbose", false, "log what NATS does")
	return cmd
}

// run serves until the command's context ends.
func run(cmd *cobra.Command, cfg broker.Config, log *slog.Logger) error {
	b, err := broker.New(cfg, log)
	if err != nil {
		return err
	}
	announced := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(announced)
		select {
		case <-b.Ready():
			fmt.Fprintf(cmd.OutOrStdout(), "broker ready %s, health %s, topics %s\n",
				b.NATSURL(), b.HealthURL(), strings.Join(cfg.Topics, ","))
		case <-stopped:
		}
	}()
	err = b.Run(cmd.Context())
	close(stopped)
	<-announced
	return err
}

// environment reads defaults and remembers the first one that is malformed.
type environment struct {
	lookup func(string) (string, bool)
	err    error
}

func (e *environment) text(name, fallback string) string {
	if v, ok := e.lookup(name); ok && v != "" {
		return v
	}
	return fallback
}

func (e *environment) port(name string, fallback int) int {
	text := e.text(name, strconv.Itoa(fallback))
	port, err := strconv.Atoi(text)
	if err != nil && e.err == nil {
		e.err = fmt.Errorf("%s=%q is not a port number", name, text)
	}
	return port
}
