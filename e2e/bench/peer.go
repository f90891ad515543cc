package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/sidecart/sidecart/runtime/servers"
)

// peer is a program of e2e/peers without a sidecar, with a server of its own if it needs one.
func peer(name, about, variable string) Contender {
	return Contender{Name: name, About: about, Keeps: variable != "", start: func(ctx context.Context, g Ground, dir string) (*Running, error) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		store := &private{}
		r := &Running{Durability: "nothing is kept", Header: map[string]string{}}
		if variable != "" {
			set := "redis"
			if variable == postgresVariable {
				set = "postgres"
			}
			var err error
			if store, err = startPrivate(ctx, set, variable, filepath.Join(dir, "servers")); err != nil {
				return nil, err
			}
			if store.version != "" {
				r.Versions = []string{store.version}
			}
			if r.Durability = store.postgresDurability(); set == "redis" {
				r.Durability, err = setFsync(ctx, store.variables, g.Fsync)
			}
			if err != nil {
				store.end()
				return nil, err
			}
		}
		shop, err := startPeer(ctx, g, name, dir, store.variables)
		if err != nil {
			store.end()
			return nil, err
		}
		r.Reservations = []string{shop.url + "/inventory"}
		if g.Profile != "" {
			r.profile = profiler(g.Profile, filepath.Base(dir), map[string]string{"peer": shop.url})
		}
		r.pids = func() map[string]int {
			pids := map[string]int{"peer": shop.cmd.Process.Pid}
			for _, c := range store.children {
				pids[c.name] = c.cmd.Process.Pid
			}
			return pids
		}
		r.stop = func(context.Context) error {
			shop.end()
			store.end()
			return nil
		}
		return r, nil
	}}
}

// peerChild is a running peer.
type peerChild struct {
	*child
	url string
}

func startPeer(ctx context.Context, g Ground, name, dir string, variables map[string]string) (*peerChild, error) {
	argv := []string{filepath.Join(g.Programs, "peers"), "--pool", strconv.Itoa(g.Pool)}
	if g.Profile != "" {
		argv = append(argv, "--profiles")
	}
	c, err := spawn(servers.Process{
		Name: name, Dir: dir, Argv: append(argv, name), Env: environ(variables), Stop: syscall.SIGTERM,
	}, dir, true)
	if err != nil {
		return nil, fmt.Errorf("%w: scripts/bench builds what is missing", err)
	}
	p := &peerChild{child: c}
	if p.url, err = c.address(); err == nil {
		err = c.await(ctx, func(ctx context.Context) error { return healthy(ctx, p.url) })
	}
	if err != nil {
		c.end()
		return nil, err
	}
	return p, nil
}

func healthy(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/healthz", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}
