package jobqueue_test

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/seal"
)

// Whatever lies on our subjects, the worker lives, it names what is wrong, and
// others' work goes on.
func TestHostileMessages(t *testing.T) {
	h := newHouse(t, quick())
	js, err := jetstream.New(h.nc)
	if err != nil {
		t.Fatal(err)
	}
	later := strconv.FormatInt(time.Now().Add(time.Hour).UnixMilli(), 10)
	work := "work.prior." + bundle + ".interactive."
	good := map[string]string{
		"Facestudio-Version": "2", "Facestudio-Method": "/facestudio.prior.v1.PriorService/EmbedImage", "Facestudio-Deadline": later,
	}
	with := func(name, value string) map[string]string {
		all := map[string]string{name: value}
		for k, v := range good {
			if k != name {
				all[k] = v
			}
		}
		return all
	}
	foreign := map[string]map[string]string{
		work + "ada.noheader":     nil,
		work + "ada.noversion":    with("Facestudio-Version", "x"),
		work + "ada.older":        with("Facestudio-Version", "1"),
		work + "ada.unsealed":     good,
		work + "ada.nodeadline":   with("Facestudio-Deadline", "soon"),
		work + "ada.owner":        with("Facestudio-Owner", "%%%"),
		work + "ada.metadata":     with("Facestudio-Md-x", "%%%"),
		work + "a$b.key":          good,
		work + "short":            good,
		work + "ada.key.and.more": good,
		work + string(bytes.Repeat([]byte{'t'}, 64)) + ".k": good,
	}
	for subject, headers := range foreign {
		msg := nats.NewMsg(subject)
		msg.Data = bytes.Repeat([]byte{0xff}, 900<<10)
		for name, value := range headers {
			msg.Header.Set(name, value)
		}
		if _, err := js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
	}
	if _, err := js.Publish(t.Context(), work+"ada.huge", make([]byte, 10<<20)); !errors.Is(err, nats.ErrMaxPayload) {
		t.Errorf("10 MiB got %v", err)
	}
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		return answer(1), nil
	}}.register)
	for h.pending() > 0 {
		pauseFor(t)
	}
	letters, err := h.q.Dead().List(t.Context(), jobqueue.DeadFilter{}, 100)
	if err != nil || len(letters) != len(foreign) {
		t.Errorf("%d dead letters of %d, %v", len(letters), len(foreign), err)
	}
	for _, letter := range letters {
		if letter.Reason != "FOREIGN" || letter.Status == "" {
			t.Errorf("got %+v", letter)
		}
	}
	if o := receive(t, h.ask(as(within(t, time.Minute), "ada", "one"))); o.err != nil {
		t.Errorf("good work got %v", o.err)
	}
}

// A request that cannot be read is its caller's fault, at once.
func TestTruncatedRequestsAreRefused(t *testing.T) {
	h := newHouse(t, quick())
	js, err := jetstream.New(h.nc)
	if err != nil {
		t.Fatal(err)
	}
	results, err := js.KeyValue(t.Context(), "results")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{}.register)
	msg := nats.NewMsg("work.prior." + bundle + ".interactive.ada.cut")
	msg.Header.Set("Facestudio-Version", "2")
	msg.Header.Set("Facestudio-Method", "/facestudio.prior.v1.PriorService/EmbedImage")
	msg.Header.Set("Facestudio-Deadline", strconv.FormatInt(time.Now().Add(time.Hour).UnixMilli(), 10))
	msg.Data, err = h.q.Ring().Seal(t.Context(), seal.Shared("ada"), seal.Place{
		Purpose: "work", Name: "prior." + bundle + ".cut" + "/facestudio.prior.v1.PriorService/EmbedImage",
	}, []byte{0x0a, 0x7f, 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.PublishMsg(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
	for h.pending() > 0 {
		pauseFor(t)
	}
	if _, err := results.Get(t.Context(), "ada.cut"); err != nil {
		t.Errorf("no outcome: %v", err)
	}
	if list, err := h.q.Dead().List(t.Context(), jobqueue.DeadFilter{}, 10); err != nil || len(list) != 0 {
		t.Errorf("dead letters %v, %v", list, err)
	}
}

// During a roll-out a worker may meet work of the next version: it leaves it to
// those who understand it.
func TestWorkOfANewerVersionIsLeftToNewerWorkers(t *testing.T) {
	h := newHouse(t, quick())
	js, err := jetstream.New(h.nc)
	if err != nil {
		t.Fatal(err)
	}
	msg := nats.NewMsg("work.prior." + bundle + ".interactive.ada.new")
	msg.Header.Set("Facestudio-Version", "3")
	if _, err := js.PublishMsg(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
	stop := serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		return answer(1), nil
	}}.register)
	// The one after it is done, so it was met.
	if o := receive(t, h.ask(as(within(t, time.Minute), "ada", "one"))); o.err != nil {
		t.Fatal(o.err)
	}
	stop()
	if n := h.pending(); n != 1 {
		t.Fatalf("%d messages are left", n)
	}
	newer, err := js.Consumer(t.Context(), "WORK", "prior_"+bundle+"_interactive")
	if err != nil {
		t.Fatal(err)
	}
	batch, err := newer.Fetch(1, jetstream.FetchMaxWait(10*time.Second), jetstream.FetchPriorityGroup("workers"))
	if err != nil {
		t.Fatal(err)
	}
	got := <-batch.Messages()
	if got == nil || got.Headers().Get("Facestudio-Version") != "3" {
		t.Fatalf("got %v, %v", got, batch.Error())
	}
	if err := got.Ack(); err != nil {
		t.Error(err)
	}
}

// An outcome that somebody edited is as good as none.
func TestEditedOutcomesAreNobodysAnswer(t *testing.T) {
	h := newHouse(t, quick())
	js, err := jetstream.New(h.nc)
	if err != nil {
		t.Fatal(err)
	}
	results, err := js.KeyValue(t.Context(), "results")
	if err != nil {
		t.Fatal(err)
	}
	runs := 0
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		runs++
		return nil, status.Error(codes.InvalidArgument, strconv.Itoa(runs))
	}}.register)
	if o := receive(t, h.ask(as(within(t, time.Minute), "ada", "one"))); status.Code(o.err) != codes.InvalidArgument {
		t.Fatal(o.err)
	}
	keys, err := results.Keys(t.Context())
	if err != nil || len(keys) != 1 {
		t.Fatalf("%v, %v", keys, err)
	}
	if _, err := results.Put(t.Context(), keys[0], []byte("by hand")); err != nil {
		t.Fatal(err)
	}
	if o := receive(t, h.ask(as(within(t, time.Minute), "ada", "one"))); status.Convert(o.err).Message() != "2" {
		t.Errorf("got %v", o.err)
	}
}
