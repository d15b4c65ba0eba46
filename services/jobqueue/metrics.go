package jobqueue

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"google.golang.org/grpc/codes"
)

// metrics is what callers and workers measure. docs/jobqueue.md has the table.
type metrics struct {
	published metric.Float64Histogram
	called    metric.Float64Histogram
	wait      metric.Float64Histogram
	run       metric.Float64Histogram
	attempts  metric.Int64Histogram
}

// The bounds reach from an embedding to a picture in a long queue.
var secondBounds = metric.WithExplicitBucketBoundaries(.001, .003, .01, .03, .1, .3, 1, 3, 10, 30, 100, 300)

func newMetrics(meter metric.Meter) (metrics, error) {
	var failed []error
	seconds := func(name, description string) metric.Float64Histogram {
		h, err := meter.Float64Histogram(name, metric.WithUnit("s"), secondBounds, metric.WithDescription(description))
		failed = append(failed, err)
		return h
	}
	m := metrics{
		published: seconds("messaging.client.operation.duration", "Time that an operation on the queue took its client."),
		called:    seconds("facestudio.queue.call.duration", "Time of a call through the queue as its caller sees it, by how it ended."),
		wait:      seconds("facestudio.queue.wait.duration", "Time from the publishing of work to the start of its first attempt."),
		run:       seconds("messaging.process.duration", "Time that an attempt of work ran, by what came of it."),
	}
	var err error
	m.attempts, err = meter.Int64Histogram("facestudio.queue.attempts", metric.WithUnit("{attempt}"),
		metric.WithExplicitBucketBoundaries(1, 2, 3, 5, 8, 13), metric.WithDescription("Attempts that work took until it was decided."))
	return m, errors.Join(append(failed, err)...)
}

// failure is the attribute of what did not succeed.
func failure(code codes.Code) []attribute.KeyValue {
	if code == codes.OK {
		return nil
	}
	return []attribute.KeyValue{semconv.ErrorTypeKey.String(code.String())}
}

func (m metrics) publishedIn(ctx context.Context, to string, d time.Duration, code codes.Code) {
	all := slices.Concat(destination(to), operation(opPublish), failure(code))
	m.published.Record(ctx, d.Seconds(), metric.WithAttributes(all...))
}

func (m metrics) answered(ctx context.Context, at address, d time.Duration, code codes.Code) {
	m.called.Record(ctx, d.Seconds(), metric.WithAttributes(slices.Concat(ofWork(at), failure(code))...))
}

func (m metrics) waited(ctx context.Context, d time.Duration, about []attribute.KeyValue) {
	// Clocks of two machines may differ.
	m.wait.Record(ctx, max(d, 0).Seconds(), metric.WithAttributes(about...))
}

// ran counts an attempt: outcome is what came of it.
func (m metrics) ran(ctx context.Context, d time.Duration, outcome string, code codes.Code, about []attribute.KeyValue) {
	all := slices.Concat(about, operation(opProcess), failure(code))
	m.run.Record(ctx, d.Seconds(), metric.WithAttributes(append(all, attribute.String("facestudio.outcome", outcome))...))
}

func (m metrics) decided(ctx context.Context, attempt uint64, about []attribute.KeyValue) {
	m.attempts.Record(ctx, int64(attempt), metric.WithAttributes(about...))
}

// ofWork are the attributes of stage work, ofRecord those of a record.
func ofWork(at address) []attribute.KeyValue {
	return append(destination(toWork), stage(at), class(at.class))
}

func ofRecord(name string) []attribute.KeyValue { return append(destination(toRecords), class(name)) }
