package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecart/sidecart/services/gateway"
	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// maxConns is how many connections to the upstream a door has at most, and keeps: as many as a host to its sidecar.
const maxConns = 512

// door is the address of the upstream and the way there, the same for sidecart's gateway and the reverse proxy.
type door struct {
	upstream  *url.URL
	transport *http.Transport
}

// newDoor wants BENCH_UPSTREAM.
func newDoor() (door, error) {
	upstream, err := url.Parse(os.Getenv("BENCH_UPSTREAM"))
	if err != nil || upstream.Host == "" {
		return door{}, fmt.Errorf("BENCH_UPSTREAM: %q is not the URL of an upstream", os.Getenv("BENCH_UPSTREAM"))
	}
	return door{upstream, &http.Transport{
		DialContext:     (&net.Dialer{Timeout: 2 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		MaxConnsPerHost: maxConns, MaxIdleConnsPerHost: maxConns, IdleConnTimeout: time.Minute, DisableCompression: true,
	}}, nil
}

// reverseProxy is the standard library's, with nothing added but, if pooled, buffers that are used again.
func (d door) reverseProxy(pooled bool) http.Handler {
	p := &httputil.ReverseProxy{Transport: d.transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(d.upstream) }}
	if pooled {
		p.BufferPool = &buffers{}
	}
	return healthy(func() error { return nil }, p)
}

// buffers are of the size that the proxy makes for itself otherwise.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }

// gateway is sidecart's own, whole and as it is shipped: the contracts of all services, the rules of BENCH_RULES, tokens checked by
// the keys that the upstream gives in account's place, limits, metrics, trace ids and the access log. It works until ctx ends.
func (d door) gateway(ctx context.Context) (http.Handler, error) {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	s, err := gateway.New(gateway.Config{RulesPath: os.Getenv("BENCH_RULES")}, host.Deps{
		Log: log, Metrics: prometheus.NewRegistry(), Services: []string{gateway.Name}, Client: &http.Client{Transport: d},
		Now: func() time.Time { return time.Now().UTC() }, NewID: func() string { return uuid.Must(uuid.NewV7()).String() },
	})
	if err != nil {
		return nil, err
	}
	go func() {
		if err := s.Run(ctx); err != nil && ctx.Err() == nil {
			log.Error("the gateway ended", "error", err)
		}
	}()
	_, handler := s.Public()
	return healthy(s.Ready, handler), nil
}

// RoundTrip sends what is for a service to the upstream, which tells services apart by the Host that they are asked as. The host's own
// transport adds the same headers.
func (d door) RoundTrip(r *http.Request) (*http.Response, error) {
	out := *r
	to := *r.URL
	to.Host = d.upstream.Host
	out.URL, out.Header = &to, r.Header.Clone()
	if out.Header == nil {
		out.Header = http.Header{}
	}
	httpx.Propagate(r.Context(), out.Header)
	httpx.PutWithin(r.Context(), out.Header)
	if out.Host == "" {
		out.Host = r.URL.Host
	}
	return d.transport.RoundTrip(&out)
}

// healthy answers /healthz by what ready says and leaves everything else to h.
func healthy(ready func() error, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			h.ServeHTTP(w, r)
			return
		}
		if err := ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
}
