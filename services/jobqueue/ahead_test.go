package jobqueue_test

import (
	"context"
	"testing"
	"time"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// TestWorkTakenAhead is about the call that a busy slot took for its next turn:
// another worker gets it when this one stops, and when its turn does not come.
func TestWorkTakenAhead(t *testing.T) {
	for _, test := range []struct {
		name string
		stop bool
	}{
		{name: "is handed back at once by a worker that stops", stop: true},
		{name: "is handed back when its turn does not come"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := quick()
			s.AckWait = 20 * time.Second // on a busy machine, signs of life may be late
			h := newHouse(t, s)
			begun, goOn := make(chan struct{}, 8), make(chan struct{})
			calls := 0
			// One slot, so that calls come one after the other. The first tells it how
			// long calls take.
			stop := serve(t, h.q, jobqueue.ServerSettings{Stage: "prior", Grace: time.Minute}, prior{
				embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
					calls++
					begun <- struct{}{}
					if calls > 1 {
						<-goOn
					}
					<-time.After(5 * time.Millisecond)
					return answer(1), nil
				},
			}.register)
			if o := receive(t, h.ask(as(within(t, time.Minute), "ada", "first"))); o.err != nil {
				t.Fatal(o.err)
			}
			receive(t, begun)
			if _, err := h.q.Pause(t.Context(), "prior", time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			long := h.ask(as(within(t, time.Minute), "ada", "long"))
			for h.pending() < 1 {
				pauseFor(t)
			}
			ahead := h.ask(as(within(t, time.Minute), "ada", "ahead"))
			for h.pending() < 2 {
				pauseFor(t)
			}
			if _, err := h.q.Resume(t.Context(), "prior"); err != nil {
				t.Fatal(err)
			}
			receive(t, begun)
			for inHand(t, h) < 2 {
				pauseFor(t)
			}
			stopped := make(chan struct{})
			if test.stop {
				go func() {
					defer close(stopped)
					stop()
				}()
			}
			// A hand-back is nobody's fault: this worker would give up work that had
			// silenced one before.
			serve(t, h.q, jobqueue.ServerSettings{Stage: "prior", MaxKills: 1, MaxAttempts: 1}, prior{
				embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
					return answer(2), nil
				},
			}.register)
			if o := receive(t, ahead); o.err != nil || o.n != 2 {
				t.Errorf("the call that waited got %d, %v", o.n, o.err)
			}
			close(goOn)
			if o := receive(t, long); o.err != nil || o.n != 1 {
				t.Errorf("the call that ran got %d, %v", o.n, o.err)
			}
			if test.stop {
				receive(t, stopped)
			}
		})
	}
}

// TestWorkTakenAheadRunsNext has a slot run calls one after the other: each once.
func TestWorkTakenAheadRunsNext(t *testing.T) {
	s := quick()
	s.AckWait = 20 * time.Second // on a busy machine, signs of life may be late
	h := newHouse(t, s)
	ran := make(chan int, 64)
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior", MaxKills: 1}, prior{
		embed: func(_ context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
			<-time.After(15 * time.Millisecond)
			ran <- 1
			return answer(1), nil
		},
	}.register)
	var all []<-chan outcome
	for _, owner := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"} {
		all = append(all, h.ask(as(within(t, time.Minute), "ada", owner)))
	}
	for i, call := range all {
		if o := receive(t, call); o.err != nil {
			t.Errorf("call %d got %v", i+1, o.err)
		}
	}
	if len(ran) != len(all) {
		t.Errorf("%d runs of %d calls", len(ran), len(all))
	}
}

// What a worker took ahead and did not begin is not blamed when the worker is killed.
func TestWorkTakenAheadIsNotBlamed(t *testing.T) {
	h := newHouse(t, quick())
	doomed, nc := h.open(quick())
	begun, end := make(chan struct{}, 8), make(chan struct{})
	calls := 0
	serve(t, doomed, jobqueue.ServerSettings{Stage: "prior", Grace: time.Millisecond}, prior{
		embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
			calls++
			begun <- struct{}{}
			if calls > 1 {
				<-end
			}
			<-time.After(5 * time.Millisecond)
			return answer(1), nil
		},
	}.register)
	t.Cleanup(func() { close(end) })
	if o := receive(t, h.ask(as(within(t, time.Minute), "ada", "first"))); o.err != nil {
		t.Fatal(o.err)
	}
	receive(t, begun)
	guilty := h.ask(as(within(t, time.Minute), "ada", "guilty"))
	receive(t, begun)
	ahead := h.ask(as(within(t, time.Minute), "ada", "ahead"))
	for inHand(t, h) < 2 {
		pauseFor(t)
	}
	nc.Close()
	// This worker gives up work that has silenced one.
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior", MaxKills: 1}, prior{
		embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
			return answer(2), nil
		},
	}.register)
	if o := receive(t, ahead); o.err != nil || o.n != 2 {
		t.Errorf("the call that waited got %d, %v", o.n, o.err)
	}
	if o := receive(t, guilty); !fault.Is(o.err, faultv1.Reason_REASON_ATTEMPTS_EXHAUSTED) {
		t.Errorf("the call that ran got %d, %v", o.n, o.err)
	}
}

// inHand is how many interactive calls the workers of the prior have.
func inHand(t *testing.T, h *house) uint64 {
	t.Helper()
	stages, err := h.q.Stages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stages {
		if s.Class == jobqueue.Interactive {
			return s.InHand
		}
	}
	return 0
}
