package host

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sidecart/sidecart/services/kit/httpx"
)

// answerWithin bounds the wait for another app's answer to begin, whoever asks and however patient. It is not the sidecar's to bound:
// see dapr-config/resiliency.yaml.
const answerWithin = 10 * time.Second

// maxConnsToSidecar bounds the connections for calls to other services; a call beyond waits for its deadline. As many are kept: with
// fewer, a rush would close and open them all the time.
const maxConnsToSidecar = 512

// transport is the one way from service to service. It takes http://{service}/path and asks /{service}/path of
// the handler in this process or, through the sidecar, of the app of that name.
//
// A service may run as several apps, its releases. A request whose Host is another name than the service's is for the app of
// that name, with the service's routes, and always goes through the sidecar: what runs here is not that release.
type transport struct {
	local map[string]http.Handler // set once, before the first call
	dapr  http.RoundTripper
	base  string // host:port of the sidecar's HTTP API; "" when there is none
	token string
	log   *slog.Logger
}

func newTransport(cfg Config, log *slog.Logger) *transport {
	t := &transport{local: map[string]http.Handler{}, token: cfg.DaprToken, log: log}
	if cfg.DaprHTTPPort != 0 {
		t.base = net.JoinHostPort("127.0.0.1", strconv.Itoa(cfg.DaprHTTPPort))
	}
	t.dapr = &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 2 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		MaxConnsPerHost:     maxConnsToSidecar,
		MaxIdleConnsPerHost: maxConnsToSidecar,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true, // loopback: compressing costs more than it saves

		ResponseHeaderTimeout: answerWithin,
	}
	return t
}

// RoundTrip sends r to the service that its host names. A failure before anything was sent has httpx.ErrNotSent in its chain.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	h, here := t.local[r.URL.Host]
	here = here && app(r) == r.URL.Host
	if err := t.check(r, here); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, fmt.Errorf("%w: %w", httpx.ErrNotSent, err)
	}
	if here {
		return callLocal(h, r, t.log)
	}
	return t.callDapr(r)
}

// app is the app id that r is for: its Host, which net/http fills in with the service's name unless the caller says another.
func app(r *http.Request) string {
	if r.Host == "" {
		return r.URL.Host
	}
	return r.Host
}

// check refuses what cannot be sent.
func (t *transport) check(r *http.Request, here bool) error {
	service, app := r.URL.Host, app(r)
	if r.URL.Scheme != "http" || (!here && !serviceName.MatchString(service)) {
		return fmt.Errorf("%s://%s is not a service", r.URL.Scheme, service)
	}
	if app != service && !serviceName.MatchString(app) { // it becomes a part of the path to the sidecar
		return fmt.Errorf("%q cannot be the app id of a release of %s", app, service)
	}
	if !here && t.base == "" {
		return fmt.Errorf("%s is not in this host and there is no sidecar", app)
	}
	// A dot segment would be resolved by whoever is next on the way and could leave the service's routes.
	if strings.Contains(r.URL.Path, ".") {
		segments := strings.Split(r.URL.Path, "/")
		if slices.Contains(segments, "..") || slices.Contains(segments, ".") {
			return errors.New("the path has a dot segment")
		}
	}
	return nil
}

// addressed makes the request that the target's handler shall see, whichever way it goes. The caller's own is not
// touched; the values of its headers are shared.
func addressed(r *http.Request) *http.Request {
	out, service := r.WithContext(r.Context()), r.URL.Host
	out.URL = &url.URL{Scheme: "http", Host: service, Path: "/" + service + r.URL.Path, RawQuery: r.URL.RawQuery}
	if r.URL.RawPath != "" {
		out.URL.RawPath = "/" + service + r.URL.RawPath
	}
	out.Header = make(http.Header, len(r.Header)+4) // and what callDapr adds
	for name, values := range r.Header {
		if !staysBehind(name) {
			out.Header[name] = slices.Clip(values) // so that adding to it leaves the caller's alone
		}
	}
	return out
}

// staysBehind tells the headers that are of one connection, or for the caller's own sidecar.
func staysBehind(name string) bool {
	switch name {
	case "Dapr-Api-Token", "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// callDapr has the sidecar call the service, in the app that r is for.
func (t *transport) callDapr(r *http.Request) (*http.Response, error) {
	out := addressed(r)
	// The sidecar decodes the path once and puts what comes out into the next URL as it is: an escaped '?' would begin
	// a query there and an escaped '%' be another escape. So the path is escaped once more than it needs.
	method := out.URL.EscapedPath()
	prefix := "/v1.0/invoke/" + app(r) + "/method"
	out.URL.Path, out.URL.RawPath = prefix+method, prefix+strings.ReplaceAll(method, "%", "%25")
	out.URL.Host, out.Host = t.base, t.base
	httpx.Propagate(r.Context(), out.Header)
	httpx.PutWithin(r.Context(), out.Header)
	if t.token != "" {
		out.Header.Set("Dapr-Api-Token", t.token)
	}
	resp, err := t.dapr.RoundTrip(out)
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return nil, fmt.Errorf("%w: %w", httpx.ErrNotSent, err)
	}
	return resp, err
}

// callLocal runs the handler on a goroutine of its own, so that the caller's deadline holds even if the handler's
// does not. It returns when the answer is complete, or begins to stream, or the caller's context ends, which is the handler's, too,
// and has the trace, the request id and the deadline.
func callLocal(h http.Handler, r *http.Request, log *slog.Logger) (*http.Response, error) {
	ctx := r.Context()
	in := addressed(r)
	in.RequestURI, in.RemoteAddr, in.Host = in.URL.RequestURI(), "in-process", in.URL.Host
	in.Proto, in.ProtoMajor, in.ProtoMinor = "HTTP/1.1", 1, 1
	if in.Body == nil {
		in.Body = http.NoBody
	}
	a := &answer{caller: ctx, request: in, header: http.Header{}, ready: make(chan outcome, 1)}
	go func() {
		makeRoom(0)
		defer func() { _ = in.Body.Close() }()
		defer func() {
			p := recover()
			if p != nil && p != http.ErrAbortHandler {
				log.ErrorContext(ctx, "panic outside of every handler", slog.Any("panic", p), slog.String("path", in.URL.Path))
			}
			a.finish(p)
		}()
		h.ServeHTTP(a, in)
	}()
	select {
	case got := <-a.ready:
		return got.resp, got.err
	case <-ctx.Done():
		go func() { // the handler ends in its own time; what it still answers is for nobody
			if late := <-a.ready; late.resp != nil {
				_ = late.resp.Body.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// makeRoom lets the stack of a new goroutine grow at once to what handlers need. It would otherwise do so in the middle of one, in
// several steps, each of which looks through everything that is on it by then; that took 4 % of the CPU time of orders.
//
//go:noinline
func makeRoom(at int) byte {
	var room [12 << 10]byte
	return room[at] // so that it has to be there
}
