package daprd

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Bounds.
const (
	defaultReadyWithin = time.Minute
	stopWithin         = 5 * time.Second
	maxStarts          = 3 // a port that was free may be taken before daprd has it
	portsPerSidecar    = 3
)

// Config says which sidecar to run.
type Config struct {
	Binary      string        // as Find gives it
	Set         string        // folder of component files
	Only        []string      // names of the components to load; secret stores come by themselves
	AppID       string        // components expand {appID} to it
	AppPort     int           // where its app listens on loopback; 0: there is none
	AppProtocol string        // that its app speaks: http, which is the default, or grpc
	AppToken    string        // what the sidecar shows the app
	Names       string        // file in which sidecars find each other; default one of its own
	ReadyWithin time.Duration // how long components may take to come up; default 1 min
	Environ     []string      // as os.Environ, which is the default
}

// Process is a running sidecar. Its Client stays the same over Restart. Methods are not safe for concurrent use, the
// Client is.
type Process struct {
	*sidecar.Client
	HTTPPort, GRPCPort int
	Token              string // DAPR_API_TOKEN of this run

	cfg    Config
	dir    string
	ports  [portsPerSidecar]int // HTTP, gRPC, internal gRPC
	output *output
	cmd    *exec.Cmd
	exited chan struct{} // closed when the present process is gone
}

// Start runs a sidecar and returns when it is ready. The error of one that does not get ready carries daprd's own words.
// End it with Stop.
func Start(ctx context.Context, cfg Config) (*Process, error) {
	if cfg.ReadyWithin == 0 {
		cfg.ReadyWithin = defaultReadyWithin
	}
	if cfg.Environ == nil {
		cfg.Environ = os.Environ()
	}
	text, err := resources(cfg.Set, cfg.Only)
	if err != nil {
		return nil, err
	}
	p := &Process{cfg: cfg, Token: rand.Text(), output: &output{}}
	if p.dir, err = os.MkdirTemp("", "sidecart-daprd-"); err != nil {
		return nil, fmt.Errorf("daprd: %w", err)
	}
	if err := p.writeFiles(text); err != nil {
		p.Stop()
		return nil, err
	}
	for n := 1; ; n++ {
		err = p.startAnywhere(ctx)
		if err == nil {
			return p, nil
		}
		p.Stop()
		if n == maxStarts || !errors.Is(err, errPortTaken) {
			return nil, err
		}
		if err := p.writeFiles(text); err != nil {
			p.Stop()
			return nil, err
		}
	}
}

// writeFiles puts the components and a configuration into the sidecar's own folder. Names go into a file there: no
// multicast, and nothing that a shop on this machine would see.
func (p *Process) writeFiles(components []byte) error {
	names := cmp.Or(p.cfg.Names, filepath.Join(p.dir, "names.db"))
	configuration := "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: " + p.cfg.AppID + "}\nspec:\n  nameResolution:\n" +
		"    component: sqlite\n    version: v1\n    configuration: {connectionString: " + strconv.Quote(names) + ", cleanupInterval: 0s}\n"
	err := errors.Join(
		os.MkdirAll(filepath.Join(p.dir, "components"), 0o700),
		os.WriteFile(filepath.Join(p.dir, "components", "set.yaml"), components, 0o600),
		os.WriteFile(filepath.Join(p.dir, "config.yaml"), []byte(configuration), 0o600),
	)
	if err != nil {
		return fmt.Errorf("daprd: %w", err)
	}
	return nil
}

// startAnywhere starts at free ports and makes the Client.
func (p *Process) startAnywhere(ctx context.Context) error {
	if err := p.choosePorts(); err != nil {
		return err
	}
	client, err := sidecar.New(sidecar.Config{HTTPPort: p.ports[0], GRPCPort: p.ports[1], Token: p.Token})
	if err != nil {
		return err
	}
	p.Client, p.HTTPPort, p.GRPCPort = client, p.ports[0], p.ports[1]
	return p.start(ctx)
}

func (p *Process) choosePorts() error {
	for i := range p.ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("daprd: no free port: %w", err)
		}
		defer func() { _ = l.Close() }() // all are held until all are chosen
		p.ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return nil
}

// Restart kills the sidecar as a crash would, starts it again at the same ports and returns when it is ready.
func (p *Process) Restart(ctx context.Context) error {
	p.end(syscall.SIGKILL)
	return p.start(ctx)
}

// Stop ends the sidecar and removes its folder. It may be called more than once.
func (p *Process) Stop() {
	p.end(syscall.SIGTERM)
	if p.Client != nil {
		_ = p.Client.Close()
		p.Client = nil
	}
	_ = os.RemoveAll(p.dir)
}

// start runs the process and waits until it is ready, has ended, or took too long.
func (p *Process) start(ctx context.Context) error {
	p.output.reset()
	cmd := exec.Command(p.cfg.Binary, p.args()...)
	cmd.Env = p.environment()
	cmd.Stdout, cmd.Stderr = p.output, p.output
	cmd.SysProcAttr = childAttributes()
	cmd.WaitDelay = time.Second
	started, exited := make(chan error, 1), make(chan struct{})
	go func() {
		// The kernel ties the child's life to the thread that forked it, so that thread stays until the child is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(exited)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("daprd: %w", err)
	}
	p.cmd, p.exited = cmd, exited
	return p.awaitReady(ctx)
}

func (p *Process) awaitReady(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, p.cfg.ReadyWithin)
	defer cancel()
	var early sync.WaitGroup
	defer early.Wait()
	ended := make(chan struct{})
	defer close(ended)
	exited := p.exited
	early.Go(func() {
		select {
		case <-exited:
			cancel()
		case <-ended:
		}
	})
	err := p.Wait(waiting)
	if err == nil {
		err = p.awaitComponents(waiting)
	}
	if err == nil {
		return nil
	}
	said := p.Complaint()
	select {
	case <-exited:
		if strings.Contains(said, "address already in use") {
			return errPortTaken
		}
		return fmt.Errorf("daprd refused %s: %s", p.cfg.Set, said)
	default:
	}
	p.end(syscall.SIGKILL)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("daprd was not ready on %s within %s; its last complaint: %s", p.cfg.Set, p.cfg.ReadyWithin, said)
}

// awaitComponents returns nil once every component asked for is up. A daprd that ends because one is refused goes on starting for a
// moment and is healthy then.
func (p *Process) awaitComponents(ctx context.Context) error {
	const pause = 5 * time.Millisecond
	for {
		up, err := p.Components(ctx)
		if err == nil && !slices.ContainsFunc(p.cfg.Only, func(name string) bool { return !slices.Contains(up, name) }) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}

var errPortTaken = errors.New("daprd: another process took its port three times; try again")

// Complaint is the worst that daprd has said lately, without secrets; a text that says so if it has said nothing.
func (p *Process) Complaint() string {
	said := withoutSecrets(p.output.complaint(), p.cfg.Environ)
	if said == "" {
		return "(it wrote nothing)"
	}
	return said
}

// end signals the process and returns when it is gone; one that does not obey is killed.
func (p *Process) end(signal syscall.Signal) {
	if p.cmd == nil {
		return
	}
	group := -p.cmd.Process.Pid
	defer func() { p.cmd = nil }()
	select {
	case <-p.exited: // its id may be somebody else's by now
		return
	default:
		_ = syscall.Kill(group, signal)
	}
	timer := time.NewTimer(stopWithin)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		_ = syscall.Kill(group, syscall.SIGKILL)
		<-p.exited
	}
}

func (p *Process) args() []string {
	args := []string{
		"--app-id", p.cfg.AppID, "--dapr-listen-addresses", "127.0.0.1",
		"--dapr-http-port", strconv.Itoa(p.ports[0]), "--dapr-grpc-port", strconv.Itoa(p.ports[1]),
		"--dapr-internal-grpc-port", strconv.Itoa(p.ports[2]), "--dapr-internal-grpc-listen-address", "127.0.0.1",
		"--resources-path", listed(filepath.Join(p.dir, "components")), "--config", listed(filepath.Join(p.dir, "config.yaml")),
		"--enable-metrics=false", "--placement-host-address", "", "--scheduler-host-address", "",
		"--dapr-graceful-shutdown-seconds", "2", "--log-as-json",
	}
	if p.cfg.AppPort != 0 {
		args = append(args, "--app-port", strconv.Itoa(p.cfg.AppPort), "--app-channel-address", "127.0.0.1",
			"--app-protocol", cmp.Or(p.cfg.AppProtocol, "http"))
	}
	return args
}

// environment is that of the caller, without what an outer Dapr may have left there.
func (p *Process) environment() []string {
	var env []string
	for _, entry := range p.cfg.Environ {
		if !strings.HasPrefix(entry, "DAPR_") && !strings.HasPrefix(entry, "APP_") {
			env = append(env, entry)
		}
	}
	return append(env, "DAPR_API_TOKEN="+p.Token, "APP_API_TOKEN="+p.cfg.AppToken, "DAPR_HOST_IP=127.0.0.1")
}

// listed writes a path for daprd's flags that take a list: without quotes, a comma in it would end it.
func listed(path string) string {
	if !strings.ContainsAny(path, `,"`) {
		return path
	}
	return `"` + strings.ReplaceAll(path, `"`, `""`) + `"`
}
