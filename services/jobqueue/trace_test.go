package jobqueue_test

import (
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/facestudio/facestudio/services/jobqueue"
)

func TestOneTraceGoesThroughTheQueue(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder))
	s := quick()
	s.Tracer = provider
	h := newHouse(t, s)
	stop := serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: noop}.register)
	ctx, root := provider.Tracer("test").Start(as(within(t, 5*time.Second), "ada", "one"), "root")
	if o := receive(t, h.ask(ctx)); o.err != nil {
		t.Fatal(o.err)
	}
	root.End()
	stop()
	spans := map[string]sdk.ReadOnlySpan{}
	for _, span := range recorder.Ended() {
		spans[span.Name()] = span
	}
	const method = "/facestudio.prior.v1.PriorService/EmbedImage"
	call, work := spans["queue call "+method], spans["queue work "+method]
	if call == nil || work == nil {
		t.Fatalf("the spans are %v", spans)
	}
	if call.Parent().SpanID() != root.SpanContext().SpanID() || work.Parent().SpanID() != call.SpanContext().SpanID() ||
		work.SpanContext().TraceID() != root.SpanContext().TraceID() {
		t.Error("the spans are not one trace")
	}
}
