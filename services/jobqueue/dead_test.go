package jobqueue_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// givenUp is a queue whose worker failed at one piece of work of each tenant.
func givenUp(t *testing.T, tenants ...string) *house {
	t.Helper()
	s := quick()
	s.Tracer = sdktrace.NewTracerProvider()
	h := newHouse(t, s)
	stop := serve(t, h.q, jobqueue.ServerSettings{Stage: "prior", MaxAttempts: 2}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		panic("a bug")
	}}.register)
	for _, tenant := range tenants {
		if o := receive(t, h.ask(as(within(t, time.Minute), tenant, "one"))); !fault.Is(o.err, faultv1.Reason_REASON_ATTEMPTS_EXHAUSTED) {
			t.Fatalf("got %v", o.err)
		}
	}
	stop()
	return h
}

func TestDeadLettersTellWhatHappened(t *testing.T) {
	h := givenUp(t, "ada", "bob")
	js, err := jetstream.New(h.nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "dead.foreign", []byte("by hand")); err != nil {
		t.Fatal(err)
	}
	dead := h.q.Dead()
	all, err := dead.List(t.Context(), jobqueue.DeadFilter{}, 10)
	if err != nil || len(all) != 3 {
		t.Fatalf("%d letters, %v", len(all), err)
	}
	got := all[0]
	if got.ID != 1 || got.Stage != "prior" || got.Bundle != bundle || got.Class != jobqueue.Interactive || got.Tenant != "ada" ||
		got.Method != "/facestudio.prior.v1.PriorService/EmbedImage" || got.Owner != "one" || got.Reason != "ATTEMPTS_EXHAUSTED" ||
		got.Attempts != 2 || got.Status != "Internal: internal error" || len(got.TraceID) != 32 || got.Time.IsZero() {
		t.Errorf("got %+v", got)
	}
	for name, c := range map[string]struct {
		filter jobqueue.DeadFilter
		limit  int
		ids    []uint64
	}{
		"tenant":     {jobqueue.DeadFilter{Tenant: "bob"}, 10, []uint64{2}},
		"stage":      {jobqueue.DeadFilter{Stage: "prior"}, 10, []uint64{1, 2}},
		"none":       {jobqueue.DeadFilter{Stage: "denoiser"}, 10, nil},
		"first page": {jobqueue.DeadFilter{}, 1, []uint64{1}},
		"next page":  {jobqueue.DeadFilter{After: 1}, 10, []uint64{2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := dead.List(t.Context(), c.filter, c.limit)
			if err != nil || len(list) != len(c.ids) {
				t.Fatalf("got %v, %v", list, err)
			}
			for i, letter := range list {
				if letter.ID != c.ids[i] {
					t.Errorf("letter %d is %d", i, letter.ID)
				}
			}
		})
	}
	if _, err := dead.List(t.Context(), jobqueue.DeadFilter{Tenant: "*"}, 10); !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) {
		t.Errorf("a forged tenant got %v", err)
	}
}

func TestRedrivenWorkIsDoneAnew(t *testing.T) {
	h := givenUp(t, "ada")
	dead := h.q.Dead()
	letter, err := dead.Redrive(t.Context(), 1)
	if err != nil || letter.Tenant != "ada" {
		t.Fatalf("got %+v, %v", letter, err)
	}
	if n := h.pending(); n != 1 {
		t.Errorf("%d in the queue", n)
	}
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		return answer(5), nil
	}}.register)
	if o := receive(t, h.ask(as(within(t, time.Minute), "ada", "one"))); o.err != nil || o.n != 5 {
		t.Errorf("got %v", o)
	}
	for _, do := range []func() error{
		func() error { _, err := dead.Get(t.Context(), 1); return err },
		func() error { _, err := dead.Get(t.Context(), 0); return err },
		func() error { _, err := dead.Redrive(t.Context(), 1); return err },
		func() error { return dead.Drop(t.Context(), 1) },
	} {
		if err := do(); !fault.Is(err, faultv1.Reason_REASON_UNKNOWN_DEAD_LETTER) {
			t.Errorf("a letter that is gone got %v", err)
		}
	}
}

func TestDeadLettersAreDropped(t *testing.T) {
	h := givenUp(t, "ada")
	dead := h.q.Dead()
	js, err := jetstream.New(h.nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "dead.foreign", []byte("by hand")); err != nil {
		t.Fatal(err)
	}
	if _, err := dead.Redrive(t.Context(), 2); !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) {
		t.Errorf("a message that is none of ours got %v", err)
	}
	for _, id := range []uint64{1, 2} {
		if err := dead.Drop(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if list, err := dead.List(t.Context(), jobqueue.DeadFilter{}, 10); err != nil || len(list) != 0 {
		t.Errorf("left are %v, %v", list, err)
	}
}

// The letter is there before the message has left the queue.
func TestRedrivenWorkMayStillHaveToLeaveTheQueue(t *testing.T) {
	h := givenUp(t, "ada")
	js, err := jetstream.New(h.nc)
	if err != nil {
		t.Fatal(err)
	}
	letters, err := js.Stream(t.Context(), "DEAD")
	if err != nil {
		t.Fatal(err)
	}
	letter, err := letters.GetMsg(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	still, err := js.Publish(t.Context(), "work."+strings.TrimPrefix(letter.Subject, "dead."), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.q.Dead().Redrive(t.Context(), 1); !fault.Is(err, faultv1.Reason_REASON_QUOTA_EXHAUSTED) {
		t.Errorf("work that stays in the queue got %v", err)
	}
	work, err := js.Stream(t.Context(), "WORK")
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan error, 1)
	time.AfterFunc(200*time.Millisecond, func() { left <- work.DeleteMsg(t.Context(), still.Sequence) })
	if _, err := h.q.Dead().Redrive(t.Context(), 1); err != nil {
		t.Errorf("work that leaves the queue got %v", err)
	}
	if err := receive(t, left); err != nil {
		t.Error(err)
	}
	if n := h.pending(); n != 1 {
		t.Errorf("%d in the queue", n)
	}
}
