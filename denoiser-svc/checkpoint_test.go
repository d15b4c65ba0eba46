package denoiser_test

import (
	"bytes"
	"context"
	"testing"

	denoiser "github.com/facestudio/facestudio/denoiser-svc"
	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/seal"
	"github.com/facestudio/facestudio/services/testkit/stage"
	"github.com/facestudio/facestudio/services/worker"
)

const owner = "generations/7/pictures/0/denoise"

// queued is a denoiser of its own that shares its blobs with others, and is
// called as the queue calls it; stop ends the calls under way with a cause.
func queued(t *testing.T, blobs *blob.Store) (client denoiserv1.DenoiserServiceClient, stop context.CancelCauseFunc) {
	t.Helper()
	env := stage.Env(t)
	env.Blobs = blobs
	ending, stop := context.WithCancelCause(context.Background())
	return denoiserv1.NewDenoiserServiceClient(stage.DialAs(t, stage.Build(t, denoiser.Build, env), func(ctx context.Context) context.Context {
		ctx, cancel := context.WithCancelCause(ctx)
		context.AfterFunc(ending, func() { cancel(context.Cause(ending)) })
		return jobqueue.WithCall(ctx, jobqueue.Call{Tenant: stage.Tenant, Owner: owner})
	})), stop
}

// saved reports whether there is a checkpoint.
func saved(t *testing.T, env worker.Env) bool {
	t.Helper()
	_, ok, err := env.Blobs.Saved(t.Context(), stage.Tenant, "denoise/"+owner)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// interrupt makes a picture until there is a checkpoint, then ends the call. One that
// was finished before it could be interrupted leaves nothing, and is made again.
func interrupt(t *testing.T, env worker.Env, req *denoiserv1.DenoiseRequest, cause error) {
	t.Helper()
	for range 100 {
		if interrupted(t, env, req, cause) {
			return
		}
	}
	t.Fatal("no picture could be interrupted")
}

func interrupted(t *testing.T, env worker.Env, req *denoiserv1.DenoiseRequest, cause error) bool {
	t.Helper()
	client, stop := queued(t, env.Blobs)
	stream, err := client.Denoise(t.Context(), req)
	stopped, finished := false, false
	for err == nil {
		var res *denoiserv1.DenoiseResponse
		res, err = stream.Recv()
		finished = finished || res.GetResult() != nil
		if !stopped && saved(t, env) {
			stopped = true
			stop(cause)
		}
	}
	if !stopped && !finished {
		t.Fatal(err)
	}
	return stopped && !finished
}

func TestAnotherWorkerGoesOn(t *testing.T) {
	_, style := stylePicture(t)
	for _, sampler := range samplers() {
		req := request(t)
		req.Steps, req.Width, req.Height, req.Sampler = 100, 64, 64, sampler
		want, _ := denoise(t, dial(t), req)

		env := stage.Env(t)
		interrupt(t, env, req, jobqueue.ErrShutdown)
		if !saved(t, env) {
			t.Fatal("work that is handed back has no checkpoint")
		}
		client, _ := queued(t, env.Blobs)
		png, events := denoise(t, client, req)
		if !bytes.Equal(png, want) {
			t.Errorf("%v: the picture is another", sampler)
		}
		if events[0].GetStep() < 6 || events[0].GetStep()%5 != 1 {
			t.Errorf("%v: went on with step %d", sampler, events[0].GetStep())
		}
		if saved(t, env) {
			t.Errorf("%v: a finished picture has a checkpoint", sampler)
		}
	}

	// Another request of the same owner starts anew.
	env := stage.Env(t)
	req := request(t)
	req.Steps, req.Width, req.Height = 100, 64, 64
	interrupt(t, env, req, jobqueue.ErrLeaseLost)
	client, _ := queued(t, env.Blobs)
	strength := float32(0.5)
	other := request(t)
	other.Steps, other.Strength, other.Style = 10, &strength, inline(style)
	if _, events := denoise(t, client, other); events[0].GetStep() != 1 {
		t.Errorf("another request went on with step %d", events[0].GetStep())
	}
}

func TestWhatNobodyWantsLeavesNoCheckpoint(t *testing.T) {
	for _, cause := range []error{jobqueue.ErrCancelRequested, jobqueue.ErrDecided, context.DeadlineExceeded} {
		env := stage.Env(t)
		req := request(t)
		req.Steps, req.Width, req.Height = 100, 64, 64
		interrupt(t, env, req, cause)
		if saved(t, env) {
			t.Errorf("%v leaves a checkpoint", cause)
		}
	}
}

func TestABrokenCheckpointIsNone(t *testing.T) {
	env := stage.Env(t)
	if err := env.Blobs.Save(t.Context(), seal.Shared(stage.Tenant), "denoise/"+owner, []byte("no checkpoint")); err != nil {
		t.Fatal(err)
	}
	client, _ := queued(t, env.Blobs)
	req := request(t)
	want, _ := denoise(t, dial(t), req)
	if png, events := denoise(t, client, req); !bytes.Equal(png, want) || len(events) != 3 {
		t.Errorf("%d steps", len(events))
	}
}
