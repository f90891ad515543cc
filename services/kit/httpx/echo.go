package httpx

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// Config bounds one listener; zero fields get the defaults.
type Config struct {
	Listener       string        // label of the metrics: "app", Public, "internal"; default "app"
	MaxBodyBytes   int64         // of a request; default 64 KiB
	MaxURLBytes    int           // path and query; default 4 KiB
	HandlerTimeout time.Duration // deadline of a request's context; default 15 s
	Access         *AccessConfig // the access log; nil: there is none
}

// Public is the listener for the world outside: its callers are told the trace id (X-Trace-Id), and its metrics are gateway_http_….
const Public = "public"

// Deps is what NewEcho is given; every field may be nil.
type Deps struct {
	Log     *slog.Logger
	Metrics prometheus.Registerer
	NewID   func() string // request ids; default UUID v7
	Tracer  trace.Tracer  // default: no spans, the trace context is still made and passed on
}

// Defaults fills in what is zero.
func (c Config) Defaults() Config {
	if c.Listener == "" {
		c.Listener = "app"
	}
	if c.MaxBodyBytes == 0 {
		c.MaxBodyBytes = 64 << 10
	}
	if c.MaxURLBytes == 0 {
		c.MaxURLBytes = 4 << 10
	}
	if c.HandlerTimeout == 0 {
		c.HandlerTimeout = 15 * time.Second
	}
	return c
}

// NewEcho makes an Echo whose requests carry a trace context, a request id and a deadline, whose bodies are
// bounded, and whose failures are problem documents. Two of them may share a registry. The *http.Request that it is given gets its
// context in place, so it can be served once only.
func NewEcho(cfg Config, deps Deps) *echo.Echo {
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.NewID == nil {
		deps.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	if deps.Tracer == nil {
		deps.Tracer = noop.NewTracerProvider().Tracer("")
	}
	cfg = cfg.Defaults()
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.JSONSerializer = serializer{}
	e.Logger.SetOutput(io.Discard) // whatever Echo has to say reaches us as an error
	e.HTTPErrorHandler = func(err error, c echo.Context) { writeError(c, deps.Log, err) }
	e.Use(newEdge(cfg, deps).handle)
	return e
}

// ServerConfig bounds the connections of one listener; zero fields get the defaults.
type ServerConfig struct {
	ReadHeaderTimeout time.Duration // default 5 s: a slow sender of headers is cut off
	ReadTimeout       time.Duration // whole request; default 15 s
	WriteTimeout      time.Duration // from the end of the headers to the end of the answer; default 30 s
	IdleTimeout       time.Duration // between requests; default 2 min
	MaxHeaderBytes    int           // default 16 KiB
}

// NewServer makes an http.Server with every bound set. Its own complaints go to log at debug level.
func NewServer(h http.Handler, cfg ServerConfig, log *slog.Logger) *http.Server {
	or := func(d, byDefault time.Duration) time.Duration {
		if d == 0 {
			return byDefault
		}
		return d
	}
	if cfg.MaxHeaderBytes == 0 {
		cfg.MaxHeaderBytes = 16 << 10
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: or(cfg.ReadHeaderTimeout, 5*time.Second),
		ReadTimeout:       or(cfg.ReadTimeout, 15*time.Second),
		WriteTimeout:      or(cfg.WriteTimeout, 30*time.Second),
		IdleTimeout:       or(cfg.IdleTimeout, 2*time.Minute),
		MaxHeaderBytes:    cfg.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// Listen opens a TCP listener and says what to do if the address is taken.
func Listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s (is something else running there?): %w", address, err)
	}
	return l, nil
}

// serializer makes Echo encode with the same JSON as everything else here.
type serializer struct{}

// Serialize has an answer that writes itself, as json.Marshal would, do so (see journal.Exact): the answers to a rush are of few types.
func (serializer) Serialize(c echo.Context, v any, _ string) error {
	exact, ok := v.(interface {
		AppendJSON(to []byte) ([]byte, error)
	})
	if !ok {
		return json.MarshalWrite(c.Response(), v)
	}
	buffer := takeBuffer()
	defer giveBuffer(buffer)
	encoded, err := exact.AppendJSON(buffer.AvailableBuffer())
	if err != nil {
		return err
	}
	_, err = c.Response().Write(encoded)
	return err
}

func (serializer) Deserialize(c echo.Context, v any) error { return Decode(c, v) }

// answering is the context that handlers get.
type answering struct{ echo.Context }

// Values of headers that many answers have. They are shared and must not be changed in place, which http.Header's methods never do.
var (
	jsonContent    = []string{echo.MIMEApplicationJSON}
	problemContent = []string{ContentTypeProblem}
	noStore        = []string{"no-store"}
)

// JSON answers with v. Echo's own also parses the query, for a parameter that would make the answer prettier.
func (a *answering) JSON(status int, v any) error {
	if h := a.Response().Header(); len(h[echo.HeaderContentType]) == 0 {
		h[echo.HeaderContentType] = jsonContent
	}
	a.Response().Status = status
	return serializer{}.Serialize(a, v, "")
}

// writeError is where errors meet HTTP: it logs and writes the problem document, unless an answer is already out.
func writeError(c echo.Context, log *slog.Logger, err error) {
	e := fromEcho(err, c)
	logFailure(c, log, e, err)
	if c.Response().Committed {
		return
	}
	WriteProblem(c.Response(), c.Request(), e)
}

// fromEcho reads Echo's own errors (unknown routes, wrong methods) as ours.
func fromEcho(err error, c echo.Context) *errs.Error {
	if _, ours := errors.AsType[*errs.Error](err); ours {
		return errs.From(err)
	}
	he, ok := errors.AsType[*echo.HTTPError](err)
	if !ok {
		return errs.From(err)
	}
	switch he.Code {
	case http.StatusNotFound:
		return errs.New(errs.NotFound, errs.CodeNotFound, "there is nothing here")
	case http.StatusMethodNotAllowed:
		return errs.Newf(errs.MethodNotAllowed, CodeMethodNotAllowed, "%s does not apply here", knownMethod(c.Request().Method))
	}
	kind := errs.KindOf(he.Code)
	if kind == errs.Internal {
		return errs.From(err)
	}
	return errs.New(kind, errs.CodeInvalidRequest, http.StatusText(he.Code)).Wrap(err)
}

func logFailure(c echo.Context, log *slog.Logger, e *errs.Error, err error) {
	level := slog.LevelDebug
	switch {
	case e.Code == errs.CodeOverloaded: // counted by who refuses; a line for each would cost more than the refusal
	case e.Kind == errs.Unavailable:
		level = slog.LevelWarn // full, starting, or cut off: it passes
	case e.Kind.Status() >= http.StatusInternalServerError:
		level = slog.LevelError
	}
	r := c.Request()
	if !log.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", r.Method), slog.String("route", route(c)), slog.Int("status", e.Kind.Status()),
		slog.String("code", e.Code), slog.String("request_id", RequestID(r.Context())),
		slog.Any("error", err), // the trace id is telemetry's to add, from the context
	}
	if p, ok := errors.AsType[*panicError](err); ok {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	log.LogAttrs(r.Context(), level, "request failed", attrs...)
}
