package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sidecart/sidecart/runtime/servers"
)

const (
	// NeededByEnv is the environment entry that names the component type for which an infrastructure app is there, such as
	// "pubsub.jetstream": with a set that has none, the app is left out.
	NeededByEnv = "SIDECART_NEEDED_BY"

	topicsEnv   = "SIDECART_TOPICS"
	serversName = "servers"
	serversEnv  = "env"
)

// componentSet reads the set that this run is about: the first of the resources of the first app with a sidecar.
func (s *Stack) componentSet() (servers.Set, error) {
	for i := range s.opts.File.Apps {
		app := &s.opts.File.Apps[i]
		if dirs := s.resources(app); app.Sidecar() && len(dirs) > 0 {
			return servers.ReadSet(dirs[0])
		}
	}
	return servers.Set{}, nil
}

// without is the file without the infrastructure that the set does not need.
func (f *File) without(set servers.Set) *File {
	out := *f
	out.Apps = slices.DeleteFunc(slices.Clone(f.Apps), func(a App) bool {
		kind := a.Env[NeededByEnv]
		return kind != "" && !a.Sidecar() && !set.Has(kind)
	})
	return &out
}

// planServers plans the private servers of the set and leaves the variables that lead to them for people in the data folder.
func (s *Stack) planServers(set servers.Set) error {
	dir := filepath.Join(s.data.Path, serversName)
	envFile := filepath.Join(dir, serversEnv)
	s.servers = map[string]string{}
	needed := servers.Needed(set, s.given)
	if len(needed) == 0 {
		if err := os.Remove(envFile); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("data folder: %w", err)
		}
		return nil
	}
	if err := os.MkdirAll(dir, folderPerm); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	for _, server := range needed {
		plans, variables, err := server.Plan(servers.Where{
			Dir: dir, Programs: s.opts.Programs, Topics: s.topics(),
			Port: func() (int, error) { return s.ports.take(0) },
		})
		if err != nil {
			return err
		}
		maps.Copy(s.servers, variables)
		for _, plan := range plans {
			if err := s.addServer(plan); err != nil {
				return err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.servers)) {
		s.serverEnv = append(s.serverEnv, name+"="+s.servers[name])
	}
	return servers.WriteEnv(envFile, s.servers)
}

func (s *Stack) addServer(plan servers.Process) error {
	for _, app := range s.opts.File.Apps {
		if app.Name == plan.Name {
			return fmt.Errorf("%s: the component set's server is called so too: choose another appID", app.Name)
		}
	}
	return s.addProc(&proc{
		argv: plan.Argv, dir: plan.Dir, env: append(os.Environ(), plan.Env...),
		probe: plan.Ready, setup: plan.Setup, user: plan.User, late: plan.Late, stopSignal: plan.Stop,
		view: Process{
			Name: plan.Name, App: plan.Name, Kind: KindServer, URL: plan.URL, Ports: Ports{App: plan.Port}, Version: plan.Version,
		},
	})
}

// awaitServers waits until every private server that a sidecar needs to start is ready: most components end their sidecar at once when
// their server is not there. The kind of waiting that a supervised process can do, which stopping waits for: it ends with ctx.
func (s *Stack) awaitServers(ctx context.Context) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if !slices.ContainsFunc(s.list(), func(p *proc) bool {
			view := p.snapshot()
			return view.Kind == KindServer && !p.late && (view.State != StateReady || p.condemned())
		}) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// given looks a variable up as the sidecars will have it: from the caller, the run file or the runner's own environment.
func (s *Stack) given(name string) string {
	if v := s.opts.Env[name]; v != "" {
		return v
	}
	for _, env := range s.opts.AppEnv {
		if v := env[name]; v != "" {
			return v
		}
	}
	for _, app := range s.opts.File.Apps {
		if v := app.Env[name]; v != "" {
			return v
		}
	}
	return os.Getenv(name)
}

// topics are those that the run file names for its broker.
func (s *Stack) topics() []string {
	for _, app := range s.opts.File.Apps {
		if list := app.Env[topicsEnv]; list != "" {
			return strings.Split(list, ",")
		}
	}
	return nil
}

// Servers gives the variables that lead to the private servers of this run, passwords included: for a test or a command that
// starts a sidecar of its own.
func (s *Stack) Servers() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.servers)
}
