package sandbox

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// Config of the sandbox; zero fields get the defaults.
type Config struct {
	Host     string        // to listen on; default 127.0.0.1
	Port     int           // HTTP; 0 is any free port
	SMTPPort int           // 0 is any free port
	Dir      string        // of the ledger and the inboxes
	Slow     time.Duration // how long what is slow takes; default 2 s
	Now      func() time.Time
	Log      *slog.Logger
}

// Default ports of the command.
const (
	defaultPort     = 8090
	defaultSMTPPort = 8025
)

func (c Config) defaults() Config {
	if c.Host == "" {
		c.Host = "127.0.0.1"
	}
	if c.Slow == 0 {
		c.Slow = 2 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	var failures []error
	if c.Dir == "" {
		failures = append(failures, errors.New("sandbox: the folder is not named"))
	}
	if !isPort(c.Port) || !isPort(c.SMTPPort) {
		failures = append(failures, errors.New("sandbox: a port must be from 0 to 65535"))
	}
	if ip := net.ParseIP(c.Host); c.Host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		failures = append(failures, fmt.Errorf("sandbox: %q is not a loopback address", c.Host))
	}
	if c.Slow < 0 {
		failures = append(failures, errors.New("sandbox: Slow is negative"))
	}
	return errors.Join(failures...)
}

func isPort(n int) bool { return n >= 0 && n <= 65535 }

// Command is `sidecart sandbox`. Flags win over the environment: APP_PORT (or SIDECART_SANDBOX_PORT),
// SIDECART_SMTP_PORT, SIDECART_SANDBOX_DIR (or the folder sandbox in SIDECART_DATA_DIR).
func Command() *cobra.Command {
	var cfg Config
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Run stand-ins for the outside world: payment provider, mail and SMS inbox",
		Args:  cobra.NoArgs, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnv(cmd, &cfg); err != nil {
				return err
			}
			cfg.Log = slog.New(slog.NewJSONHandler(os.Stderr, nil))
			s, err := New(cfg)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return s.Run(ctx)
		},
	}
	cmd.Flags().IntVar(&cfg.Port, "port", defaultPort, "HTTP port, 0 for any")
	cmd.Flags().IntVar(&cfg.SMTPPort, "smtp-port", defaultSMTPPort, "SMTP port, 0 for any")
	cmd.Flags().StringVar(&cfg.Dir, "dir", filepath.Join(".data", "sandbox"), "folder of the ledger and the inboxes")
	cmd.Flags().DurationVar(&cfg.Slow, "slow", 2*time.Second, "how long what is slow takes")
	return cmd
}

// fromEnv fills in what no flag says.
func fromEnv(cmd *cobra.Command, cfg *Config) error {
	port := func(flag string, into *int, names ...string) error {
		for _, name := range names {
			value := os.Getenv(name)
			if value == "" || cmd.Flags().Changed(flag) {
				continue
			}
			n, err := strconv.Atoi(value)
			if err != nil {
				return fmt.Errorf("%s must be a port, not %q", name, value)
			}
			*into = n
			return nil
		}
		return nil
	}
	err := errors.Join(port("port", &cfg.Port, "APP_PORT", "SIDECART_SANDBOX_PORT"), port("smtp-port", &cfg.SMTPPort, "SIDECART_SMTP_PORT"))
	if cmd.Flags().Changed("dir") {
		return err
	}
	if dir := os.Getenv("SIDECART_SANDBOX_DIR"); dir != "" {
		cfg.Dir = dir
	} else if dir := os.Getenv("SIDECART_DATA_DIR"); dir != "" {
		cfg.Dir = filepath.Join(dir, "sandbox")
	}
	return err
}
