package bench

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/run"
)

// beside is a peer that runs beside a sidecar, by e2e/peers/dapr.yaml. The sidecar loads some files of a component set and nothing else.
type beside struct {
	peer       string   // what e2e/peers calls it
	set        string   // the component set
	components []string // files of the set
	// plane is Dapr's control plane, which workflows need; nil: none.
	plane *plane
	env   map[string]string // of the peer and its sidecar
}

// start starts the peer and its sidecar, with data in dir.
func (b beside) start(ctx context.Context, g Ground, dir string) (*run.Stack, error) {
	only := dir + ".components" // beside the data folder, which the runner wants for itself
	if err := b.choose(only); err != nil {
		return nil, err
	}
	root := harness.Root()
	file, err := run.Load(filepath.Join(root, "e2e", "peers", "dapr.yaml"))
	if err != nil {
		return nil, err
	}
	app := &file.Apps[0]
	app.Name, app.Command = "peer", []string{filepath.Join(g.Programs, "peers"), b.peer}
	if g.Profile != "" {
		app.Command = slices.Insert(app.Command, 1, "--profiles")
	}
	if b.plane != nil {
		app.Placement, app.Scheduler = &b.plane.placement, &b.plane.scheduler
	}
	options := run.Options{
		File: file, DataDir: dir, Daprd: filepath.Join(root, ".bin", "daprd"), Resources: []string{only}, Programs: g.Programs, FreePorts: true,
		Profiles: g.Profile != "",
		Env:      map[string]string{}, AppEnv: map[string]map[string]string{},
	}
	for _, o := range g.Options {
		o(&options)
	}
	maps.Copy(options.Env, b.env)
	stack, err := run.New(options)
	if err != nil {
		return nil, err
	}
	return stack, stack.Start(ctx)
}

// besideProfiler is what Running.profile is for a peer beside its sidecar; nil if none are wanted.
func besideProfiler(g Ground, dir string, stack *run.Stack) func(ctx context.Context, load string, window time.Duration) func() error {
	if g.Profile == "" {
		return nil
	}
	urls := profiles(stack)
	for _, p := range stack.Processes() {
		if p.Kind == run.KindApp {
			urls[p.Name] = p.URL // which has no listener but this
		}
	}
	return profiler(g.Profile, filepath.Base(dir), urls)
}

// actorStore has Dapr keep actors, and so workflows, in the state store of a component file.
const actorStore = "\n  metadata:\n    - name: actorStateStore\n      value: \"true\"\n"

// choose copies the component files into a folder.
func (b beside) choose(into string) error {
	if err := os.MkdirAll(into, 0o700); err != nil {
		return err
	}
	for _, name := range b.components {
		raw, err := os.ReadFile(filepath.Join(setDir(b.set), name))
		if err != nil {
			return fmt.Errorf("component set %s: %w", b.set, err)
		}
		text := string(raw)
		if name == "state.yaml" && b.plane != nil {
			if text = strings.Replace(text, "\n  metadata:\n", actorStore, 1); text == string(raw) {
				return fmt.Errorf("component set %s: %s has no metadata to add the actor store to", b.set, name)
			}
		}
		if err := os.WriteFile(filepath.Join(into, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// daprPeer starts a peer that writes through Dapr beside a sidecar on the state store of a set.
func daprPeer(name, set string) func(context.Context, Ground, string) (*Running, error) {
	return func(ctx context.Context, g Ground, dir string) (*Running, error) {
		stack, err := beside{peer: name, set: set, components: []string{"state.yaml", "secrets.yaml"}}.start(ctx, g, dir)
		if err != nil {
			return nil, err
		}
		r := &Running{
			pids: func() map[string]int { return pidsOf(stack) }, stop: stack.Stop, Header: map[string]string{}, profile: besideProfiler(g, dir, stack),
		}
		for _, p := range stack.Processes() {
			if p.Kind == run.KindApp {
				r.Reservations = []string{p.URL + "/inventory"}
			}
		}
		return described(ctx, r, stack, set, g)
	}
}
