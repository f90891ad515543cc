package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/run"
	"github.com/sidecart/sidecart/runtime/servers"
)

// noRedis is why workflows are not run on Redis: with Dapr 1.18.2, every workflow that waited for an event ended in "failed to set key
// …||metadata" (2026-11-21). A transaction there whose last write is refused keeps its others, and Dapr's own log warns of that.
const noRedis = "Dapr's workflows need a store that rolls transactions back, which Redis does not"

// workflowPeer starts the peer of Dapr workflows with everything it needs: placement, scheduler and the sandbox as the outside world.
func workflowPeer(set string) func(context.Context, Ground, string) (*Running, error) {
	return func(ctx context.Context, g Ground, dir string) (_ *Running, err error) {
		if set == "redis" {
			return nil, absentError(noRedis)
		}
		p, err := startPlane(ctx, dir+".plane")
		if err != nil {
			return nil, err
		}
		peer := beside{peer: "workflow", set: set, plane: p, env: map[string]string{
			"SIDECART_PAYMENT_URL": p.sandbox + "/provider", "SIDECART_SMS_URL": p.sandbox + "/sms",
		}, components: []string{"state.yaml", "secrets.yaml", "payment-provider.yaml", "sms.yaml"}}
		stack, err := peer.start(ctx, g, dir)
		if err != nil {
			p.end()
			return nil, err
		}
		r := &Running{Header: map[string]string{}, Sandbox: p.sandbox, profile: besideProfiler(g, dir, stack)}
		r.pids = func() map[string]int {
			pids := pidsOf(stack)
			for _, c := range p.children {
				if c.name != sandboxName {
					pids[c.name] = c.cmd.Process.Pid
				}
			}
			return pids
		}
		r.stop = func(ctx context.Context) error {
			err := stack.Stop(ctx)
			p.end()
			return errors.Join(err, os.RemoveAll(p.dir))
		}
		for _, process := range stack.Processes() {
			if process.Kind == run.KindApp {
				r.Gateway, r.Reservations = process.URL, []string{process.URL + "/inventory"}
			}
		}
		if r, err = described(ctx, r, stack, set, g); err != nil {
			p.end()
		}
		return r, err
	}
}

// plane is Dapr's control plane on one machine, and the sandbox.
type plane struct {
	children                      []*child
	dir                           string
	placement, scheduler, sandbox string // addresses: host:port of the first two, the URL of the third
}

const sandboxName = "sandbox"

// startPlane starts what is in .bin/, with data in dir. Its error is an absentError when Dapr's services are not built.
//
// Another process may take a port before a server does: so it is tried twice.
func startPlane(ctx context.Context, dir string) (*plane, error) {
	p, err := startPlaneOnce(ctx, dir)
	if err != nil && lacking(err) == nil && ctx.Err() == nil {
		p, err = startPlaneOnce(ctx, dir)
	}
	return p, err
}

func startPlaneOnce(ctx context.Context, dir string) (p *plane, err error) {
	bin := filepath.Join(harness.Root(), ".bin")
	for _, name := range []string{"placement", "scheduler"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			return nil, absentError("Dapr's " + name + " is not built: scripts/bench sales does that, which takes minutes the first time")
		}
	}
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
		return nil, err
	}
	var ports [9]int
	for i := range ports {
		if ports[i], err = freePort(); err != nil {
			return nil, err
		}
	}
	port := func(i int) string { return strconv.Itoa(ports[i]) }
	at := func(i int) string { return "127.0.0.1:" + port(i) }
	p = &plane{dir: dir, placement: at(0), scheduler: at(3), sandbox: "http://" + at(7)}
	defer func() {
		if err != nil {
			p.end()
		}
	}()
	for _, c := range []struct {
		health string
		servers.Process
	}{
		{at(1), servers.Process{Name: "placement", Argv: []string{
			"--port", port(0), "--listen-address", "127.0.0.1", "--healthz-port", port(1), "--healthz-listen-address", "127.0.0.1",
			"--initial-cluster", "dapr-placement-0=" + at(2), "--enable-metrics=false",
		}}},
		{at(4), servers.Process{Name: "scheduler", Argv: []string{
			"--port", port(3), "--listen-address", "127.0.0.1", "--healthz-port", port(4), "--healthz-listen-address", "127.0.0.1",
			"--override-broadcast-host-port", at(3), "--etcd-data-dir", filepath.Join(dir, "etcd"), "--etcd-client-port", port(5),
			"--etcd-client-listen-address", "127.0.0.1", "--etcd-initial-cluster", "dapr-scheduler-server-0=http://" + at(6),
			"--identity-directory-write", filepath.Join(dir, "identity"), "--enable-metrics=false",
		}}},
		{at(7), servers.Process{Name: sandboxName, Argv: []string{"sandbox"}, Env: []string{
			"SIDECART_SANDBOX_PORT=" + port(7), "SIDECART_SMTP_PORT=" + port(8), "SIDECART_SANDBOX_DIR=" + filepath.Join(dir, "sandbox"),
		}}},
	} {
		program := c.Name
		if program == sandboxName {
			program = "sidecart"
		}
		c.Dir, c.Stop, c.Argv = dir, syscall.SIGTERM, slices.Insert(c.Argv, 0, filepath.Join(bin, program))
		started, err := spawn(c.Process, dir, false)
		if err != nil {
			return nil, err
		}
		p.children = append(p.children, started)
		if err := started.await(ctx, func(ctx context.Context) error { return healthy(ctx, "http://"+c.health) }); err != nil {
			return nil, fmt.Errorf("for Dapr workflows: %w", err)
		}
	}
	return p, nil
}

// end stops everything, the last started first.
func (p *plane) end() {
	for _, c := range slices.Backward(p.children) {
		c.end()
	}
}
