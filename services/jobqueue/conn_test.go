package jobqueue_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

func TestUnaryCallCrossesWithItsContext(t *testing.T) {
	h := newHouse(t, quick())
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(ctx context.Context, r *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		call, _ := jobqueue.CallFrom(ctx)
		if want := (jobqueue.Call{Tenant: "ada", Class: jobqueue.Interactive, Owner: "generations/1"}); call != want {
			t.Errorf("the call is %v", call)
		}
		if md, _ := metadata.FromIncomingContext(ctx); strings.Join(md["x-note"], ",") != "a,b\r\nc" {
			t.Errorf("the metadata is %q", md)
		}
		if left, ok := ctx.Deadline(); !ok || time.Until(left) > 2*time.Minute {
			t.Errorf("the deadline is %v, %v", left, ok)
		}
		if err := grpc.SetHeader(ctx, metadata.Pairs("a", "b")); err != nil {
			t.Errorf("set a header: %v", err)
		}
		return answer(int(r.GetSeed())), nil
	}}.register)
	ctx := metadata.AppendToOutgoingContext(as(within(t, time.Minute), "ada", "generations/1"), "x-note", "a", "x-note", "b\r\nc")
	got, err := priorv1.NewPriorServiceClient(h.conn()).EmbedImage(ctx, &priorv1.EmbedImageRequest{Seed: 7})
	if err != nil || number(got) != 7 {
		t.Fatalf("got %v, %v", got, err)
	}
}

func TestOwnedWorkIsJoinedAndMemoisedByItsOwner(t *testing.T) {
	h := newHouse(t, quick())
	var runs atomic.Int64
	started, goOn := make(chan struct{}, 8), make(chan struct{})
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior", Slots: 4}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		n := runs.Add(1)
		started <- struct{}{}
		<-goOn
		// What takes less than a look for its result may be done again by a call that comes late.
		time.Sleep(5 * time.Millisecond)
		return answer(int(n)), nil
	}}.register)
	client := priorv1.NewPriorServiceClient(h.conn())
	ask := func(tenant, owner string) int {
		got, err := client.EmbedImage(as(within(t, time.Minute), tenant, owner), &priorv1.EmbedImageRequest{})
		if err != nil {
			t.Error(err)
		}
		return number(got)
	}
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			if n := ask("ada", "one"); n != 1 {
				t.Errorf("a joined call got answer %d", n)
			}
		})
	}
	receive(t, started)
	close(goOn)
	calls.Wait()
	if n := ask("ada", "one"); n != 1 {
		t.Errorf("a repeated call got answer %d", n)
	}
	if n := ask("ada", "two"); n != 2 {
		t.Errorf("another owner got answer %d", n)
	}
	if n := ask("bob", "one"); n != 3 {
		t.Errorf("another tenant got answer %d", n)
	}
}

func TestContentIsSharedWithinATenant(t *testing.T) {
	h := newHouse(t, quick())
	var runs atomic.Int64
	serve(t, h.q, jobqueue.ServerSettings{Stage: "encoder"}, encoder{texts: func(context.Context, *encoderv1.EmbedTextsRequest) (*encoderv1.EmbedTextsResponse, error) {
		runs.Add(1)
		return &encoderv1.EmbedTextsResponse{}, nil
	}}.register)
	for _, step := range []struct {
		name, tenant string
		request      *encoderv1.EmbedTextsRequest
		runs         int64
	}{
		{"first", "ada", &encoderv1.EmbedTextsRequest{Texts: []string{"a", "bc"}}, 1},
		{"again", "ada", &encoderv1.EmbedTextsRequest{Texts: []string{"a", "bc"}}, 1},
		{"a field that is not listed", "ada", &encoderv1.EmbedTextsRequest{Bundle: "other", Texts: []string{"a", "bc"}}, 1},
		{"another content", "ada", &encoderv1.EmbedTextsRequest{Texts: []string{"ab", "c"}}, 2},
		{"another tenant", "bob", &encoderv1.EmbedTextsRequest{Texts: []string{"a", "bc"}}, 3},
	} {
		if _, err := encoderv1.NewEncoderServiceClient(h.conn()).EmbedTexts(as(within(t, time.Minute), step.tenant, ""), step.request); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if n := runs.Load(); n != step.runs {
			t.Errorf("%s: %d runs, not %d", step.name, n, step.runs)
		}
	}
}

func TestFinalFaultsCrossIntactAndAreMemoised(t *testing.T) {
	h := newHouse(t, quick())
	var runs atomic.Int64
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		runs.Add(1)
		return nil, fault.New(fault.Invalid, faultv1.Reason_REASON_NO_FACE_FOUND, "photos[1]", "no face; send another photo")
	}}.register)
	for range 2 {
		_, err := priorv1.NewPriorServiceClient(h.conn()).EmbedImage(as(within(t, time.Minute), "ada", "one"), &priorv1.EmbedImageRequest{})
		f := fault.From(err)
		if status.Code(err) != codes.InvalidArgument || f.Reason != faultv1.Reason_REASON_NO_FACE_FOUND || f.Field != "photos[1]" || f.Message != "no face; send another photo" {
			t.Errorf("got %v", err)
		}
	}
	if runs.Load() != 1 {
		t.Errorf("%d runs", runs.Load())
	}
}

func TestStreamsSendProgressAndKeepTheirResult(t *testing.T) {
	h := newHouse(t, quick())
	goOn := make(chan struct{})
	serve(t, h.q, jobqueue.ServerSettings{Stage: "denoiser"}, denoiser{denoise: func(r *denoiserv1.DenoiseRequest, s grpc.ServerStreamingServer[denoiserv1.DenoiseResponse]) error {
		for step := range r.GetSteps() {
			if err := s.Send(progressOf(step + 1)); err != nil {
				return err
			}
		}
		<-goOn
		return s.Send(&denoiserv1.DenoiseResponse{Event: &denoiserv1.DenoiseResponse_Result{Result: &denoiserv1.DenoiseResult{Width: 128}}})
	}}.register)
	client := denoiserv1.NewDenoiserServiceClient(h.conn())
	stream, err := client.Denoise(as(within(t, time.Minute), "ada", "one"), &denoiserv1.DenoiseRequest{Steps: 3})
	if err != nil {
		t.Fatal(err)
	}
	for want := int32(1); want <= 2; want++ {
		m, err := stream.Recv()
		if err != nil || m.GetProgress().GetStep() != want {
			t.Fatalf("got %v, %v", m, err)
		}
	}
	close(goOn)
	if m, err := stream.Recv(); err != nil || m.GetProgress().GetStep() != 3 {
		t.Fatalf("got %v, %v", m, err)
	}
	if m, err := stream.Recv(); err != nil || m.GetResult().GetWidth() != 128 {
		t.Fatalf("got %v, %v", m, err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Fatalf("got %v", err)
	}
	again, err := client.Denoise(as(within(t, time.Minute), "ada", "one"), &denoiserv1.DenoiseRequest{Steps: 3})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := again.Recv(); err != nil || m.GetResult().GetWidth() != 128 {
		t.Fatalf("the repeated call got %v, %v", m, err)
	}
	if _, err := again.Recv(); !errors.Is(err, io.EOF) {
		t.Fatalf("got %v", err)
	}
}

func progressOf(step int32) *denoiserv1.DenoiseResponse {
	return &denoiserv1.DenoiseResponse{Event: &denoiserv1.DenoiseResponse_Progress{Progress: &denoiserv1.Progress{Step: step}}}
}

func TestWrongCallsAreRefusedByName(t *testing.T) {
	h := newHouse(t, quick())
	client := priorv1.NewPriorServiceClient(h.conn())
	call := func(c jobqueue.Call, r *priorv1.EmbedImageRequest) error {
		_, err := client.EmbedImage(jobqueue.WithCall(within(t, time.Minute), c), r)
		return err
	}
	large := &priorv1.EmbedImageRequest{TextEmbedding: answer(0).GetEmbedding()}
	large.TextEmbedding.Data = make([]byte, jobqueue.MaxPayload)
	for name, c := range map[string]struct {
		call    jobqueue.Call
		request *priorv1.EmbedImageRequest
		says    string
	}{
		"no tenant":        {jobqueue.Call{Owner: "one"}, &priorv1.EmbedImageRequest{}, "tenant"},
		"tenant with dots": {jobqueue.Call{Tenant: "a.b", Owner: "one"}, &priorv1.EmbedImageRequest{}, "tenant"},
		"unknown class":    {jobqueue.Call{Tenant: "ada", Class: "vip", Owner: "one"}, &priorv1.EmbedImageRequest{}, "class"},
		"no owner":         {jobqueue.Call{Tenant: "ada"}, &priorv1.EmbedImageRequest{}, "Owner"},
		"too large":        {jobqueue.Call{Tenant: "ada", Owner: "one"}, large, "blobs"},
	} {
		t.Run(name, func(t *testing.T) {
			err := call(c.call, c.request)
			if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
		})
	}
	if err := h.conn().Invoke(t.Context(), "/grpc.health.v1.Health/Check", &priorv1.EmbedImageRequest{}, &priorv1.EmbedImageResponse{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("a method without a key rule got %v", err)
	}
}
