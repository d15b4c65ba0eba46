package telemetry

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

func newLogger(s Settings) *slog.Logger {
	// A level that Validate would refuse leaves the zero value, info.
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.LogLevel))
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler
	if s.LogFormat == "json" {
		handler = slog.NewJSONHandler(s.Output, options)
	} else {
		handler = slog.NewTextHandler(s.Output, options)
	}
	return slog.New(traced{handler}).With(slog.String("service", s.Service))
}

// traced adds the ids of the span in the context to each line.
type traced struct{ slog.Handler }

func (h traced) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r.AddAttrs(
			slog.String("trace_id", span.TraceID().String()),
			slog.String("span_id", span.SpanID().String()),
		)
	}
	return h.Handler.Handle(ctx, r)
}

func (h traced) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traced{h.Handler.WithAttrs(attrs)}
}

func (h traced) WithGroup(name string) slog.Handler {
	return traced{h.Handler.WithGroup(name)}
}
