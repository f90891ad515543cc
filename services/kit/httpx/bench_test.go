package httpx

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/telemetry"
)

// What the kit itself costs a request, without a connection: `go test -bench Request -benchmem ./kit/httpx`. "plain" is Echo alone with its own JSON.

// benchBody and benchAnswer have the size and shape of a reservation's.
type benchBody struct {
	ID          string `json:"id"`
	Quantity    int64  `json:"quantity"`
	HoldSeconds int64  `json:"hold_seconds"`
}

type benchAnswer struct {
	ID        string    `json:"id"`
	SKU       string    `json:"sku"`
	Quantity  int64     `json:"quantity"`
	Status    string    `json:"status"`
	ExpiresAt time.Time `json:"expires_at"`
}

func benchRoutes(e *echo.Echo, decode func(c echo.Context, into any) error) {
	e.POST("/inventory/v1/inventory/:sku/reservations", func(c echo.Context) error {
		var in benchBody
		if err := decode(c, &in); err != nil {
			return err
		}
		select { // as a journal waits for its answer
		case <-c.Request().Context().Done():
			return c.Request().Context().Err()
		default:
		}
		return c.JSON(http.StatusCreated, benchAnswer{ID: in.ID, SKU: c.Param("sku"), Quantity: in.Quantity, Status: "pending", ExpiresAt: time.Unix(1_900_000_000, 0).UTC()})
	})
	e.POST("/inventory/v1/inventory/:sku/refused", func(c echo.Context) error {
		var in benchBody
		if err := decode(c, &in); err != nil {
			return err
		}
		return errs.New(errs.Conflict, "sold_out", "not enough is available of "+c.Param("sku")).With("skus", []string{c.Param("sku")})
	})
}

func BenchmarkRequest(b *testing.B) {
	kit := NewEcho(Config{}, Deps{Metrics: prometheus.NewRegistry()})
	benchRoutes(kit, Decode)
	public := NewEcho(Config{Listener: Public, Access: &AccessConfig{}}, Deps{Metrics: prometheus.NewRegistry(), Log: telemetry.NewLogger(io.Discard, slog.LevelInfo)})
	benchRoutes(public, Decode)
	plain := echo.New()
	benchRoutes(plain, func(c echo.Context, into any) error { return (&echo.DefaultBinder{}).BindBody(c, into) })
	for _, bench := range []struct {
		name    string
		handler http.Handler
		path    string
	}{
		{"taken", kit, "/inventory/v1/inventory/tea/reservations"},
		{"taken/public", public, "/inventory/v1/inventory/tea/reservations"},
		{"refused", kit, "/inventory/v1/inventory/tea/refused"},
		{"taken/plain", plain, "/inventory/v1/inventory/tea/reservations"},
	} {
		b.Run(bench.name, func(b *testing.B) { benchRequests(b, bench.handler, bench.path) })
	}
}

// benchRequests serves requests such as net/http makes of what a connection brings, as the sidecar or the load sends them.
func benchRequests(b *testing.B, h http.Handler, path string) {
	const body = `{"id":"0197b3f4-6a1c-7d55-9a3e-0d2f1c5b7a90","quantity":1,"hold_seconds":600}`
	reader := bytes.NewReader([]byte(body))
	w := &discarded{header: http.Header{}}
	u, err := url.Parse(path)
	if err != nil {
		b.Fatal(err)
	}
	header := http.Header{
		"Content-Type": {"application/json"}, "Content-Length": {"75"}, "User-Agent": {"bench"},
		"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
	}
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset([]byte(body))
		clear(w.header)
		ctx, hangUp := context.WithCancel(b.Context())
		h.ServeHTTP(w, (&http.Request{
			Method: http.MethodPost, URL: u, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Host: "127.0.0.1",
			RequestURI: path, Header: header, ContentLength: int64(len(body)), Body: io.NopCloser(reader), RemoteAddr: "127.0.0.1:1",
		}).WithContext(ctx))
		hangUp()
	}
	if w.written == 0 {
		b.Fatal("nothing was answered")
	}
}

// discarded is a ResponseWriter without a connection.
type discarded struct {
	header  http.Header
	written int
}

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) WriteHeader(int)             {}
func (d *discarded) Write(b []byte) (int, error) { d.written += len(b); return len(b), nil }

// What each command of a journal pays for its caller's trace.
func BenchmarkTraceMark(b *testing.B) {
	ctx := ContextWithTraceParent(b.Context(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
	var r *http.Request
	e := NewEcho(Config{}, Deps{})
	e.GET("/", func(c echo.Context) error { r = c.Request(); return nil })
	e.ServeHTTP(&discarded{header: http.Header{}}, (&http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/"}, Header: http.Header{}}).WithContext(ctx))
	b.ReportAllocs()
	for b.Loop() {
		if TraceMark(r.Context()) == "" {
			b.Fatal("no trace")
		}
	}
}

// BenchmarkWatch is one look at 1,000 requests that go on.
func BenchmarkWatch(b *testing.B) {
	w := &watch{looking: true} // by the benchmark alone
	for range 1000 {
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		w.begin(&request{Context: ctx, deadline: time.Now().Add(time.Hour)})
	}
	w.timer = time.NewTimer(time.Hour)
	defer w.timer.Stop()
	b.ReportAllocs()
	for b.Loop() {
		w.look()
	}
}
