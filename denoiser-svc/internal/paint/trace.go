package paint

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

const scope = "github.com/facestudio/facestudio/denoiser-svc"

// stepSpans has a span for each step of one picture, in the trace of its call. A
// step begins where the one before ended: what goes on in between belongs to it.
type stepSpans struct {
	ctx    context.Context //nolint:containedctx // it lives as long as one loop
	tracer trace.Tracer
	since  time.Time
}

func newStepSpans(ctx context.Context) *stepSpans {
	return &stepSpans{ctx, trace.SpanFromContext(ctx).TracerProvider().Tracer(scope), time.Now()}
}

// made tells that a step has been made, the first is 1.
func (s *stepSpans) made(step int) {
	now := time.Now()
	_, span := s.tracer.Start(s.ctx, "denoise step", trace.WithTimestamp(s.since),
		trace.WithAttributes(attribute.Int("facestudio.step", step)))
	span.End(trace.WithTimestamp(now))
	s.since = now
}
