package conductor

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/facestudio/facestudio/gateway/internal/flow"
	"github.com/facestudio/facestudio/gateway/internal/record"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// progressEvery is how often progress is also written to the record, for those
// who ask instead of following.
const progressEvery = time.Second

// turn is one generation being conducted.
type turn struct {
	*Conductor
	claim      Claim
	generation *gatewayv1.Generation

	mu       sync.Mutex
	progress *gatewayv1.Progress
}

func (t *turn) run(ctx context.Context) (flow.Result, error) {
	if ctx.Err() != nil {
		return flow.Result{}, context.Cause(ctx)
	}
	if t.claim.Losses() >= maxLosses {
		return flow.Result{}, fault.New(fault.Internal, faultv1.Reason_REASON_ATTEMPTS_EXHAUSTED, "",
			"%d gateways fell silent over the generation, as if it had killed them; it was given up", t.claim.Losses())
	}
	if t.generation.GetBundle() != t.set.Bundle {
		return flow.Result{}, fault.New(fault.Unavailable, faultv1.Reason_REASON_BUNDLE_MISMATCH, "bundle",
			"the generation is pinned to bundle %.12s, this gateway serves %.12s; ask again for a new one", t.generation.GetBundle(), t.set.Bundle)
	}
	call, _ := jobqueue.CallFrom(ctx)
	record.Started(t.generation, t.set.Now())
	if err := t.write(ctx, t.generation); err != nil {
		return flow.Result{}, err
	}
	writing, stop := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() { t.writeProgress(writing, proto.CloneOf(t.generation)) })
	defer done.Wait()
	defer stop()
	job := flow.Job{Key: t.claim.Key(), Class: call.Class, First: t.claim.Attempt() == 1, Generation: proto.CloneOf(t.generation)}
	return t.runner.Run(ctx, job, t.report)
}

// report passes progress on; those who do not get it ask the record.
func (t *turn) report(event *gatewayv1.ProgressEvent) {
	t.mu.Lock()
	t.progress = event.GetProgress()
	t.mu.Unlock()
	if err := t.news.Tell(t.claim.Key(), event); err != nil {
		t.set.Log.Debug("progress is lost", "error", err)
	}
}

// writeProgress writes the newest progress to the record from time to time.
func (t *turn) writeProgress(ctx context.Context, g *gatewayv1.Generation) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		t.mu.Lock()
		newest := t.progress
		t.mu.Unlock()
		if newest == nil || proto.Equal(newest, g.GetProgress()) {
			continue
		}
		g.Progress = newest
		// A lost lease ends ctx; a write that failed otherwise is made good by
		// the next.
		if err := t.write(ctx, g); err != nil {
			t.set.Log.DebugContext(ctx, "progress is not recorded", "error", err)
		}
	}
}

func (t *turn) write(ctx context.Context, g *gatewayv1.Generation) error {
	value, err := record.Encode(g)
	if err != nil {
		return err
	}
	if err := t.claim.Update(ctx, value); err != nil {
		return fmt.Errorf("record generation: %w", err)
	}
	return nil
}

// finish records the end, also when the turn's context has ended.
func (t *turn) finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	value, err := record.Encode(t.generation)
	if err != nil {
		return err
	}
	if err := t.claim.Finish(ctx, value); err != nil {
		return fmt.Errorf("record the generation's end: %w", err)
	}
	return nil
}
