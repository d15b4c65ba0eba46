package jobqueue

import (
	"context"
	"slices"
	"sync"
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

// about is what a span is of: an operation on what, which is a method or "record", at a
// destination; stage and class where they are known.
type about struct{ op, what, to, stage, class string }

// ofCall is about an operation on stage work.
func ofCall(op, method string, at address) about {
	return about{op, method, toWork, at.stage, at.class}
}

// onRecord is about an operation on a record.
func onRecord(op, class string) about {
	return about{op: op, what: theRecord, to: toRecords, class: class}
}

// heading is the name and the attributes of spans.
type heading struct {
	name       string
	attributes trace.SpanStartEventOption
}

// headings keeps what spans begin with: there are few, and making one takes longer
// than an operation may. It is safe for concurrent use.
type headings struct{ made sync.Map }

func (h *headings) of(a about) heading {
	if made, ok := h.made.Load(a); ok {
		return made.(heading) //nolint:forcetypeassert // nothing else is stored
	}
	all := slices.Concat(destination(a.to), operation(a.op))
	if a.stage != "" {
		all = append(all, stage(address{stage: a.stage}))
	}
	if a.class != "" {
		all = append(all, class(a.class))
	}
	made := heading{"queue " + a.op + " " + a.what, trace.WithAttributes(all...)}
	h.made.Store(a, made)
	return made
}

// spanOf starts the span of an operation.
func (q *Queue) spanOf(ctx context.Context, a about, kind trace.SpanKind) (context.Context, trace.Span) {
	h := q.headings.of(a)
	return q.tracer.Start(ctx, h.name, trace.WithSpanKind(kind), h.attributes)
}

// traceWait notes how long something waited, once that is over. Clocks of two
// machines may differ.
func (q *Queue) traceWait(ctx context.Context, a about, since, until time.Time) {
	if since.After(until) {
		since = until
	}
	h := q.headings.of(a)
	_, span := q.tracer.Start(ctx, h.name, trace.WithTimestamp(since), h.attributes)
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
	metered := ofRecord(c.record.GetClass())
	if created := c.record.GetCreateTime(); c.attempt == 1 && created != nil {
		q.traceWait(ctx, onRecord(opWait, c.record.GetClass()), created.AsTime(), begun)
		q.metrics.waited(ctx, begun.Sub(created.AsTime()), metered)
	}
	ctx, span := q.spanOf(ctx, onRecord(opProcess, c.record.GetClass()), trace.SpanKindConsumer)
	span.SetAttributes(attemptNumber(c.attempt))
	return ctx, func(err error) {
		outcome, s := "let_go", fault.ToStatus(err)
		if c.finished() {
			outcome = "finished"
			q.metrics.decided(ctx, c.attempt, metered)
		}
		q.metrics.ran(ctx, q.Now().Sub(begun), outcome, s.Code(), metered)
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
