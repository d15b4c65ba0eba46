package conductor

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/facestudio/facestudio/gateway/internal/flow"
	"github.com/facestudio/facestudio/services/fault"
)

const scope = "github.com/facestudio/facestudio/gateway"

// observed is a Runner with a span, a duration and a count of what is in work.
type observed struct {
	next     Runner
	tracer   trace.Tracer
	duration metric.Float64Histogram
	inWork   metric.Int64UpDownCounter
}

// Observe returns a Runner that also tells traces and metrics how its runs go.
func Observe(next Runner, traces trace.TracerProvider, metrics metric.MeterProvider) (Runner, error) {
	meter := metrics.Meter(scope)
	duration, err := meter.Float64Histogram("facestudio.generation.duration",
		metric.WithUnit("s"), metric.WithDescription("Time of one run of a generation's flow."))
	if err != nil {
		return nil, fmt.Errorf("make metric: %w", err)
	}
	inWork, err := meter.Int64UpDownCounter("facestudio.generation.running",
		metric.WithDescription("Generations in work at this gateway."))
	if err != nil {
		return nil, fmt.Errorf("make metric: %w", err)
	}
	return &observed{next, traces.Tracer(scope), duration, inWork}, nil
}

func (o *observed) Run(ctx context.Context, job flow.Job, report flow.Report) (flow.Result, error) {
	ctx, span := o.tracer.Start(ctx, "generation", trace.WithAttributes(
		attribute.String("facestudio.generation", job.Key.ID),
		attribute.String("facestudio.class", job.Class),
	))
	defer span.End()
	o.inWork.Add(ctx, 1)
	defer o.inWork.Add(ctx, -1)
	start := time.Now()
	result, err := o.next.Run(ctx, job, report)
	outcome := "ok"
	if err != nil {
		outcome = fault.From(err).Reason.String()
		span.SetStatus(codes.Error, outcome)
	}
	o.duration.Record(ctx, time.Since(start).Seconds(), metric.WithAttributes(
		attribute.String("outcome", outcome), attribute.String("class", job.Class)))
	return result, err
}
