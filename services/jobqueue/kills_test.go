package jobqueue_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

const poison = "poison"

// doomed runs a worker that is cut off for good as soon as it begins what is
// poisoned; it never answers that.
func doomed(t *testing.T, h *house, slots int) (died <-chan struct{}) {
	t.Helper()
	q, nc := h.open(brief())
	end, fell := make(chan struct{}), make(chan struct{}, 1)
	serve(t, q, jobqueue.ServerSettings{Stage: "prior", Slots: slots, Grace: time.Millisecond}, prior{embed: func(ctx context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		if call, _ := jobqueue.CallFrom(ctx); call.Owner != poison {
			return answer(1), nil
		}
		nc.Close()
		fell <- struct{}{}
		<-end
		return answer(0), nil
	}}.register)
	t.Cleanup(func() { close(end) })
	return fell
}

func TestWorkThatKillsItsWorkersIsIsolatedAndTheRestGoesOn(t *testing.T) {
	h := newHouse(t, brief())
	bad := h.ask(as(within(t, time.Minute), "ada", poison))
	for range 3 {
		receive(t, doomed(t, h, 1))
	}
	var runs atomic.Int64
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(ctx context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		if call, _ := jobqueue.CallFrom(ctx); call.Owner == poison {
			runs.Add(1)
		}
		return answer(1), nil
	}}.register)
	for i := range 5 {
		if o := receive(t, h.ask(as(within(t, time.Minute), "ada", fmt.Sprint("good", i)))); o.err != nil {
			t.Errorf("good work got %v", o.err)
		}
	}
	if o := receive(t, bad); !fault.Is(o.err, faultv1.Reason_REASON_ATTEMPTS_EXHAUSTED) {
		t.Errorf("the poisoned call got %v", o.err)
	}
	if n := runs.Load(); n != 0 {
		t.Errorf("it ran %d times more", n)
	}
	letters, err := h.q.Dead().List(t.Context(), jobqueue.DeadFilter{}, 10)
	if err != nil || len(letters) != 1 || letters[0].Reason != "KILLED_WORKERS" || letters[0].Attempts != 3 {
		t.Errorf("dead letters are %+v, %v", letters, err)
	}
}

// Handing back is no fault of the work, however often it happens.
func TestHandingBackIsNoAttempt(t *testing.T) {
	h := newHouse(t, quick())
	call := h.ask(as(within(t, time.Minute), "ada", "one"))
	for range 6 {
		began := make(chan struct{}, 1)
		stop := serve(t, h.q, jobqueue.ServerSettings{Stage: "prior", Grace: time.Millisecond, MaxAttempts: 2, MaxKills: 2}, prior{embed: func(ctx context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
			began <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		}}.register)
		receive(t, began)
		stop()
	}
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior", MaxAttempts: 2, MaxKills: 2}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		return answer(7), nil
	}}.register)
	if o := receive(t, call); o.err != nil || o.n != 7 {
		t.Errorf("got %v", o)
	}
}

// What was only beside the work that kills is not blamed for it.
func TestBystandersAreNotBlamed(t *testing.T) {
	h := newHouse(t, brief())
	bad := h.ask(as(within(t, time.Minute), "ada", poison))
	q, nc := h.open(brief())
	beside, end := make(chan struct{}, 1), make(chan struct{})
	serve(t, q, jobqueue.ServerSettings{Stage: "prior", Slots: 2, Grace: time.Millisecond}, prior{embed: func(ctx context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		if call, _ := jobqueue.CallFrom(ctx); call.Owner == poison {
			select {
			case <-beside:
			case <-end:
				return answer(0), nil
			}
			nc.Close()
		} else {
			beside <- struct{}{}
		}
		<-end
		return answer(0), nil
	}}.register)
	t.Cleanup(func() { close(end) })
	good := h.ask(as(within(t, time.Minute), "ada", "good"))
	for !nc.IsClosed() {
		pauseFor(t)
	}
	// Both have silenced a worker now; apart, only one does it again.
	receive(t, doomed(t, h, 2))
	receive(t, doomed(t, h, 2))
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior", Slots: 2}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		return answer(1), nil
	}}.register)
	if o := receive(t, good); o.err != nil || o.n != 1 {
		t.Errorf("the bystander got %d, %v", o.n, o.err)
	}
	if o := receive(t, bad); !fault.Is(o.err, faultv1.Reason_REASON_ATTEMPTS_EXHAUSTED) {
		t.Errorf("the poisoned call got %v", o.err)
	}
}
