package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/facestudio/facestudio/proto/client"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
)

// mesh is a mesh made of functions.
type mesh struct {
	gatewayv1.UnimplementedGenerationServiceServer
	gatewayv1.UnimplementedSubjectServiceServer
	create  func(context.Context, *gatewayv1.CreateGenerationRequest) (*gatewayv1.Generation, error)
	watch   func(*gatewayv1.WatchGenerationRequest, grpc.ServerStreamingServer[gatewayv1.WatchGenerationResponse]) error
	cancels atomic.Int32
}

func (m *mesh) CreateGeneration(ctx context.Context, req *gatewayv1.CreateGenerationRequest) (*gatewayv1.Generation, error) {
	return m.create(ctx, req)
}

func (m *mesh) WatchGeneration(req *gatewayv1.WatchGenerationRequest, to grpc.ServerStreamingServer[gatewayv1.WatchGenerationResponse]) error {
	return m.watch(req, to)
}

func (m *mesh) CancelGeneration(_ context.Context, req *gatewayv1.CancelGenerationRequest) (*gatewayv1.Generation, error) {
	m.cancels.Add(1)
	return &gatewayv1.Generation{Name: req.GetName()}, nil
}

func (m *mesh) GetPicture(_ context.Context, req *gatewayv1.GetPictureRequest) (*gatewayv1.GetPictureResponse, error) {
	return &gatewayv1.GetPictureResponse{Data: []byte("bytes of " + req.GetName()), MediaType: "image/png"}, nil
}

func (m *mesh) ListSubjects(_ context.Context, req *gatewayv1.ListSubjectsRequest) (*gatewayv1.ListSubjectsResponse, error) {
	switch req.GetPageToken() {
	case "":
		return &gatewayv1.ListSubjectsResponse{Subjects: []*gatewayv1.Subject{{Name: "subjects/1"}, {Name: "subjects/2"}}, NextPageToken: "2"}, nil
	case "2":
		return &gatewayv1.ListSubjectsResponse{Subjects: []*gatewayv1.Subject{{Name: "subjects/3"}}}, nil
	default:
		return nil, status.Error(codes.InvalidArgument, "no such page")
	}
}

func dial(t *testing.T, m *mesh, o client.Options) *client.Client {
	t.Helper()
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	gatewayv1.RegisterGenerationServiceServer(server, m)
	gatewayv1.RegisterSubjectServiceServer(server, m)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	o.Insecure = true
	o.Dial = append(o.Dial, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	c, err := client.Dial("passthrough:///mesh", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return c
}

func state(s gatewayv1.State) *gatewayv1.WatchGenerationResponse {
	g := &gatewayv1.Generation{Name: "generations/7", State: s}
	if s == gatewayv1.State_STATE_SUCCEEDED {
		g.Pictures = []*gatewayv1.ResultPicture{{Name: "generations/7/pictures/0"}, {Name: "generations/7/pictures/1"}}
	}
	return &gatewayv1.WatchGenerationResponse{
		Event: &gatewayv1.WatchGenerationResponse_Generation{Generation: g}, Number: min(uint64(s), 3),
	}
}

func step(n int32) *gatewayv1.WatchGenerationResponse {
	return &gatewayv1.WatchGenerationResponse{
		Event:  &gatewayv1.WatchGenerationResponse_Progress{Progress: &gatewayv1.ProgressEvent{Progress: &gatewayv1.Progress{Step: n}}},
		Number: 2,
	}
}

// TestGenerateSurvivesLostAnswers loses the answer to Create and the connection
// of Watch: one generation is created, and the watch goes on where it was.
func TestGenerateSurvivesLostAnswers(t *testing.T) {
	var ids []string
	var after []uint64
	m := &mesh{}
	m.create = func(_ context.Context, req *gatewayv1.CreateGenerationRequest) (*gatewayv1.Generation, error) {
		if ids = append(ids, req.GetRequestId()); len(ids) == 1 {
			return nil, status.Error(codes.Unavailable, "the answer is lost")
		}
		return state(gatewayv1.State_STATE_QUEUED).GetGeneration(), nil
	}
	m.watch = func(req *gatewayv1.WatchGenerationRequest, to grpc.ServerStreamingServer[gatewayv1.WatchGenerationResponse]) error {
		events := []*gatewayv1.WatchGenerationResponse{state(gatewayv1.State_STATE_RUNNING), step(1)}
		if after = append(after, req.GetAfter()); len(after) == 3 {
			events = []*gatewayv1.WatchGenerationResponse{step(2), state(gatewayv1.State_STATE_SUCCEEDED)}
		}
		for _, event := range events {
			if err := to.Send(event); err != nil {
				return err
			}
		}
		if len(after) == 2 {
			return nil // it hangs up
		}
		return status.Error(codes.Unavailable, "the server stops")
	}
	c := dial(t, m, client.Options{})
	var steps []int32
	got, err := c.Generate(t.Context(), new(gatewayv1.CreateGenerationRequest), func(p *gatewayv1.ProgressEvent) {
		steps = append(steps, p.GetProgress().GetStep())
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(ids) != 2 || ids[0] != ids[1] || len(ids[0]) != 36 {
		t.Errorf("request ids are %q", ids)
	}
	if !slices.Equal(after, []uint64{0, 2, 2}) || !slices.Equal(steps, []int32{1, 1, 2}) {
		t.Errorf("watched after %v, told steps %v", after, steps)
	}
	if len(got.Pictures) != 2 || string(got.Pictures[1].Data) != "bytes of generations/7/pictures/1" || got.Pictures[1].MediaType != "image/png" {
		t.Errorf("pictures are %+v", got.Pictures)
	}
	if m.cancels.Load() != 0 {
		t.Error("it was cancelled")
	}
}

func TestErrors(t *testing.T) {
	refusal, err := status.New(codes.ResourceExhausted, "too much waits").WithDetails(
		&errdetails.ErrorInfo{Reason: "QUOTA_EXHAUSTED", Domain: "facestudio"},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(7 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	invalid, err := status.New(codes.InvalidArgument, "there is no face").WithDetails(
		&errdetails.ErrorInfo{Reason: "NO_FACE_FOUND", Domain: "facestudio", Metadata: map[string]string{"field": "photos[0]"}},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: "photos[0]", Reason: "NO_FACE_FOUND"}, {Field: "photos[1]", Reason: "FACE_BLURRED", Description: "it is blurred"},
		}})
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		status *status.Status
		want   client.Error
		others int
	}{
		"quota":   {refusal, client.Error{Code: codes.ResourceExhausted, Reason: faultv1.Reason_REASON_QUOTA_EXHAUSTED, Retryable: true, RetryAfter: 7 * time.Second}, 0},
		"photos":  {invalid, client.Error{Code: codes.InvalidArgument, Reason: faultv1.Reason_REASON_NO_FACE_FOUND, Field: "photos[0]"}, 1},
		"foreign": {status.New(codes.Unimplemented, "no"), client.Error{Code: codes.Unimplemented}, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := dial(t, &mesh{create: func(context.Context, *gatewayv1.CreateGenerationRequest) (*gatewayv1.Generation, error) {
				return nil, test.status.Err()
			}}, client.Options{})
			_, err := c.Generate(t.Context(), new(gatewayv1.CreateGenerationRequest), nil)
			var got *client.Error
			if !errors.As(fmt.Errorf("call: %w", err), &got) {
				t.Fatalf("got %v", err)
			}
			if got.Code != test.want.Code || got.Reason != test.want.Reason || got.Field != test.want.Field ||
				got.Retryable != test.want.Retryable || got.RetryAfter != test.want.RetryAfter || len(got.Others) != test.others {
				t.Errorf("got %+v", got)
			}
			if status.Code(err) != test.want.Code || got.Error() == "" {
				t.Errorf("its status is %v, its text %q", status.Code(err), got)
			}
		})
	}
}

func TestAGenerationThatFails(t *testing.T) {
	m := &mesh{
		create: func(context.Context, *gatewayv1.CreateGenerationRequest) (*gatewayv1.Generation, error) {
			return state(gatewayv1.State_STATE_QUEUED).GetGeneration(), nil
		},
		watch: func(_ *gatewayv1.WatchGenerationRequest, to grpc.ServerStreamingServer[gatewayv1.WatchGenerationResponse]) error {
			event := state(gatewayv1.State_STATE_FAILED)
			event.GetGeneration().Fault = &faultv1.Fault{Reason: faultv1.Reason_REASON_NO_FACE_FOUND, Field: "subjects[0].photos[0]", Message: "there is no face"}
			return to.Send(event)
		},
	}
	_, err := dial(t, m, client.Options{}).Generate(t.Context(), new(gatewayv1.CreateGenerationRequest), nil)
	got, ok := errors.AsType[*client.Error](err)
	if !ok || got.Reason != faultv1.Reason_REASON_NO_FACE_FOUND || got.Field != "subjects[0].photos[0]" || got.Code != codes.Aborted {
		t.Errorf("got %#v", err)
	}
	if want := "subjects[0].photos[0]: there is no face (NO_FACE_FOUND)"; err.Error() != want {
		t.Errorf("it says %q, want %q", err, want)
	}
}

func TestGenerateCancelsWhatNobodyWaitsFor(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	m := &mesh{
		create: func(context.Context, *gatewayv1.CreateGenerationRequest) (*gatewayv1.Generation, error) {
			return state(gatewayv1.State_STATE_QUEUED).GetGeneration(), nil
		},
		watch: func(_ *gatewayv1.WatchGenerationRequest, to grpc.ServerStreamingServer[gatewayv1.WatchGenerationResponse]) error {
			stop()
			<-to.Context().Done()
			return nil
		},
	}
	_, err := dial(t, m, client.Options{}).Generate(ctx, new(gatewayv1.CreateGenerationRequest), nil)
	if !errors.Is(err, context.Canceled) || m.cancels.Load() != 1 {
		t.Errorf("got %v after %d cancels", err, m.cancels.Load())
	}
}

func TestPatienceEnds(t *testing.T) {
	m := &mesh{create: func(context.Context, *gatewayv1.CreateGenerationRequest) (*gatewayv1.Generation, error) {
		return nil, status.Error(codes.Unavailable, "nobody is at home")
	}}
	_, err := dial(t, m, client.Options{Patience: time.Millisecond}).Generate(t.Context(), new(gatewayv1.CreateGenerationRequest), nil)
	if got, ok := errors.AsType[*client.Error](err); !ok || got.Code != codes.Unavailable || !got.Retryable {
		t.Errorf("got %v", err)
	}
}

func TestLists(t *testing.T) {
	c := dial(t, &mesh{}, client.Options{})
	var names []string
	for s, err := range c.AllSubjects(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, s.GetName())
	}
	if !slices.Equal(names, []string{"subjects/1", "subjects/2", "subjects/3"}) {
		t.Errorf("listed %v", names)
	}
	for s, err := range c.AllSubjects(t.Context()) {
		if err != nil || s.GetName() != "subjects/1" {
			t.Errorf("the first is %v, %v", s, err)
		}
		break
	}
	for _, err := range c.AllGenerations(t.Context(), "") {
		if status.Code(err) != codes.Unimplemented {
			t.Errorf("got %v", err)
		}
	}
}

func TestTokensAreShown(t *testing.T) {
	var shown []string
	m := &mesh{create: func(ctx context.Context, _ *gatewayv1.CreateGenerationRequest) (*gatewayv1.Generation, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		shown = md.Get("authorization")
		return nil, status.Error(codes.Unauthenticated, "no")
	}}
	_, _ = dial(t, m, client.Options{Token: "s3cret"}).Create(t.Context(), new(gatewayv1.CreateGenerationRequest))
	if !slices.Equal(shown, []string{"Bearer s3cret"}) {
		t.Errorf("shown %q", shown)
	}
}
