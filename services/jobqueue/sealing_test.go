package jobqueue_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/seal"
)

const private = "something about somebody's face"

// private bytes in requests, results, progress, records, documents and dead
// letters: none of them is in any file, or on the wire.
func TestNothingIsInTheClear(t *testing.T) {
	dir := t.TempDir()
	h := newHouseIn(t, dir, quick())
	var seen []string
	told, err := h.nc.Subscribe(">", func(m *nats.Msg) {
		if strings.Contains(string(m.Data), private) {
			seen = append(seen, m.Subject)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	picture := &mediav1.Picture{Source: &mediav1.Picture_Data{Data: []byte(private)}}
	serve(t, h.q, jobqueue.ServerSettings{Stage: "denoiser"}, denoiser{denoise: func(r *denoiserv1.DenoiseRequest, s grpc.ServerStreamingServer[denoiserv1.DenoiseResponse]) error {
		if string(r.GetStyle().GetData()) != private {
			t.Errorf("the request is %v", r)
		}
		if call, _ := jobqueue.CallFrom(s.Context()); call.Record != "7" {
			t.Errorf("the call is %+v", call)
		}
		for range 3 {
			if err := s.Send(&denoiserv1.DenoiseResponse{Event: &denoiserv1.DenoiseResponse_Progress{Progress: &denoiserv1.Progress{Preview: picture}}}); err != nil {
				return err
			}
		}
		return s.Send(&denoiserv1.DenoiseResponse{Event: &denoiserv1.DenoiseResponse_Result{Result: &denoiserv1.DenoiseResult{Picture: picture}}})
	}}.register)
	stop := serve(t, h.q, jobqueue.ServerSettings{Stage: "prior", MaxAttempts: 1}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		panic("a bug")
	}}.register)
	ctx := jobqueue.WithCall(within(t, time.Minute), jobqueue.Call{Tenant: "ada", Owner: "one", Record: "7"})
	stream, err := denoiserv1.NewDenoiserServiceClient(h.conn()).Denoise(ctx, &denoiserv1.DenoiseRequest{Style: picture})
	if err != nil {
		t.Fatal(err)
	}
	for {
		message, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if message.GetResult() != nil {
			if string(message.GetResult().GetPicture().GetData()) != private {
				t.Errorf("the result is %v", message)
			}
			break
		}
		if string(message.GetProgress().GetPreview().GetData()) != private {
			t.Errorf("the progress is %v", message)
		}
	}
	_, err = priorv1.NewPriorServiceClient(h.conn()).EmbedImage(ctx, &priorv1.EmbedImageRequest{TextEmbedding: &mediav1.Tensor{Data: []byte(private)}})
	if !fault.Is(err, faultv1.Reason_REASON_ATTEMPTS_EXHAUSTED) {
		t.Errorf("got %v", err)
	}
	stop()
	key := jobqueue.RecordKey{Tenant: "ada", ID: "7"}
	if _, err := h.q.Records().Create(t.Context(), key, record(private)); err != nil {
		t.Fatal(err)
	}
	if err := h.q.Progress(key).Publish([]byte(private)); err != nil {
		t.Fatal(err)
	}
	if err := h.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := told.Drain(); err != nil {
		t.Fatal(err)
	}
	for told.IsValid() {
		pauseFor(t)
	}
	if len(seen) > 0 {
		t.Errorf("it is told in the clear on %v", seen)
	}
	if onDisk(t, dir, private) {
		t.Error("it is in the files in the clear")
	}
}

// Sealed bytes of one place are nothing in another.
func TestMovedBytesAreRefused(t *testing.T) {
	h := newHouse(t, quick())
	js, err := jetstream.New(h.nc)
	if err != nil {
		t.Fatal(err)
	}
	records, err := js.KeyValue(t.Context(), "records")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"1", "2"} {
		for _, tenant := range []string{"ada", "bob"} {
			if _, err := h.q.Records().Create(t.Context(), jobqueue.RecordKey{Tenant: tenant, ID: id}, record(tenant+id)); err != nil {
				t.Fatal(err)
			}
		}
	}
	theirs, err := records.Get(t.Context(), "bob.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{"ada.1", "bob.2"} {
		if _, err := records.Put(t.Context(), place, theirs.Value()); err != nil {
			t.Fatal(err)
		}
		tenant, id, _ := strings.Cut(place, ".")
		if got, err := h.q.Records().Get(t.Context(), jobqueue.RecordKey{Tenant: tenant, ID: id}); err == nil {
			t.Errorf("%s is %q", place, got.Record.GetValue())
		}
	}
	if list, err := h.q.Records().List(t.Context(), "ada"); err != nil || len(list) != 1 {
		t.Errorf("%d records, %v", len(list), err)
	}
}

func TestForgottenWorkCannotBeRead(t *testing.T) {
	h := newHouse(t, quick())
	key := jobqueue.RecordKey{Tenant: "ada", ID: "7"}
	ctx := jobqueue.WithCall(within(t, time.Minute), jobqueue.Call{Tenant: "ada", Owner: "one", Record: "7"})
	runs := 0
	stop := serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		runs++
		return answer(runs), nil
	}}.register)
	if o := receive(t, h.ask(ctx)); o.err != nil || o.n != 1 {
		t.Fatalf("got %+v", o)
	}
	stop()
	waiting := jobqueue.WithCall(within(t, time.Minute), jobqueue.Call{Tenant: "ada", Owner: "two", Record: "7"})
	other := h.ask(waiting)
	for h.pending() == 0 {
		pauseFor(t)
	}
	for _, want := range []bool{true, false} {
		if gone, err := h.q.ForgetWork(t.Context(), key); gone != want || err != nil {
			t.Fatalf("forgot %v, %v", gone, err)
		}
	}
	// What was in the queue ends, since nobody can read it.
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		runs++
		return answer(runs), nil
	}}.register)
	if o := receive(t, other); status.Code(o.err) != codes.FailedPrecondition || runs != 1 {
		t.Errorf("got %+v after %d runs", o, runs)
	}
	// What was recorded is as good as none.
	if o := receive(t, h.ask(ctx)); o.err != nil || o.n != 2 {
		t.Errorf("got %+v", o)
	}
}

func TestKeysOfRecordsThatAreGoneAreSwept(t *testing.T) {
	h := newHouse(t, quick())
	kept, gone := jobqueue.RecordKey{Tenant: "ada", ID: "1"}, jobqueue.RecordKey{Tenant: "ada", ID: "2"}
	for _, key := range []jobqueue.RecordKey{kept, gone} {
		if _, err := h.q.Records().Create(t.Context(), key, record("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := h.q.Ring().Seal(t.Context(), jobqueue.WorkScope(key.Tenant, key.ID), seal.Place{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	js, err := jetstream.New(h.nc)
	if err != nil {
		t.Fatal(err)
	}
	records, err := js.KeyValue(t.Context(), "records")
	if err != nil {
		t.Fatal(err)
	}
	if err := records.Delete(t.Context(), "ada.2"); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 0}, {2 * time.Hour, 2}, {2 * time.Hour, 0}} {
		if n, err := h.q.SweepKeys(t.Context(), time.Now().Add(step.after)); n != step.want || err != nil {
			t.Errorf("after %v %d were swept, want %d; %v", step.after, n, step.want, err)
		}
	}
	if _, err := h.q.Records().Get(t.Context(), kept); err != nil {
		t.Errorf("what is there cannot be read: %v", err)
	}
}

// A value of a record that has ended may be written again without making it live
// longer.
func TestRewrittenRecordsExpireAsBefore(t *testing.T) {
	s := quick()
	s.RecordTTL = 5 * time.Second
	h := newHouse(t, s)
	r := h.q.Records()
	key := jobqueue.RecordKey{Tenant: "ada", ID: "1"}
	revision, err := r.Create(t.Context(), key, record("first"))
	if err != nil {
		t.Fatal(err)
	}
	ended := record("ended")
	ended.Terminal = true
	if _, err := r.Update(t.Context(), key, ended, revision); err != nil {
		t.Fatal(err)
	}
	entry, err := r.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Rewrite(t.Context(), entry, []byte("second")); err != nil {
		t.Fatal(err)
	}
	if err := r.Rewrite(t.Context(), entry, []byte("third")); !errors.Is(err, jobqueue.ErrStale) {
		t.Errorf("an old revision got %v", err)
	}
	watch, err := r.Watch(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if e := receive(t, watch); string(e.Record.GetValue()) != "second" || !e.Record.GetTerminal() {
		t.Errorf("got %v", e)
	}
	if e, open := <-watch; open {
		t.Errorf("got %v", e)
	}
}

// A process with other key-encryption keys than the mesh does not start.
func TestOpenTellsWrongKeys(t *testing.T) {
	dir := t.TempDir()
	keeper := func(name string) *seal.Keeper {
		t.Helper()
		k, err := seal.OpenKeyFile(t.Context(), filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	s := quick()
	s.Keeper = keeper("first")
	h := newHouse(t, s)
	key := jobqueue.RecordKey{Tenant: "ada", ID: "1"}
	if _, err := h.q.Records().Create(t.Context(), key, record("x")); err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]*seal.Keeper{"others": keeper("second"), "none": nil} {
		s.Keeper = k
		if _, err := jobqueue.Open(t.Context(), h.nc, s); !fault.Is(err, faultv1.Reason_REASON_CONFIG_INVALID) {
			t.Errorf("%s got %v", name, err)
		}
	}
	s.Keeper = keeper("first")
	q, _ := h.open(s)
	if got, err := q.Records().Get(t.Context(), key); err != nil || string(got.Record.GetValue()) != "x" {
		t.Errorf("got %v, %v", got, err)
	}
}

// A process that holds a key in memory is told that it was destroyed.
func TestDestroyedKeysAreForgottenElsewhere(t *testing.T) {
	h := newHouse(t, quick())
	other, _ := h.open(quick())
	of, at := jobqueue.WorkScope("ada", "7"), seal.Place{Purpose: "test"}
	box, err := h.q.Ring().Seal(t.Context(), of, at, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := other.Ring().Open(t.Context(), "ada", at, box); err != nil {
		t.Fatal(err)
	}
	if _, err := h.q.Ring().Destroy(t.Context(), of); err != nil {
		t.Fatal(err)
	}
	for {
		_, _, err := other.Ring().Open(within(t, time.Minute), "ada", at, box)
		if errors.Is(err, seal.ErrDestroyed) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		pauseFor(t)
	}
}
