package httpx

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/trace"
)

// AccessConfig says which requests leave a line in the log: every one that failed on our side (5xx) or was slow, and a share of the
// others. Zero fields get the defaults.
type AccessConfig struct {
	// OneIn is that share: 1 is all, 100 one in a hundred (the default), below 0 none. It goes by the trace id, so whoever else
	// samples by it has the same requests.
	OneIn              int
	SlowAfter          time.Duration // from which a request is slow; default 1 s
	MaxLinesEachSecond int           // beyond that lines are left out and the next one says how many; default 200
}

func (c AccessConfig) defaults() AccessConfig {
	if c.OneIn == 0 {
		c.OneIn = 100
	}
	if c.SlowAfter == 0 {
		c.SlowAfter = time.Second
	}
	if c.MaxLinesEachSecond == 0 {
		c.MaxLinesEachSecond = 200
	}
	return c
}

// access writes the access log. A line has the route's template and not the path, no query, no header but the bounded kind of client,
// and nothing of who asked: its trace id leads to the rest for those who may see that. Safe for concurrent use.
type access struct {
	cfg    AccessConfig
	log    *slog.Logger
	second atomic.Int64 // the Unix time of the lines that are counted
	lines  atomic.Int64
	left   atomic.Int64 // out, since the last line
}

func newAccess(cfg *AccessConfig, log *slog.Logger) *access {
	if cfg == nil {
		return nil
	}
	return &access{cfg: cfg.defaults(), log: log}
}

// note writes the line of a request, if it is to have one.
func (a *access) note(c echo.Context, of *request, version, code string, began time.Time, took time.Duration) {
	if a == nil {
		return
	}
	r, w := c.Request(), c.Response()
	ctx := r.Context()
	if w.Status < http.StatusInternalServerError && took < a.cfg.SlowAfter && !a.sampled(ctx) {
		return
	}
	if !a.room(began.Add(took).Unix()) {
		a.left.Add(1)
		return
	}
	attrs := [...]slog.Attr{
		slog.String("method", knownMethod(r.Method)), slog.String("route", route(c)), slog.Int("status", w.Status),
		slog.Float64("ms", float64(took.Microseconds())/1e3), slog.Int64("bytes_in", max(r.ContentLength, 0)), slog.Int64("bytes_out", w.Size),
		slog.String("client", clientKind(r.Header)), slog.String("answered_by", version), slog.String("request_id", of.id[0]),
		slog.String("code", code), slog.Int64("lines_left_out", a.left.Swap(0)),
	}
	n := len(attrs)
	for n > 0 && (attrs[n-1].Value.Kind() == slog.KindString && attrs[n-1].Value.String() == "" ||
		attrs[n-1].Value.Kind() == slog.KindInt64 && attrs[n-1].Value.Int64() == 0) {
		n-- // what is usually empty stands last
	}
	a.log.LogAttrs(ctx, slog.LevelInfo, "request", attrs[:n]...)
}

// sampled tells by the trace id whether an ordinary request has a line.
func (a *access) sampled(ctx context.Context) bool {
	if a.cfg.OneIn < 0 {
		return false
	}
	id := trace.SpanContextFromContext(ctx).TraceID()
	return binary.BigEndian.Uint64(id[8:])%uint64(a.cfg.OneIn) == 0
}

// room counts a line; false when this second has had its share. Two seconds that change places cost a line or two.
func (a *access) room(second int64) bool {
	if was := a.second.Load(); was != second && a.second.CompareAndSwap(was, second) {
		a.lines.Store(0)
	}
	return a.lines.Add(1) <= int64(a.cfg.MaxLinesEachSecond)
}

// clientKind is what the caller says it is, if it is one of those that there are.
func clientKind(h http.Header) string {
	switch kind := h.Get("X-Client"); kind {
	case "ios", "mini", "admin", "web":
		return kind
	case "":
		return "none"
	}
	return "other"
}
