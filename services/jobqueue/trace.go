package jobqueue

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/facestudio/facestudio/services/fault"
)

// One trace goes through the queue: the call (or whoever creates a record), in
// it the publishing, and below that, in the worker, the wait and the processing
// of each attempt. The names follow OpenTelemetry's conventions for messaging.

// The operations of the conventions.
const (
	opCall    = "call"
	opPublish = "publish"
	opWait    = "wait"
	opProcess = "process"
)

// The destinations of the conventions.
const (
	toWork    = workStream
	toRecords = recordsName
)

func destination(name string) []attribute.KeyValue {
	return []attribute.KeyValue{semconv.MessagingSystemKey.String("nats"), semconv.MessagingDestinationName(name)}
}

// operation is the name of an operation and, where the conventions have one, its
// type.
func operation(name string) []attribute.KeyValue {
	all := []attribute.KeyValue{semconv.MessagingOperationName(name)}
	switch name {
	case opPublish:
		all = append(all, semconv.MessagingOperationTypeSend)
	case opProcess:
		all = append(all, semconv.MessagingOperationTypeProcess)
	}
	return all
}

func stage(at address) attribute.KeyValue { return attribute.String("facestudio.stage", at.stage) }

func class(name string) attribute.KeyValue { return attribute.String("facestudio.class", name) }

func attemptNumber(n uint64) attribute.KeyValue {
	return attribute.Int64("facestudio.attempt", int64(n))
}

// spanOf starts the span of an operation on what, which is a method or "record".
func (q *Queue) spanOf(ctx context.Context, op, what, to string, kind trace.SpanKind, more ...attribute.KeyValue) (context.Context, trace.Span) {
	attributes := slices.Concat(destination(to), operation(op), more)
	return q.tracer.Start(ctx, "queue "+op+" "+what, trace.WithSpanKind(kind), trace.WithAttributes(attributes...))
}

// traceWait notes how long something waited, once that is over. Clocks of two
// machines may differ.
func (q *Queue) traceWait(ctx context.Context, what, to string, since, until time.Time, more ...attribute.KeyValue) {
	if since.After(until) {
		since = until
	}
	_, span := q.tracer.Start(ctx, "queue "+opWait+" "+what, trace.WithTimestamp(since),
		trace.WithAttributes(slices.Concat(destination(to), operation(opWait), more)...))
	span.End(trace.WithTimestamp(until))
}

// theRecord is what spans of records are about.
const theRecord = "record"

// traceParent writes the trace that ctx is part of; empty when there is none.
func traceParent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	traceContext.Inject(ctx, carrier)
	return carrier[parentHeader]
}

// parentHeader is the field of the W3C trace context that a record keeps.
const parentHeader = "traceparent"

// traced makes the span of a claim, in the trace of the record's creator. The
// caller ends it with what came of the claim.
func (c *Claim) traced(ctx context.Context) (_ context.Context, end func(error)) {
	q := c.records.q
	begun := q.Now()
	ctx = traceContext.Extract(ctx, propagation.MapCarrier{parentHeader: c.record.GetTraceParent()})
	about := ofRecord(c.record.GetClass())
	if created := c.record.GetCreateTime(); c.attempt == 1 && created != nil {
		q.traceWait(ctx, theRecord, toRecords, created.AsTime(), begun, class(c.record.GetClass()))
		q.metrics.waited(ctx, begun.Sub(created.AsTime()), about)
	}
	ctx, span := q.spanOf(ctx, opProcess, theRecord, toRecords, trace.SpanKindConsumer,
		class(c.record.GetClass()), attemptNumber(c.attempt))
	return ctx, func(err error) {
		outcome, s := "let_go", fault.ToStatus(err)
		if c.finished() {
			outcome = "finished"
			q.metrics.decided(ctx, c.attempt, about)
		}
		q.metrics.ran(ctx, q.Now().Sub(begun), outcome, s.Code(), about)
		endSpan(span, s)
		span.End()
	}
}

// endSpan notes a status. Its message is left out: it may speak of the caller's
// content.
func endSpan(span trace.Span, s *status.Status) {
	if s.Code() != codes.OK {
		span.SetStatus(otelcodes.Error, s.Code().String())
		span.SetAttributes(semconv.ErrorTypeKey.String(s.Code().String()))
	}
}
