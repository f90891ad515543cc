package run

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// plan works out the one or two processes of an app: its ports, environment, command lines and health questions.
func (s *Stack) plan(app *App, client *http.Client) error {
	ports, err := s.appPorts(app)
	if err != nil {
		return fmt.Errorf("%s: %w", app.Name, err)
	}
	entries, err := s.appEnv(app)
	if err != nil {
		return err
	}
	s.env[app.Name] = entries
	env := s.processEnv(app, entries, ports)

	questions := []string{localURL(ports.App) + app.HealthPath}
	if path := entries[ReadyPathEnv]; path != "" && app.Sidecar() {
		questions = append(questions, localURL(ports.App)+path)
	}
	argv := append([]string{program(app.Dir, app.Command[0])}, app.Command[1:]...)
	if _, err := exec.LookPath(argv[0]); err != nil {
		return fmt.Errorf("%s: command: %w", app.Name, err)
	}
	// Infrastructure has no sidecar to share a secret with, and gets none.
	kind, token := KindApp, s.tokens.App
	if !app.Sidecar() {
		kind, token = KindInfra, ""
	}
	err = s.addProc(&proc{
		argv: argv, dir: app.Dir, env: env,
		probe: httpProbe{urls: questions, token: token, client: client}.once,
		view: Process{
			Name: app.Name, App: app.ID, Kind: kind, URL: localURL(ports.App),
			Ports: Ports{App: ports.App, Internal: ports.Internal},
		},
	})
	if err != nil || kind == KindInfra {
		return err
	}
	daprd, err := s.daprd(app)
	if err != nil {
		return err
	}
	keys, err := s.accountKeys(app, entries)
	if err != nil {
		return err
	}
	sidecarPorts := ports
	sidecarPorts.App, sidecarPorts.Internal = 0, 0
	return s.addProc(&proc{
		argv: slices.Concat([]string{daprd}, daprdArgs(app, s.resources(app), ports), s.opts.SidecarArgs),
		dir:  app.Dir, env: slices.Concat(env, s.serverEnv, keys),
		probe: httpProbe{urls: []string{localURL(ports.DaprHTTP) + outboundReady}, token: s.tokens.API, client: client}.once,
		setup: s.awaitServers,
		view: Process{
			Name: app.Name + sidecarSuffix, App: app.ID, Kind: KindSidecar, URL: localURL(ports.DaprHTTP), Ports: sidecarPorts,
		},
	})
}

// resources are the folders of component files of an app; the first is the component set.
func (s *Stack) resources(app *App) []string {
	if len(s.opts.Resources) == 0 {
		return app.ResourcesPaths
	}
	return slices.Concat(s.opts.Resources, app.ResourcesPaths[min(1, len(app.ResourcesPaths)):])
}

func (s *Stack) addProc(p *proc) (err error) {
	p.stack = s
	p.control = make(chan controlRequest)
	p.turn = make(chan struct{}, 1)
	p.view.State = StateWaiting
	p.view.Log = s.data.log(p.view.Name)
	if p.log, err = openLog(p.view.Log, s.opts.LogBytes); err != nil {
		return fmt.Errorf("%s: %w", p.view.Name, err)
	}
	s.procs = append(s.procs, p)
	return nil
}

func (s *Stack) appPorts(app *App) (Ports, error) {
	var p Ports
	type want struct {
		dst      *int
		fromFile int
	}
	wants := []want{{&p.App, app.AppPort}, {&p.Internal, 0}}
	if app.Sidecar() {
		wants = append(wants, want{&p.DaprHTTP, app.DaprHTTPPort}, want{&p.DaprGRPC, app.DaprGRPCPort}, want{&p.DaprInternalGRPC, app.DaprInternalGRPCPort})
		if app.MetricsPort != 0 {
			wants = append(wants, want{&p.Metrics, app.MetricsPort})
		}
		if s.opts.Profiles {
			wants = append(wants, want{&p.Profile, 0})
		}
	}
	for _, w := range wants {
		n, err := s.ports.take(w.fromFile)
		if err != nil {
			return Ports{}, err
		}
		*w.dst = n
	}
	return p, nil
}

func (s *Stack) daprd(app *App) (string, error) {
	path := s.opts.Daprd
	if path == "" && app.RuntimePath != "" {
		path = filepath.Join(app.RuntimePath, ".dapr", "bin", "daprd")
	}
	if path == "" {
		return "", fmt.Errorf("%s: no daprd: neither the run file's runtimePath nor the options name one", app.Name)
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s: daprd: %w", app.Name, err)
	}
	return path, nil
}

func localURL(port int) string { return "http://" + loopback + ":" + strconv.Itoa(port) }

// URLs are where a running stack can be reached, all on this machine.
type URLs struct {
	Gateway  string            // the public listener (SIDECART_GATEWAY_ADDR); empty if the file has none
	App      map[string]string // name of an app's process (its app id; of a replica id-2, …) → the app's own listener
	Internal map[string]string // the same → metrics and health detail
	Dapr     map[string]string // the same → its sidecar's HTTP API
}

// URLs returns the addresses of the stack; complete once Start has begun to start processes.
func (s *Stack) URLs() URLs {
	u := URLs{App: map[string]string{}, Internal: map[string]string{}, Dapr: map[string]string{}}
	for _, p := range s.list() {
		switch p.view.Kind {
		case KindServer:
			continue
		case KindSidecar:
			u.Dapr[strings.TrimSuffix(p.view.Name, sidecarSuffix)] = p.view.URL
			continue
		}
		u.App[p.view.Name] = p.view.URL
		u.Internal[p.view.Name] = localURL(p.view.Ports.Internal)
		if addr := s.env[p.view.Name][gatewayEnv]; addr != "" {
			u.Gateway = (&url.URL{Scheme: "http", Host: addr}).String()
		}
	}
	return u
}

// Tokens returns the secrets of this run, for a test that talks to an app or a sidecar itself.
func (s *Stack) Tokens() Tokens { return s.tokens }

// Env returns the entries that the run file and the options gave an app's process (id, or id-2, …), without secrets of the runner's.
func (s *Stack) Env(app string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.env[app])
}

// Healthy asks a process once, now, whether it is healthy; Ready only says that it has been since it started.
func (s *Stack) Healthy(ctx context.Context, name string) error {
	p, err := s.find(name)
	if err != nil {
		return err
	}
	return p.probe(ctx)
}

// Command returns the command line of a process, nil for an unknown one.
func (s *Stack) Command(name string) []string {
	p, err := s.find(name)
	if err != nil {
		return nil
	}
	return slices.Clone(p.argv)
}
