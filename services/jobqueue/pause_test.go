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

func TestPausedStagesGetNoWorkUntilTheyAreResumed(t *testing.T) {
	h := newHouse(t, quick())
	ran := make(chan struct{}, 1)
	handler := prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		ran <- struct{}{}
		return answer(1), nil
	}}
	stop := serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, handler.register)
	if o := receive(t, h.ask(as(within(t, time.Minute), "ada", "before"))); o.err != nil {
		t.Fatal(o.err)
	}
	receive(t, ran)
	paused, err := h.q.Pause(t.Context(), "prior", time.Now().Add(time.Hour))
	if err != nil || len(paused) != 2 || paused[0].Stage != "prior" || paused[0].Class != jobqueue.Batch || paused[1].PausedUntil.IsZero() {
		t.Fatalf("got %+v, %v", paused, err)
	}
	// A worker that starts meanwhile is paused too.
	stop()
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, handler.register)
	call := h.ask(as(within(t, time.Minute), "ada", "meanwhile"))
	for h.pending() == 0 {
		pauseFor(t)
	}
	stages, err := h.q.Stages(t.Context())
	if err != nil || len(stages) != 2 || stages[1].Waiting != 1 || stages[1].PausedUntil.IsZero() {
		t.Errorf("got %+v, %v", stages, err)
	}
	select {
	case <-ran:
		t.Error("a paused stage worked")
	default:
	}
	if stages, err = h.q.Resume(t.Context(), "prior"); err != nil || !stages[1].PausedUntil.IsZero() {
		t.Errorf("got %+v, %v", stages, err)
	}
	if o := receive(t, call); o.err != nil {
		t.Error(o.err)
	}
}

func TestPauseRefuses(t *testing.T) {
	h := newHouse(t, quick())
	if _, err := h.q.Pause(t.Context(), "nobody", time.Now().Add(time.Hour)); !fault.Is(err, faultv1.Reason_REASON_UNKNOWN_STAGE) {
		t.Errorf("got %v", err)
	}
	for _, until := range []time.Time{{}, time.Now().Add(-time.Second), time.Now().Add(jobqueue.MaxPause + time.Hour)} {
		if _, err := h.q.Pause(t.Context(), "prior", until); !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) {
			t.Errorf("until %v got %v", until, err)
		}
	}
}
