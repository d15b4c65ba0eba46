package auth

import (
	"context"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/rpc"
)

// observed is a guard that counts.
type observed struct {
	next  rpc.Guard
	calls metric.Int64Counter
}

type aheadKey struct{}

// Ahead marks the context of a question that is asked ahead of its call: when the
// call is let in, the same is asked again.
func Ahead(ctx context.Context) context.Context { return context.WithValue(ctx, aheadKey{}, true) }

// Observe returns a guard that also counts the calls that it is asked about, by
// outcome: OK, or the reason of the refusal.
func Observe(next rpc.Guard, metrics metric.MeterProvider) (rpc.Guard, error) {
	calls, err := metrics.Meter("github.com/facestudio/facestudio/gateway").Int64Counter("facestudio.auth.calls",
		metric.WithDescription("Calls by whether they were let in."))
	if err != nil {
		return nil, fmt.Errorf("make metric: %w", err)
	}
	return &observed{next, calls}, nil
}

func (o *observed) Admit(ctx context.Context, method string) (context.Context, error) {
	admitted, err := o.next.Admit(ctx, method)
	outcome := "OK"
	if err == nil && ctx.Value(aheadKey{}) != nil {
		return admitted, nil
	}
	if err != nil {
		outcome = strings.TrimPrefix(fault.From(err).Reason.String(), "REASON_")
	}
	o.calls.Add(ctx, 1, metric.WithAttributes(attribute.String("outcome", outcome)))
	return admitted, err
}

func (o *observed) Hold(ctx context.Context, method string) error { return o.next.Hold(ctx, method) }
