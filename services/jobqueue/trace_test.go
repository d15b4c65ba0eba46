package jobqueue_test

import (
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/facestudio/facestudio/services/jobqueue"
)

func TestOneTraceGoesThroughTheQueue(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder))
	s := quick()
	s.Tracer = provider
	h := newHouse(t, s)
	stop := serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: noop}.register)
	ctx, root := provider.Tracer("test").Start(as(within(t, time.Minute), "ada", "one"), "root")
	if o := receive(t, h.ask(ctx)); o.err != nil {
		t.Fatal(o.err)
	}
	root.End()
	stop()
	// A call that waits long may publish again, so names are not unique.
	byID, named := map[trace.SpanID]sdk.ReadOnlySpan{}, map[string]sdk.ReadOnlySpan{}
	for _, span := range recorder.Ended() {
		byID[span.SpanContext().SpanID()], named[span.Name()] = span, span
	}
	const method = "/facestudio.prior.v1.PriorService/EmbedImage"
	for child, parent := range map[string]string{
		"queue call " + method:    "root",
		"queue publish " + method: "queue call " + method,
		"queue wait " + method:    "queue publish " + method,
		"queue process " + method: "queue publish " + method,
	} {
		if named[child] == nil {
			t.Fatalf("%q is not among the spans %v", child, named)
		}
		above := byID[named[child].Parent().SpanID()]
		if above == nil || above.Name() != parent || above.SpanContext().TraceID() != root.SpanContext().TraceID() {
			t.Errorf("%q is not below %q", child, parent)
		}
	}
}
