package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/sidecart/sidecart/services/kit/garbage"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// stopWithin bounds the way down.
const stopWithin = 5 * time.Second

const usage = `peers runs one of the hand-written shops that scripts/bench compares sidecart with.

Usage: peers [flags] nothing|nothing-kit|batch|lua|lua-default|lua-idem|postgres|dapr|workflow|
                     upstream|gateway|reverseproxy|reverseproxy-pool

It listens on loopback at $APP_PORT (unset: a free port), says where on standard output, and ends at SIGTERM.
lua and its variants want SIDECART_REDIS_HOST and SIDECART_REDIS_PASSWORD, postgres SIDECART_POSTGRES_DSN; batch,
dapr and workflow what a Dapr sidecar gives its app; workflow's sidecar needs Dapr's placement and scheduler.
gateway and the proxies want BENCH_UPSTREAM, the URL of a running upstream; gateway BENCH_RULES, too, a
gateway.yaml; upstream BENCH_CONTRACTS, the folder services, and BENCH_KEYS, a file that it writes a private key
set to.

Flags:
`

func main() {
	f := flag.NewFlagSet("peers", flag.ContinueOnError)
	pool := f.Int("pool", 0, "connections of lua, lua-idem and postgres to their server, 1 to 1024 (0: 256 to Redis, 24 to PostgreSQL)")
	profiled := f.Bool("profiles", false, "serve Go's profiles below /debug/pprof/ and sample locks, which costs a little")
	f.Usage = func() { fmt.Fprint(f.Output(), usage); f.PrintDefaults() }
	err := f.Parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err == nil && f.NArg() != 1:
		err = errors.New("name one peer; see --help")
	case err == nil && (*pool < 0 || *pool > 1024):
		err = errors.New("--pool must be 1 to 1024")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(2)
	}
	if collectsLate(f.Arg(0)) {
		garbage.CollectLate(os.Getenv)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, f.Arg(0), *pool, *profiled); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// collectsLate names the peers that collect garbage by the rule of the program sidecart: its gateway, the proxies beside that, and
// batch, which is to pay for nothing that sidecart does not. The others go by Go's own rule, as what people write does.
func collectsLate(name string) bool {
	return slices.Contains([]string{"gateway", "reverseproxy", "reverseproxy-pool", "batch"}, name)
}

func serve(ctx context.Context, name string, pool int, profiled bool) error {
	handler, closeAll, err := handlerOf(ctx, name, pool)
	if err != nil {
		return err
	}
	defer closeAll()
	port := 0
	if text := os.Getenv("APP_PORT"); text != "" {
		if port, err = strconv.Atoi(text); err != nil || port < 0 || port > 65535 {
			return fmt.Errorf("APP_PORT: %q is not a port", text)
		}
	}
	l, err := httpx.Listen(net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	// The same bounds as sidecart's own listeners.
	var bounds httpx.ServerConfig
	if profiled {
		handler, bounds.WriteTimeout = withProfiles(handler), 2*time.Minute
	}
	server := httpx.NewServer(handler, bounds, nil)
	fmt.Printf("listening http://%s\n", l.Addr())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil {
		return err
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// handlerOf makes what a peer answers with. closeAll is to be called when nothing is asked any more.
func handlerOf(ctx context.Context, name string, pool int) (h http.Handler, closeAll func(), err error) {
	closeAll = func() {}
	switch name {
	case "upstream":
		h, err = newUpstream()
		return h, closeAll, err
	case "gateway", "reverseproxy", "reverseproxy-pool":
		d, err := newDoor()
		if err != nil {
			return nil, nil, err
		}
		closeAll = d.transport.CloseIdleConnections
		if name != "gateway" {
			return d.reverseProxy(name == "reverseproxy-pool"), closeAll, nil
		}
		h, err = d.gateway(ctx)
		return h, closeAll, err
	}
	s, err := open(ctx, name, pool)
	if err != nil {
		return nil, nil, err
	}
	return newFace(s, name == "nothing-kit"), s.close, nil
}

// open makes the store of a peer.
func open(ctx context.Context, name string, pool int) (store, error) {
	or := func(byDefault int) int {
		if pool > 0 {
			return pool
		}
		return byDefault
	}
	switch name {
	case "nothing", "nothing-kit":
		return nothing{}, nil
	case "batch":
		return newBatch()
	case "lua", "lua-idem":
		return newLua(ctx, or(256), name == "lua-idem")
	case "lua-default":
		return newLua(ctx, 0, false)
	case "postgres":
		return newPostgres(ctx, or(24))
	case "dapr":
		return newDaprWrite()
	case "workflow":
		return newSaga(ctx)
	}
	return nil, fmt.Errorf("no peer %q; see --help", name)
}
