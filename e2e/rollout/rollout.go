package rollout

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/run"
)

// gateway is the app that has a Service before it.
const gateway = "gateway"

// Release is what a replica runs.
type Release struct {
	Name    string
	Program string   // its sidecart
	Env     []string // NAME=value entries beside those of the shop
	// Past says that it is what it is: a replica of it that does not end in order is told (Disorder) and no error.
	Past bool
}

// Timing is how long a replica may take to go.
type Timing struct {
	PreStop time.Duration // between leaving the endpoints and SIGTERM to the app
	Block   time.Duration // at most from SIGTERM to the sidecar to its end, while the app is healthy
	Grace   time.Duration // from SIGTERM to SIGKILL, of each process
}

// Rollout is a shop whose replicas can be replaced. Apps may be rolled at the same time, each by one goroutine.
type Rollout struct {
	Service  *Service
	folder   string
	timing   Timing
	replicas map[string]int
	first    Release
	shop     *harness.Shop

	mu    sync.Mutex
	up    map[string][]string // by app: its replicas that take calls, the oldest first
	spare map[string]string   // by app: the place of its next replica
	ends  map[string]string   // by process: how it ended the last time
	past  map[string]bool     // by replica: it runs a past release
	told  []string            // see Disorder
}

// New prepares a shop with so many replicas of each app, all of the first release. Programs are started through scripts in
// folder, which must be empty.
func New(folder string, timing Timing, replicas map[string]int, first Release) *Rollout {
	return &Rollout{
		folder: folder, timing: timing, replicas: replicas, first: first,
		up: map[string][]string{}, spare: map[string]string{}, ends: map[string]string{}, past: map[string]bool{},
	}
}

// Options open the shop: with one replica more of each app than asked for, whose place Begin makes the spare one.
func (r *Rollout) Options() []harness.Option {
	var options []harness.Option
	for app, n := range r.replicas {
		options = append(options, harness.WithReplicas(app, n+1))
	}
	// Each gateway has a public port of its own.
	options = append(options, harness.WithAppEnv(gateway, "SIDECART_GATEWAY_ADDR", "127.0.0.1:0"))
	// A replica is found by others when it is ready.
	options = append(options, harness.WithEnv("SIDECART_NAME_WHEN", "/readyz"))
	return append(options, func(o *run.Options) {
		o.SidecarArgs = append(o.SidecarArgs, "--dapr-block-shutdown-duration", r.timing.Block.String())
		o.StopTimeout = r.timing.Grace
		for i, app := range o.File.Apps {
			if r.replicas[app.ID] > 0 {
				o.File.Apps[i].Command = append([]string{r.program(app.Name)}, app.Command[1:]...)
				r.install(app.Name, r.first)
			}
		}
		tell := o.OnEvent
		o.OnEvent = func(e run.Event) {
			if e.Kind == run.EventHeld {
				r.mu.Lock()
				r.ends[e.Process] = e.Text
				r.mu.Unlock()
			}
			tell(e)
		}
	})
}

// Begin takes the spare replicas down and puts the Service before the gateways. Close must follow.
func (r *Rollout) Begin(ctx context.Context, shop *harness.Shop) (err error) {
	r.shop = shop
	if r.Service, err = NewService(); err != nil {
		return err
	}
	var g errgroup.Group
	for app, n := range r.replicas {
		for i := 1; i <= n; i++ {
			name := place(app, i)
			r.up[app] = append(r.up[app], name)
			r.enter(app, name)
		}
		r.spare[app] = place(app, n+1)
		g.Go(func() error { return r.end(ctx, app, r.spare[app]) })
	}
	return g.Wait()
}

// Close takes the Service away.
func (r *Rollout) Close() error { return r.Service.Close() }

// Replace starts a replica of an app and, once it is ready, ends the app's oldest one.
func (r *Rollout) Replace(ctx context.Context, app string, release Release) error {
	r.mu.Lock()
	next, old := r.spare[app], r.up[app][0]
	r.mu.Unlock()
	r.install(next, release)
	var g errgroup.Group
	for _, process := range []string{next, next + ".daprd"} {
		g.Go(func() error { return r.shop.Stack.StartProcess(ctx, process) })
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("%s of release %s: %w", next, release.Name, err)
	}
	r.enter(app, next)
	if err := r.end(ctx, app, old); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.up[app], r.spare[app] = append(r.up[app][1:], next), old
	return nil
}

// Roll replaces every replica of an app, and tells how many those were.
func (r *Rollout) Roll(ctx context.Context, app string, release Release) (replaced int, err error) {
	for range r.replicas[app] {
		if err := r.Replace(ctx, app, release); err != nil {
			return replaced, err
		}
		replaced++
	}
	return replaced, nil
}

// end ends a replica and wants it to have ended by itself, in order, unless it is of the past.
func (r *Rollout) end(ctx context.Context, app, name string) error {
	if app == gateway {
		r.Service.Remove(r.public(name))
	}
	sidecar := name + ".daprd"
	var g errgroup.Group
	g.Go(func() error { return r.shop.Stack.StopProcess(ctx, sidecar) })
	g.Go(func() error {
		select {
		case <-time.After(r.timing.PreStop):
		case <-ctx.Done():
			return ctx.Err()
		}
		return r.shop.Stack.StopProcess(ctx, name)
	})
	if err := g.Wait(); err != nil {
		return fmt.Errorf("ending %s: %w", name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, process := range []string{name, sidecar} {
		how := r.ends[process]
		if strings.Contains(how, "exit status 0") {
			continue
		}
		wrong := fmt.Errorf("%s was to end in order within %s: %s", process, r.timing.Grace, how)
		if !r.past[name] {
			return wrong
		}
		r.told = append(r.told, wrong.Error())
	}
	return nil
}

// Disorder tells of the replicas of past releases that did not end in order.
func (r *Rollout) Disorder() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.told)
}

// enter lets calls come to a replica that is ready. Other apps enter by their sidecars' names.
func (r *Rollout) enter(app, name string) {
	if app == gateway {
		r.Service.Add(r.public(name))
	}
}

func (r *Rollout) public(name string) string {
	return r.shop.Stack.Env(name)["SIDECART_GATEWAY_ADDR"]
}

// place is what the runner calls the i-th replica of an app.
func place(app string, i int) string {
	if i == 1 {
		return app
	}
	return fmt.Sprintf("%s-%d", app, i)
}

func (r *Rollout) program(name string) string { return filepath.Join(r.folder, name) }

// install makes a release what the next start of a replica runs.
func (r *Rollout) install(name string, release Release) {
	script := fmt.Sprintf("#!/bin/sh\nexec env %s '%s' \"$@\"\n", strings.Join(release.Env, " "), release.Program)
	next := r.program(name) + ".next"
	err := os.WriteFile(next, []byte(script), 0o700)
	if err == nil {
		err = os.Rename(next, r.program(name))
	}
	if err != nil {
		panic(err) // a folder of the test's own
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.past[name] = release.Past
}
