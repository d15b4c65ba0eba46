package jobqueue_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

func TestDeadlinesStopWorkAndAreNotMemoised(t *testing.T) {
	h := newHouse(t, quick())
	var begun atomic.Int64
	var patient atomic.Bool
	stopped := make(chan error, 8)
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(ctx context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		begun.Add(1)
		if patient.Load() {
			return answer(2), nil
		}
		<-ctx.Done()
		stopped <- context.Cause(ctx)
		return nil, ctx.Err()
	}}.register)
	// On a busy machine a deadline may pass before the step begins: then a longer one.
	for short := 150 * time.Millisecond; begun.Load() == 0; short *= 2 {
		if o := receive(t, h.ask(as(within(t, short), "ada", "one"))); status.Code(o.err) != codes.DeadlineExceeded || !fault.Is(o.err, faultv1.Reason_REASON_DEADLINE_PASSED) {
			t.Fatalf("the caller got %v", o.err)
		}
	}
	if err := receive(t, stopped); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the step ended with %v", err)
	}
	patient.Store(true)
	if o := receive(t, h.ask(as(within(t, time.Minute), "ada", "one"))); o.err != nil || o.n != 2 {
		t.Errorf("a later call got %v", o)
	}
}

func TestAJoinedCallOutlivesTheFirstOnesDeadline(t *testing.T) {
	h := newHouse(t, quick())
	var runs atomic.Int64
	started, goOn := make(chan struct{}, 2), make(chan struct{})
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(ctx context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		n := runs.Add(1)
		started <- struct{}{}
		if n > 1 {
			<-goOn
			return answer(int(n)), nil
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}}.register)
	short := h.ask(as(within(t, 5*time.Second), "ada", "one"))
	receive(t, started)
	long := h.ask(as(within(t, time.Minute), "ada", "one"))
	if o := receive(t, short); status.Code(o.err) != codes.DeadlineExceeded {
		t.Errorf("the first got %v", o.err)
	}
	close(goOn)
	if o := receive(t, long); o.err != nil || o.n != 2 {
		t.Errorf("the joined call got %v", o)
	}
}

func TestLateWorkIsNotBegun(t *testing.T) {
	h := newHouse(t, quick())
	// On a busy machine a deadline may pass before the work is in the queue.
	for short := time.Second; h.pending() == 0; short *= 2 {
		if o := receive(t, h.ask(as(within(t, short), "ada", "late"))); status.Code(o.err) != codes.DeadlineExceeded {
			t.Fatalf("the caller got %v", o.err)
		}
	}
	ran := make(chan string, 2)
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(ctx context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		call, _ := jobqueue.CallFrom(ctx)
		ran <- call.Owner
		return answer(1), nil
	}}.register)
	if o := receive(t, h.ask(as(within(t, time.Minute), "ada", "in time"))); o.err != nil {
		t.Fatal(o.err)
	}
	if owner := receive(t, ran); owner != "in time" || len(ran) != 0 {
		t.Errorf("%s ran", owner)
	}
}
