package bridge

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/textproto"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sidecart/sidecart/services/gateway/terminal"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// Config bounds the listener; zero fields take the defaults that are named.
type Config struct {
	MaxMessageBytes int           // of a request; 64 KiB
	MaxHeaderBytes  uint32        // of a call's metadata; 16 KiB
	MaxStreams      uint32        // calls at once on a connection; 256
	IdleTimeout     time.Duration // of a connection without calls; 2 min
	MaxAge          time.Duration // of a connection, a tenth more or less; 5 min. Calls under way end, and the next ones may reach a replica that came later
	CallTimeout     time.Duration // of a call that brings no deadline; 15 s
}

func (c Config) withDefaults() Config {
	c.MaxMessageBytes = cmp.Or(c.MaxMessageBytes, 64<<10)
	c.MaxHeaderBytes = cmp.Or(c.MaxHeaderBytes, 16<<10)
	c.MaxStreams = cmp.Or(c.MaxStreams, 256)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 2*time.Minute)
	c.MaxAge = cmp.Or(c.MaxAge, 5*time.Minute)
	c.CallTimeout = cmp.Or(c.CallTimeout, 15*time.Second)
	return c
}

// codeWire is the response header that tells the HTTP status of a success: 201 where something was made.
const codeWire = "x-http-code"

// Server takes gRPC calls to a handler of HTTP requests.
type Server struct {
	grpc   *grpc.Server
	health *health.Server
}

// NewServer makes a server of the methods that bindings bind; door answers each as the HTTP request that it is. log may be
// nil.
func NewServer(cfg Config, bindings []*Binding, door http.Handler, log *slog.Logger) *Server {
	cfg = cfg.withDefaults()
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{health: health.NewServer(), grpc: grpc.NewServer(
		grpc.MaxRecvMsgSize(cfg.MaxMessageBytes), grpc.MaxHeaderListSize(cfg.MaxHeaderBytes), grpc.MaxConcurrentStreams(cfg.MaxStreams),
		grpc.ConnectionTimeout(5*time.Second),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: cfg.IdleTimeout, MaxConnectionAge: cfg.MaxAge, Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	)}
	services := map[string]*grpc.ServiceDesc{}
	for _, b := range bindings {
		name := string(b.Service)
		if services[name] == nil {
			services[name] = &grpc.ServiceDesc{ServiceName: name, HandlerType: (*any)(nil), Metadata: b.input.Descriptor().ParentFile().Path()}
		}
		c := &call{binding: b, door: door, timeout: cfg.CallTimeout, log: log}
		services[name].Methods = append(services[name].Methods, grpc.MethodDesc{MethodName: b.Method, Handler: c.handle})
	}
	for _, desc := range services {
		s.grpc.RegisterService(desc, struct{}{})
	}
	grpc_health_v1.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	return s
}

// Serve answers calls on l until Shutdown or Close; it returns nil then.
func (s *Server) Serve(l net.Listener) error {
	if err := s.grpc.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

// Shutdown takes no more calls and waits for those under way until ctx ends; then it cuts them off and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.health.Shutdown() // tells whoever watches
	done := make(chan struct{})
	go func() { s.grpc.GracefulStop(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
		return ctx.Err()
	}
}

// Close cuts everything off.
func (s *Server) Close() error { s.grpc.Stop(); return nil }

// call answers one method.
type call struct {
	binding *Binding
	door    http.Handler
	timeout time.Duration
	log     *slog.Logger
}

// handle is a grpc.MethodHandler.
func (c *call) handle(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (out any, err error) {
	in := c.binding.input.New()
	if err := decode(in.Interface()); err != nil {
		return nil, err
	}
	if end, has := ctx.Deadline(); has {
		ctx = httpx.WithCallersEnd(ctx, end)
	} else {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	r, err := c.request(ctx, in.Interface())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	defer func() { // this goroutine is gRPC's, which recovers nothing
		if p := recover(); p != nil {
			c.log.ErrorContext(ctx, "panic outside of every handler", slog.Any("panic", p), slog.String("method", c.binding.FullMethod()), slog.String("stack", string(debug.Stack())))
			err = status.Error(codes.Internal, "something went wrong on our side")
		}
	}()
	w := &recorder{header: http.Header{}}
	c.door.ServeHTTP(w, r)
	return c.answer(ctx, w)
}

// request is the HTTP request that a call is.
func (c *call) request(ctx context.Context, in proto.Message) (*http.Request, error) {
	b := c.binding
	u, err := b.url(in.ProtoReflect())
	if err != nil {
		return nil, err
	}
	r := (&http.Request{
		Method: b.Verb, URL: u, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: http.NoBody,
		RequestURI: u.RequestURI(),
	}).WithContext(ctx)
	if p, ok := peer.FromContext(ctx); ok {
		r.RemoteAddr = p.Addr.String()
	}
	md, _ := metadata.FromIncomingContext(ctx)
	copyMetadata(r.Header, md)
	if authority := md[":authority"]; len(authority) > 0 {
		r.Host = authority[0]
	}
	r.Header["X-Client"] = []string{terminal.Plain} // the answer has to have the names of the .proto file
	if b.hasBody {
		body, err := b.in.appendMessage(nil, in.ProtoReflect(), b.inPath)
		if err != nil {
			return nil, err
		}
		r.Header["Content-Type"] = []string{"application/json"}
		r.Body, r.ContentLength = bodyOf(body), int64(len(body))
	}
	return r, nil
}

// Metadata that is gRPC's own, or that would change the form of the answer.
var notHeaders = map[string]bool{
	"content-type": true, "te": true, "accept-encoding": true, "content-length": true, "content-encoding": true, "host": true,
	"connection": true, "transfer-encoding": true, "x-client": true, "if-none-match": true, "range": true, "expect": true,
}

// copyMetadata makes headers of a call's metadata. Binary values have no place in a header. The gateway takes off what must
// not be believed, as from any request.
func copyMetadata(h http.Header, md metadata.MD) {
	for key, values := range md {
		if notHeaders[key] || strings.HasPrefix(key, ":") || strings.HasPrefix(key, "grpc-") || strings.HasSuffix(key, "-bin") {
			continue
		}
		h[textproto.CanonicalMIMEHeaderKey(key)] = values
	}
}

// answer turns what was recorded into a message or a status, and its headers into metadata.
func (c *call) answer(ctx context.Context, w *recorder) (any, error) {
	md := metadata.MD{codeWire: {strconv.Itoa(w.code)}}
	for name, values := range w.header {
		if !notPassedBack[name] {
			md[strings.ToLower(name)] = values
		}
	}
	if err := grpc.SetHeader(ctx, md); err != nil { // the call is gone, and so is who would read it
		return nil, err
	}
	if err := readAnswer(ctx, w.code, w.header, w.body.Bytes()); err != nil {
		return nil, err
	}
	out := c.binding.output.New()
	if w.body.Len() == 0 {
		return out.Interface(), nil
	}
	if err := c.binding.out.decode(w.body.Bytes(), out, false); err != nil {
		c.log.ErrorContext(ctx, "an answer is not what the .proto file says", slog.String("method", c.binding.FullMethod()), slog.Any("error", err))
		return nil, status.Error(codes.Internal, "something went wrong on our side")
	}
	return out.Interface(), nil
}

// notPassedBack are headers of the JSON that there is no more.
var notPassedBack = map[string]bool{
	"Content-Type": true, "Content-Length": true, "Content-Encoding": true, "Vary": true, "Date": true, "Cache-Control": true, "Etag": true,
	"Connection": true, "Transfer-Encoding": true,
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter; the first status counts.
func (w *recorder) WriteHeader(code int) {
	if w.code == 0 && code >= http.StatusOK {
		w.code = code
	}
}

// Write implements http.ResponseWriter. The gateway bounds its answers.
func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

func bodyOf(b []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(b)) }
