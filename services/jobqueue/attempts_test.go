package jobqueue_test

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

func TestRetryableFaultsAreTriedAgain(t *testing.T) {
	h := newHouse(t, quick())
	var runs atomic.Int64
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior", MaxAttempts: 3}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		switch n := runs.Add(1); n {
		case 1:
			return nil, fault.New(fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "", "the store is away")
		case 2:
			panic("a bug that shows once")
		default:
			return answer(int(n)), nil
		}
	}}.register)
	if o := receive(t, h.ask(as(within(t, time.Minute), "ada", "one"))); o.err != nil || o.n != 3 {
		t.Errorf("got %v", o)
	}
}

func TestAttemptsUsedUpMakeADeadLetter(t *testing.T) {
	h := newHouse(t, quick())
	var runs atomic.Int64
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior", MaxAttempts: 3}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		runs.Add(1)
		panic("a bug")
	}}.register)
	for range 2 {
		o := receive(t, h.ask(as(within(t, time.Minute), "ada", "one")))
		if status.Code(o.err) != codes.Internal || !fault.Is(o.err, faultv1.Reason_REASON_ATTEMPTS_EXHAUSTED) {
			t.Errorf("got %v", o.err)
		}
	}
	if n := runs.Load(); n != 3 {
		t.Errorf("%d runs", n)
	}
	js, err := jetstream.New(h.nc)
	if err != nil {
		t.Fatal(err)
	}
	dead, err := js.Stream(t.Context(), "DEAD")
	if err != nil {
		t.Fatal(err)
	}
	letter, err := dead.GetLastMsgForSubject(t.Context(), "dead.prior."+bundle+".interactive.ada.>")
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]string{
		"Facestudio-Reason": "ATTEMPTS_EXHAUSTED", "Facestudio-Attempts": "3",
		"Facestudio-Method": "/facestudio.prior.v1.PriorService/EmbedImage",
	} {
		if got := letter.Header.Get(header); got != want {
			t.Errorf("%s is %q", header, got)
		}
	}
	if n := dead.CachedInfo().State.Msgs; n != 1 {
		t.Errorf("%d dead letters", n)
	}
	for h.pending() > 0 {
		pauseFor(t)
	}
}

// A note is there while the work is in the queue, and no longer.
func TestNotesGoWithTheirWork(t *testing.T) {
	h := newHouse(t, quick())
	js, err := jetstream.New(h.nc)
	if err != nil {
		t.Fatal(err)
	}
	notes, err := js.KeyValue(t.Context(), "attempts")
	if err != nil {
		t.Fatal(err)
	}
	count := func() int {
		keys, err := notes.Keys(t.Context())
		if err != nil && !errors.Is(err, jetstream.ErrNoKeysFound) {
			t.Fatal(err)
		}
		return len(keys)
	}
	began, goOn := make(chan struct{}), make(chan struct{})
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		began <- struct{}{}
		<-goOn
		return answer(1), nil
	}}.register)
	call := h.ask(as(within(t, time.Minute), "ada", "one"))
	receive(t, began)
	if n := count(); n != 1 {
		t.Errorf("%d notes of one call that runs", n)
	}
	goOn <- struct{}{}
	if o := receive(t, call); o.err != nil {
		t.Fatal(o.err)
	}
	for count() > 0 {
		pauseFor(t)
	}
}

func TestForeignMessagesAreSetAside(t *testing.T) {
	h := newHouse(t, quick())
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		return answer(1), nil
	}}.register)
	js, err := jetstream.New(h.nc)
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"work.prior." + bundle + ".interactive.ada.forged", "work.prior." + bundle + ".interactive.short"} {
		if _, err := js.Publish(t.Context(), subject, []byte("junk")); err != nil {
			t.Fatal(err)
		}
	}
	if o := receive(t, h.ask(as(within(t, time.Minute), "ada", "one"))); o.err != nil {
		t.Errorf("the worker is gone: %v", o.err)
	}
	for h.pending() > 0 {
		pauseFor(t)
	}
	dead, err := js.Stream(t.Context(), "DEAD")
	if err != nil {
		t.Fatal(err)
	}
	if n := dead.CachedInfo().State.Msgs; n != 2 {
		t.Errorf("%d dead letters", n)
	}
}

// The first call is noted, since nobody knows yet how long it takes. That the note
// takes longer than the call must not make the next ones look long.
func TestWorkThatTakesNothingIsNotNoted(t *testing.T) {
	h := newHouse(t, jobqueue.Settings{})
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: noop}.register)
	client := priorv1.NewPriorServiceClient(h.conn())
	ctx := within(t, time.Minute)
	const calls = 100
	for n := range calls {
		if _, err := client.EmbedImage(as(ctx, "ada", strconv.Itoa(n)), &priorv1.EmbedImageRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	js, err := jetstream.New(h.nc)
	if err != nil {
		t.Fatal(err)
	}
	notes, err := js.Stream(ctx, "KV_attempts")
	if err != nil {
		t.Fatal(err)
	}
	// Two writes for each that is noted.
	if written := notes.CachedInfo().State.LastSeq; written > calls/2 {
		t.Errorf("%d writes for %d calls", written, calls)
	}
}
