// Package telemetry starts what a process tells about itself: structured logs,
// OpenTelemetry traces and metrics. Nothing personal goes into any of them: no
// prompts, pictures, embeddings, keys or names.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// Settings is what Start needs to know.
type Settings struct {
	Config
	// Service is the name of the program, for example "denoiser-svc".
	Service string
	// Version of the program.
	Version string
	// Output takes the log lines; nil is standard error.
	Output io.Writer
}

// Telemetry is the running logs, traces and metrics of a process. Shutdown
// ends it.
type Telemetry struct {
	log     *slog.Logger
	traces  trace.TracerProvider
	metrics metric.MeterProvider
	prom    *promServer
	stops   []func(context.Context) error
}

// Start starts logs, and traces and metrics where the configuration asks for
// them, and makes them the process' OpenTelemetry defaults. Call it once in a
// process.
func Start(ctx context.Context, s Settings) (*Telemetry, error) {
	if s.Output == nil {
		s.Output = os.Stderr
	}
	t := &Telemetry{
		log:     newLogger(s),
		traces:  tracenoop.NewTracerProvider(),
		metrics: metricnoop.NewMeterProvider(),
	}
	if err := t.start(ctx, s); err != nil {
		return nil, errors.Join(err, t.Shutdown(ctx))
	}
	otel.SetTracerProvider(t.traces)
	otel.SetMeterProvider(t.metrics)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		t.log.Warn("telemetry failed", slog.Any("error", err))
	}))
	return t, nil
}

func (t *Telemetry) start(ctx context.Context, s Settings) error {
	about := resource.NewSchemaless(
		attribute.String("service.name", s.Service),
		attribute.String("service.version", s.Version),
	)
	if s.OTLPEndpoint != "" {
		exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL(s.OTLPEndpoint))
		if err != nil {
			return fmt.Errorf("start traces to otlp-endpoint: %w", err)
		}
		provider := sdktrace.NewTracerProvider(
			sdktrace.WithBatcher(exporter),
			sdktrace.WithResource(about),
			sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(s.TraceRatio))),
		)
		t.traces = provider
		t.stops = append(t.stops, provider.Shutdown)
	}
	if s.MetricsListen != "" {
		prom, provider, err := startProm(ctx, s.MetricsListen, about, t.log)
		if err != nil {
			return fmt.Errorf("start metrics on metrics-listen: %w", err)
		}
		t.prom, t.metrics = prom, provider
		t.stops = append(t.stops, provider.Shutdown, prom.shutdown)
		err = runtime.Start(runtime.WithMeterProvider(provider), runtime.WithMinimumReadMemStatsInterval(10*time.Second))
		if err != nil {
			return fmt.Errorf("start runtime metrics: %w", err)
		}
	}
	return nil
}

// Logger is the process' logger. Lines logged with a context carry its trace.
func (t *Telemetry) Logger() *slog.Logger { return t.log }

// TracerProvider makes the process' tracers; it drops everything when no
// endpoint is set.
func (t *Telemetry) TracerProvider() trace.TracerProvider { return t.traces }

// MeterProvider makes the process' meters; it drops everything when no metrics
// listener is set.
func (t *Telemetry) MeterProvider() metric.MeterProvider { return t.metrics }

// MetricsAddr is the address of the metrics listener, empty without one.
func (t *Telemetry) MetricsAddr() string {
	if t.prom == nil {
		return ""
	}
	return t.prom.addr
}

// Shutdown sends what is still to be sent and stops everything. It ends with
// ctx at the latest.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	errs := make([]error, 0, len(t.stops))
	for _, stop := range t.stops {
		errs = append(errs, stop(ctx))
	}
	t.stops = nil
	return errors.Join(errs...)
}
