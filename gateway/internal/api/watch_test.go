package api_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/facestudio/facestudio/gateway/internal/record"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// watcher is the server's side of a Watch stream.
type watcher struct {
	grpc.ServerStream
	ctx    context.Context
	onSend func(*gatewayv1.WatchGenerationResponse) error
}

func (w *watcher) Context() context.Context { return w.ctx }

func (w *watcher) Send(r *gatewayv1.WatchGenerationResponse) error {
	if w.onSend == nil {
		return nil
	}
	return w.onSend(r)
}

func TestWatchTellsAllAndEnds(t *testing.T) {
	h := open(t)
	g := h.create(t.Context(), t, &gatewayv1.CreateGenerationRequest{Generation: request(t)})
	key := jobqueue.RecordKey{Tenant: "default", ID: strings.TrimPrefix(g.GetName(), "generations/")}
	watched := make(chan struct{})
	told := make(chan struct{})
	h.work(t, func(ctx context.Context, c *jobqueue.Claim) error {
		<-watched
		if err := h.records.Tell(key, &gatewayv1.ProgressEvent{Progress: &gatewayv1.Progress{Stage: "denoise", Step: 5}}); err != nil { //nolint:contextcheck // news are told without one
			return err
		}
		<-told
		return finish(ctx, c, func(g *gatewayv1.Generation) { record.Failed(g, errors.New("a bug"), time.Now()) })
	})
	var states []gatewayv1.State
	err := h.service.WatchGeneration(&gatewayv1.WatchGenerationRequest{Name: g.GetName()}, &watcher{ctx: t.Context(), onSend: func(r *gatewayv1.WatchGenerationResponse) error {
		if r.GetProgress() != nil {
			close(told)
			return nil
		}
		if len(states) == 0 {
			close(watched)
		}
		states = append(states, r.GetGeneration().GetState())
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if states[0] != gatewayv1.State_STATE_QUEUED || states[len(states)-1] != gatewayv1.State_STATE_FAILED {
		t.Errorf("states are %v", states)
	}
	got, err := h.service.GetGeneration(t.Context(), &gatewayv1.GetGenerationRequest{Name: g.GetName()})
	if err != nil || got.GetFault().GetMessage() != "internal error" {
		t.Errorf("fault is %v, %v", got.GetFault(), err)
	}
}

func TestGoneWatcherHarmsNobody(t *testing.T) {
	h := open(t)
	g := h.create(t.Context(), t, &gatewayv1.CreateGenerationRequest{Generation: request(t)})
	ctx, leave := context.WithCancelCause(t.Context())
	left := errors.New("the watcher left")
	err := h.service.WatchGeneration(&gatewayv1.WatchGenerationRequest{Name: g.GetName()}, &watcher{ctx: ctx, onSend: func(*gatewayv1.WatchGenerationResponse) error {
		leave(left)
		return nil
	}})
	if !errors.Is(err, left) {
		t.Errorf("got %v", err)
	}
	h.work(t, func(ctx context.Context, c *jobqueue.Claim) error {
		return finish(ctx, c, func(g *gatewayv1.Generation) { record.Succeeded(g, nil, time.Now()) })
	})
	if err := h.service.WatchGeneration(&gatewayv1.WatchGenerationRequest{Name: g.GetName()}, &watcher{ctx: t.Context()}); err != nil {
		t.Error(err)
	}
}

func TestCancelWaitsForTheEnd(t *testing.T) {
	h := open(t)
	g := h.create(t.Context(), t, &gatewayv1.CreateGenerationRequest{Generation: request(t)})
	working := make(chan struct{})
	h.work(t, func(ctx context.Context, c *jobqueue.Claim) error {
		close(working)
		<-ctx.Done()
		return finish(ctx, c, func(g *gatewayv1.Generation) { record.Cancelled(g, time.Now()) })
	})
	<-working
	for range 2 {
		got, err := h.service.CancelGeneration(t.Context(), &gatewayv1.CancelGenerationRequest{Name: g.GetName()})
		if err != nil || got.GetState() != gatewayv1.State_STATE_CANCELLED || got.GetFault().GetReason() != faultv1.Reason_REASON_CANCELLED {
			t.Errorf("got %v, %v", got, err)
		}
	}
}
