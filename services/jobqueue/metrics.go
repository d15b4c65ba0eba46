package jobqueue

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// metrics is what workers measure.
type metrics struct {
	wait metric.Float64Histogram
	run  metric.Float64Histogram
}

// The bounds reach from an embedding to a picture in a long queue.
var secondBounds = metric.WithExplicitBucketBoundaries(.001, .003, .01, .03, .1, .3, 1, 3, 10, 30, 100, 300)

func newMetrics(provider metric.MeterProvider) (metrics, error) {
	meter := provider.Meter(instrumentation)
	var (
		m   metrics
		err error
	)
	m.wait, err = meter.Float64Histogram("facestudio.queue.wait.duration", metric.WithUnit("s"), secondBounds,
		metric.WithDescription("Time from the publishing of work to the start of an attempt."))
	if err != nil {
		return m, fmt.Errorf("make a metric: %w", err)
	}
	m.run, err = meter.Float64Histogram("facestudio.queue.run.duration", metric.WithUnit("s"), secondBounds,
		metric.WithDescription("Time that an attempt of work ran, by what came of it."))
	if err != nil {
		return m, fmt.Errorf("make a metric: %w", err)
	}
	return m, nil
}

func (m metrics) waited(ctx context.Context, at address, d time.Duration) {
	// Clocks of two machines may differ.
	m.wait.Record(ctx, max(d, 0).Seconds(), metric.WithAttributes(stageAttributes(at)...))
}

func (m metrics) ran(ctx context.Context, at address, d time.Duration, what action) {
	m.run.Record(ctx, d.Seconds(), metric.WithAttributes(append(stageAttributes(at), attribute.String("facestudio.outcome", what.String()))...))
}

func stageAttributes(at address) []attribute.KeyValue {
	return []attribute.KeyValue{attribute.String("facestudio.stage", at.stage), attribute.String("facestudio.class", at.class)}
}
