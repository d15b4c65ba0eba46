package jobqueue

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"google.golang.org/grpc/codes"
)

// metrics is what callers and workers measure. docs/jobqueue.md has the table.
type metrics struct {
	labels    *labels
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
		labels:    &labels{},
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
	m.published.Record(ctx, d.Seconds(), m.labels.of(label{to: to, operation: opPublish, code: code}))
}

func (m metrics) answered(ctx context.Context, at address, d time.Duration, code codes.Code) {
	m.called.Record(ctx, d.Seconds(), m.labels.of(label{to: toWork, stage: at.stage, class: at.class, code: code}))
}

func (m metrics) waited(ctx context.Context, d time.Duration, about label) {
	// Clocks of two machines may differ.
	m.wait.Record(ctx, max(d, 0).Seconds(), m.labels.of(about))
}

// ran counts an attempt: outcome is what came of it.
func (m metrics) ran(ctx context.Context, d time.Duration, outcome string, code codes.Code, about label) {
	about.operation, about.outcome, about.code = opProcess, outcome, code
	m.run.Record(ctx, d.Seconds(), m.labels.of(about))
}

func (m metrics) decided(ctx context.Context, attempt uint64, about label) {
	m.attempts.Record(ctx, int64(attempt), m.labels.of(about))
}

// label is what a measurement is about; what is empty, or OK, is left out.
type label struct {
	to, stage, class, operation, outcome string
	code                                 codes.Code
}

// ofWork is the label of stage work, ofRecord that of a record.
func ofWork(at address) label { return label{to: toWork, stage: at.stage, class: at.class} }

func ofRecord(name string) label { return label{to: toRecords, class: name} }

// attributes are those of a label.
func (l label) attributes() []attribute.KeyValue {
	all := destination(l.to)
	if l.stage != "" {
		all = append(all, stage(address{stage: l.stage}))
	}
	if l.class != "" {
		all = append(all, class(l.class))
	}
	if l.operation != "" {
		all = append(all, operation(l.operation)...)
	}
	if l.outcome != "" {
		all = append(all, attribute.String("facestudio.outcome", l.outcome))
	}
	return append(all, failure(l.code)...)
}

// labels keeps what the meter is given for each label: there are few, and making
// one takes longer than a measurement. It is safe for concurrent use.
type labels struct{ made sync.Map }

func (l *labels) of(about label) metric.MeasurementOption {
	if made, ok := l.made.Load(about); ok {
		return made.(metric.MeasurementOption) //nolint:forcetypeassert // nothing else is stored
	}
	option := metric.WithAttributeSet(attribute.NewSet(about.attributes()...))
	l.made.Store(about, option)
	return option
}
