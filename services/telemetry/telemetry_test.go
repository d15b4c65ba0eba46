package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/telemetry"
)

func start(t *testing.T, c telemetry.Config, out io.Writer) *telemetry.Telemetry {
	t.Helper()
	tel, err := telemetry.Start(t.Context(), telemetry.Settings{Config: c, Service: "test", Version: "1", Output: out})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tel.Shutdown(context.Background()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return tel
}

func TestLogLinesCarryTheTrace(t *testing.T) {
	var out bytes.Buffer
	tel := start(t, telemetry.Config{LogLevel: "info", LogFormat: "json"}, &out)
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	ctx := trace.ContextWithSpanContext(t.Context(), span)
	tel.Logger().DebugContext(ctx, "not this one")
	tel.Logger().With("stage", "prior").InfoContext(ctx, "ready")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	for key, want := range map[string]string{
		"msg": "ready", "service": "test", "stage": "prior", "trace_id": span.TraceID().String(),
	} {
		if line[key] != want {
			t.Errorf("%s is %v, want %s", key, line[key], want)
		}
	}
}

func TestMetricsAreServed(t *testing.T) {
	tel := start(t, telemetry.Config{LogLevel: "info", LogFormat: "text", MetricsListen: "127.0.0.1:0"}, io.Discard)
	counter, err := tel.MeterProvider().Meter("test").Int64Counter("pictures")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 3)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+tel.MetricsAddr()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, metric := range []string{"pictures_total{", "process_resident_memory_bytes", "go_goroutine_count"} {
		if !strings.Contains(string(text), metric) {
			t.Errorf("no metric %s", metric)
		}
	}
}

func TestTracesWithoutACollectorHarmNobody(t *testing.T) {
	tel := start(t, telemetry.Config{LogLevel: "info", LogFormat: "text", OTLPEndpoint: "http://127.0.0.1:1", TraceRatio: 0}, io.Discard)
	_, span := tel.TracerProvider().Tracer("test").Start(t.Context(), "work")
	span.End()
}

func TestATakenMetricsAddressIsAnError(t *testing.T) {
	tel := start(t, telemetry.Config{LogLevel: "info", LogFormat: "text", MetricsListen: "127.0.0.1:0"}, io.Discard)
	_, err := telemetry.Start(t.Context(), telemetry.Settings{
		Config: telemetry.Config{MetricsListen: tel.MetricsAddr()}, Output: io.Discard,
	})
	if err == nil || !strings.Contains(err.Error(), "metrics-listen") {
		t.Errorf("got %v, want an error that names metrics-listen", err)
	}
}

func TestValidate(t *testing.T) {
	var c telemetry.Config
	set := config.NewSet("test", &c)
	err := set.Load([]string{
		"--log-level=loud", "--log-format=xml", "--metrics-listen=here", "--otlp-endpoint=collector:4317", "--trace-ratio=2",
	}, func(string) (string, bool) { return "", false })
	invalid, ok := errors.AsType[*config.InvalidError](err)
	if !ok || len(invalid.Problems) != 5 {
		t.Errorf("got %v, want 5 problems", err)
	}
}
