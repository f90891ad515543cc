package harness

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/token"
	"github.com/sidecart/sidecart/runtime/run"
)

// Placement names a run file of dapr-config: where the services run.
type Placement string

// The two placements every journey must pass in.
const (
	One   Placement = "one"   // every service in one process beside one sidecar
	Split Placement = "split" // each service in its own process beside its own sidecar
)

// Bounds of a test's patience. They are no assertions about speed: a healthy shop is far faster.
const (
	startWithin   = 90 * time.Second
	stopWithin    = 30 * time.Second
	requestWithin = 30 * time.Second
	settleWithin  = 60 * time.Second
	pollEvery     = 50 * time.Millisecond
)

// Shop is a running shop. Its Client is an operator; customers come by For.
type Shop struct {
	*client.Client
	Placement Placement
	Stack     *run.Stack
	Sandbox   *Sandbox
	Data      string // the data folder
}

// Option changes how a shop is opened.
type Option func(*run.Options)

// WithEnv sets an environment variable for every process.
func WithEnv(name, value string) Option {
	return func(o *run.Options) { o.Env[name] = value }
}

// WithPayWithin sets how long an order waits for its payment.
func WithPayWithin(d time.Duration) Option { return WithEnv("SIDECART_PAY_WITHIN", d.String()) }

// WithDeaths lets processes die n times a minute before the runner gives up.
func WithDeaths(n int) Option { return func(o *run.Options) { o.DeathsPerMinute = n } }

// WithAppEnv sets an environment variable for one app and its sidecar.
func WithAppEnv(app, name, value string) Option {
	return func(o *run.Options) {
		if o.AppEnv[app] == nil {
			o.AppEnv[app] = map[string]string{}
		}
		o.AppEnv[app][name] = value
	}
}

// WithSet opens the shop on a component set: a folder's name below components/, or a path.
func WithSet(set string) Option {
	dir := set
	if !strings.Contains(set, "/") {
		dir = filepath.Join(Root(), "components", set)
	}
	return func(o *run.Options) { o.Resources = []string{dir} }
}

// WithProgram runs program in the place of .bin/NAME, wherever the run file starts that; daprd is such a name too.
func WithProgram(name, program string) Option {
	return func(o *run.Options) {
		if name == "daprd" {
			o.Daprd = program
		}
		for i, app := range o.File.Apps {
			if len(app.Command) > 0 && filepath.Base(app.Command[0]) == name {
				o.File.Apps[i].Command = append([]string{program}, app.Command[1:]...)
			}
		}
	}
}

// WithQuickRestarts starts whatever dies after half a second again, however often it died: for tests that kill on
// purpose, where the runner's doubling wait would only measure itself.
func WithQuickRestarts() Option {
	return func(o *run.Options) { o.DeathsPerMinute, o.MaxBackoff = 10_000, 500*time.Millisecond }
}

// Failpoints builds the binary that can be told to kill itself at a named step (services/kit/failpoint), beside the
// ordinary ones, and gives its path.
func Failpoints(t *testing.T) string {
	t.Helper()
	SkipIfShort(t)
	path, err := buildFailpoints()
	require.NoError(t, err)
	return path
}

var buildFailpoints = sync.OnceValues(func() (string, error) {
	program := filepath.Join(Root(), ".bin", "sidecart-failpoints")
	// Built beside and renamed: a process that runs keeps its file.
	next := fmt.Sprintf("%s.%d", program, os.Getpid())
	build := exec.Command("go", "build", "-tags", "failpoints", "-o", next, "./cmd/sidecart")
	build.Dir = filepath.Join(Root(), "services")
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w: %s", program, err, out)
	}
	return program, os.Rename(next, program)
})

// Placements are the placements to test, from SIDECART_E2E_PLACEMENTS ("one,split" unless set).
func Placements() []Placement {
	chosen := os.Getenv("SIDECART_E2E_PLACEMENTS")
	if chosen == "" {
		return []Placement{One, Split}
	}
	var out []Placement
	for name := range strings.SplitSeq(chosen, ",") {
		out = append(out, Placement(strings.TrimSpace(name)))
	}
	return out
}

// Each runs test in every placement.
func Each(t *testing.T, test func(t *testing.T, p Placement)) {
	t.Helper()
	SkipIfShort(t)
	for _, p := range Placements() {
		t.Run(string(p), func(t *testing.T) { test(t, p) })
	}
}

// SkipIfShort skips a test that starts processes, and says so.
func SkipIfShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("skipped by -short: it starts the real processes of a whole shop")
	}
}

// Root is the root of the repository.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Open starts a shop with empty data and closes it when the test ends.
func Open(t *testing.T, p Placement, options ...Option) *Shop {
	t.Helper()
	SkipIfShort(t)
	ctx, cancel := context.WithTimeout(t.Context(), startWithin)
	defer cancel()
	onEvent := func(e run.Event) { t.Log(time.Now().Format("15:04:05.000"), e) }
	s, err := Start(ctx, p, filepath.Join(t.TempDir(), "shop"), onEvent, options...)
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			s.tellLogs(t)
		}
		// The test's own context is already over here.
		stopping, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), stopWithin)
		defer cancel()
		if err := s.Stop(stopping); err != nil {
			t.Errorf("stopping the shop: %v", err)
		}
	})
	return s
}

// Start starts a shop for a program that is no test; Stop ends it. data is its data folder, which it creates.
func Start(ctx context.Context, p Placement, data string, onEvent func(run.Event), options ...Option) (*Shop, error) {
	root := Root()
	for _, name := range []string{"daprd", "broker", "sidecart"} {
		if _, err := os.Stat(filepath.Join(root, ".bin", name)); err != nil {
			return nil, fmt.Errorf("the binaries are not built; scripts/test and scripts/up --build do it: %w", err)
		}
	}
	file, err := run.Load(filepath.Join(root, "dapr-config", string(p)+".yaml"))
	if err != nil {
		return nil, err
	}
	opts := run.Options{
		File:      file,
		DataDir:   data,
		Daprd:     filepath.Join(root, ".bin", "daprd"),
		Resources: []string{filepath.Join(root, "components", "embedded")},
		Programs:  filepath.Join(root, ".bin"),
		FreePorts: true,
		Env:       map[string]string{"SIDECART_GATEWAY_ADDR": "127.0.0.1:0"},
		AppEnv:    map[string]map[string]string{},
		OnEvent:   onEvent,
	}
	for _, o := range options {
		o(&opts)
	}
	stack, err := run.New(opts)
	if err != nil {
		return nil, err
	}
	if err := stack.Start(ctx); err != nil {
		return nil, err
	}
	urls := stack.URLs()
	shop, err := signed(client.New(urls.Gateway, requestWithin), opts.DataDir)
	if err != nil {
		return nil, errors.Join(err, stack.Stop(ctx))
	}
	return &Shop{
		Client:    shop,
		Placement: p,
		Stack:     stack,
		Sandbox:   NewSandbox(urls.App["sandbox"]),
		Data:      data,
	}, nil
}

// signed makes a client of the shop with that data folder an operator. A shop of before there were accounts has no keys, and asks
// nobody who they are.
func signed(c *client.Client, data string) (*client.Client, error) {
	keys, err := token.Of(data)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	return c.With(keys), nil
}

// Stop ends every process.
func (s *Shop) Stop(ctx context.Context) error {
	s.Close()
	return s.Stack.Stop(ctx)
}

// tellLogs prints the end of every process's log, for a failed test.
func (s *Shop) tellLogs(t *testing.T) {
	const tailBytes = 3 << 10
	for _, p := range s.Stack.Processes() {
		b, err := os.ReadFile(p.Log)
		if err != nil {
			t.Logf("log of %s: %v", p.Name, err)
			continue
		}
		t.Logf("end of the log of %s (%s):\n%s", p.Name, p.State, b[max(0, len(b)-tailBytes):])
	}
}

// Kill sends SIGKILL to a process, which the runner then starts again.
func (s *Shop) Kill(t *testing.T, name string) {
	t.Helper()
	require.NoError(t, s.Stack.Kill(name, syscall.SIGKILL))
}

// AwaitReady waits until every process is healthy again.
func (s *Shop) AwaitReady(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startWithin)
	defer cancel()
	require.NoError(t, s.Stack.Ready(ctx))
}

// Eventually polls check until it gives nil, and fails the test with its last error after within (a bound on
// patience, settleWithin when 0).
func Eventually(t *testing.T, what string, within time.Duration, check func() error) {
	t.Helper()
	if within == 0 {
		within = settleWithin
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var last error
	for {
		if last = check(); last == nil {
			return
		}
		select {
		case <-ctx.Done():
			require.NoError(t, fmt.Errorf("%s did not come true within %s: %w", what, within, last))
		case <-tick.C:
		}
	}
}
