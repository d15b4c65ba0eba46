package jobqueue_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// TestAResultThatCannotBeRecordedForNowIsKept has the store of results refuse what
// is written, as a cluster without a leader does, and then take it again: the work
// runs once and nobody is blamed.
func TestAResultThatCannotBeRecordedForNowIsKept(t *testing.T) {
	s := quick()
	s.AckWait = 20 * time.Second // on a busy machine, signs of life may be late
	h := newHouse(t, s)
	js, err := jetstream.New(h.nc)
	if err != nil {
		t.Fatal(err)
	}
	results, err := js.Stream(t.Context(), "KV_results")
	if err != nil {
		t.Fatal(err)
	}
	takes := results.CachedInfo().Config
	refuses := takes
	refuses.MaxMsgSize = 1
	tried, err := h.nc.SubscribeSync("$KV.results.>")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.UpdateStream(t.Context(), refuses); err != nil {
		t.Fatal(err)
	}
	var runs atomic.Int64
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior", MaxKills: 1, MaxAttempts: 1}, prior{
		embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
			runs.Add(1)
			return answer(1), nil
		},
	}.register)
	call := h.ask(as(within(t, time.Minute), "ada", "one"))
	for range 2 {
		if _, err := tried.NextMsgWithContext(within(t, time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := js.UpdateStream(t.Context(), takes); err != nil {
		t.Fatal(err)
	}
	if o := receive(t, call); o.err != nil || o.n != 1 {
		t.Errorf("got %d, %v", o.n, o.err)
	}
	if n := runs.Load(); n != 1 {
		t.Errorf("%d runs", n)
	}
}
