package e2e_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/telemetry"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

// upward are the spans from a step of the denoiser to the client.
var upward = []string{
	"denoise step",
	"queue process /facestudio.denoiser.v1.DenoiserService/Denoise",
	"queue publish /facestudio.denoiser.v1.DenoiserService/Denoise",
	"queue call /facestudio.denoiser.v1.DenoiserService/Denoise",
	"generation",
	"queue process record",
	"queue publish record",
	"facestudio.gateway.v1.GenerationService/CreateGeneration",
	"facestudio.gateway.v1.GenerationService/CreateGeneration",
	"client",
}

// told are the metrics that a mesh at work has, with a label of each.
var told = []string{
	`facestudio_queue_depth{facestudio_bundle=`,
	`facestudio_queue_oldest_age_seconds{`,
	`facestudio_queue_slots_idle{`,
	`facestudio_queue_wait_duration_seconds_bucket{`,
	`facestudio_queue_call_duration_seconds_count{`,
	`facestudio_queue_attempts_bucket{`,
	`messaging_process_duration_seconds_count{`,
	`messaging_client_operation_duration_seconds_count{`,
	`facestudio_stage="denoiser"`,
	`facestudio_outcome="record"`,
	`facestudio_outcome="finished"`,
	`messaging_destination_name="records"`,
	`facestudio_state="in_hand"`,
}

func TestAGenerationIsOneTraceAndIsCounted(t *testing.T) {
	tel, err := telemetry.Start(t.Context(), telemetry.Settings{
		Config: telemetry.Config{MetricsListen: "127.0.0.1:0"}, Service: "mesh", Output: io.Discard,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tel.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
	recorder := tracetest.NewSpanRecorder()
	traces := sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder))
	otel.SetTracerProvider(traces)
	conn, stop := inOneProcess(t, scratch.Dir(t))
	client := gatewayv1.NewGenerationServiceClient(conn)
	ctx, root := traces.Tracer("test").Start(t.Context(), "client")
	created, err := client.CreateGeneration(ctx, &gatewayv1.CreateGenerationRequest{Generation: request(t, prompted)})
	if err != nil {
		t.Fatal(err)
	}
	fetch(t, client, await(t, client, created.GetName(), nil))
	trail := root.SpanContext().TraceID()
	metricsOf(t, tel.MetricsAddr(), trail)
	stop()
	root.End()

	spans := map[trace.SpanID]sdk.ReadOnlySpan{}
	count := map[string]int{}
	for _, span := range recorder.Ended() {
		if span.SpanContext().TraceID() == trail {
			spans[span.SpanContext().SpanID()] = span
			count[span.Name()]++
		}
	}
	for _, span := range spans {
		if spans[span.Parent().SpanID()] == nil && span.Name() != "client" {
			t.Errorf("the parent of %q is not in the trace", span.Name())
		}
		if span.Name() != upward[0] {
			continue
		}
		var path []string
		for at := span; at != nil; at = spans[at.Parent().SpanID()] {
			path = append(path, at.Name())
		}
		if !slices.Equal(path, upward) {
			t.Fatalf("a step is below %q", path)
		}
	}
	for _, name := range []string{
		"queue wait record", "queue wait /facestudio.denoiser.v1.DenoiserService/Denoise", "queue wait /facestudio.encoder.v1.EncoderService/EmbedFaces",
	} {
		if count[name] == 0 {
			t.Errorf("there is no span %q among %v", name, count)
		}
	}
	if want := int(created.GetSteps()); count[upward[0]] != want {
		t.Errorf("%d spans of steps, want %d", count[upward[0]], want)
	}
}

// metricsOf waits for the metrics of a mesh that made a generation, with an exemplar
// of its trace. A generation is told to have ended before that is counted.
func metricsOf(t *testing.T, at string, trail trace.TraceID) {
	t.Helper()
	ctx, done := context.WithTimeout(t.Context(), patience)
	defer done()
	for ; ; breathe(ctx) {
		metrics := scrape(t, at)
		missing := slices.DeleteFunc(slices.Clone(told), func(part string) bool { return strings.Contains(metrics, part) })
		exemplar := slices.ContainsFunc(strings.Split(metrics, "\n"), func(line string) bool {
			return strings.HasPrefix(line, "messaging_process_duration_seconds_bucket") && strings.Contains(line, `trace_id="`+trail.String()+`"`)
		})
		if len(missing) == 0 && exemplar {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("the metrics have none of %q, or no bucket of messaging_process_duration_seconds leads to the trace: %v", missing, exemplar)
		}
	}
}

// scrape reads the metrics as Prometheus does.
func scrape(t *testing.T, at string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+at+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v", answer.Status, err)
	}
	return string(text)
}
