package api_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/facestudio/facestudio/gateway/internal/tenant"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// follows watches a generation until stop is called, and returns once the watch has
// begun, or how it was refused.
func (h *harness) follows(ctx context.Context, t *testing.T, g *gatewayv1.Generation) (stop func(), err error) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	begun, ended := make(chan struct{}), make(chan error, 1)
	first := true
	go func() {
		//nolint:contextcheck // the stream has it
		ended <- h.service.WatchGeneration(&gatewayv1.WatchGenerationRequest{Name: g.GetName()}, &watcher{ctx: ctx, onSend: func(*gatewayv1.WatchGenerationResponse) error {
			if first {
				close(begun)
			}
			first = false
			return nil
		}})
	}()
	select {
	case <-begun:
		return func() {
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("a watch ended with %v", err)
			}
		}, nil
	case err := <-ended:
		cancel()
		return nil, err
	}
}

func TestWatchesAreBoundedByTenant(t *testing.T) {
	h := open(t)
	most := 2
	h.limits = func(string) tenant.Limits { return tenant.Limits{Watches: most} }
	h.service = h.serve(h.blobs)
	g := h.create(t.Context(), t, &gatewayv1.CreateGenerationRequest{Generation: request(t)})
	other := h.create(as(t.Context(), "bob"), t, &gatewayv1.CreateGenerationRequest{Generation: request(t)})
	wait := func(d time.Duration) error {
		_, err := h.service.GetGeneration(t.Context(), &gatewayv1.GetGenerationRequest{Name: g.GetName(), Wait: durationpb.New(d)})
		return err
	}
	begin := func(ctx context.Context, g *gatewayv1.Generation) func() {
		t.Helper()
		stop, err := h.follows(ctx, t, g)
		if err != nil {
			t.Fatal(err)
		}
		return stop
	}
	refused := func(what string, err error) {
		t.Helper()
		f := fault.From(err)
		if f == nil || f.Kind != fault.Exhausted || f.Reason != faultv1.Reason_REASON_QUOTA_EXHAUSTED || !f.Retryable || f.RetryAfter != 5*time.Second ||
			f.Limit == nil || *f.Limit != (fault.Limit{Name: "watches", Value: 2}) {
			t.Errorf("%s: %v", what, err)
		}
	}
	first, second := begin(t.Context(), g), begin(t.Context(), g)
	_, err := h.follows(t.Context(), t, g)
	refused("a third watch", err)
	refused("a wait", wait(time.Minute))
	if err := wait(0); err != nil {
		t.Errorf("who does not wait: %v", err)
	}
	defer begin(as(t.Context(), "bob"), other)()
	first()
	if err := wait(time.Millisecond); err != nil {
		t.Errorf("a wait in the place of a watch: %v", err)
	}
	third := begin(t.Context(), g)
	// The operator lifts the bound, and then lowers it.
	most = 0
	fourth := begin(t.Context(), g)
	most = 2
	_, err = h.follows(t.Context(), t, g)
	refused("one more than the lowered bound", err)
	for _, stop := range []func(){second, third, fourth} {
		stop()
	}
	begin(t.Context(), g)()
}
