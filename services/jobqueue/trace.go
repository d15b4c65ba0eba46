package jobqueue

import (
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// endSpan notes a status. Its message is left out: it may speak of the caller's
// content.
func endSpan(span trace.Span, s *status.Status) {
	if s.Code() != codes.OK {
		span.SetStatus(otelcodes.Error, s.Code().String())
	}
}
