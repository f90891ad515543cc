package telemetry

import (
	"context"
	"io"
	"log/slog"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// Masked stands in logs for the value of a secret.
const Masked = "***"

// NewLogger writes JSON lines in UTC to w, with trace_id and span_id from the context of each record. Attributes
// whose name says that they are secret are masked, whoever logs them.
func NewLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(NewHandler(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: replace})))
}

// replace masks secrets and writes times in UTC.
func replace(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindTime {
		a.Value = slog.TimeValue(a.Value.Time().UTC())
	}
	if IsSecret(a.Key) {
		a.Value = slog.StringValue(Masked)
	}
	return a
}

// IsSecret tells by its name whether a setting or attribute holds a secret.
func IsSecret(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"token", "password", "passwd", "secret", "authorization", "api_key", "apikey", "credential"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// NewHandler adds trace_id and span_id to what next writes.
func NewHandler(next slog.Handler) slog.Handler { return &traced{Handler: next} }

type traced struct{ slog.Handler }

// Handle adds the ids at the top level; a record outside of any trace stays as it is.
func (h *traced) Handle(ctx context.Context, r slog.Record) error {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs keeps the ids on derived loggers.
func (h *traced) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &traced{Handler: h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the ids on derived loggers; inside of a group they stand in the group.
func (h *traced) WithGroup(name string) slog.Handler {
	return &traced{Handler: h.Handler.WithGroup(name)}
}
