package gateway_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/facestudio/facestudio/gateway"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
)

func TestDeadlineEndsAGenerationThatNoStageTakes(t *testing.T) {
	m := newMesh(t)
	client, _ := m.serve(gateway.Config{})
	req := m.request()
	req.Generation.Timeout = durationpb.New(time.Second)
	g, err := client.CreateGeneration(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	after := m.await(client, g.GetName())
	if after.GetState() != gatewayv1.State_STATE_FAILED || after.GetFault().GetReason() != faultv1.Reason_REASON_BUNDLE_NOT_SERVED {
		t.Errorf("ended as %v", after)
	}
}

// Workers of another bundle are there, and none of the gateway's: once those had time
// to come, that is told at once.
func TestWhatNobodyServesIsRefused(t *testing.T) {
	const other = "0123456789ab"
	m := newMesh(t)
	for _, stage := range []string{"encoder", "denoiser"} {
		m.queuedOf(stage, other)
	}
	conn, _, _ := m.listen(gateway.Config{})
	client := gatewayv1.NewGenerationServiceClient(conn)
	create := func(ctx context.Context) error {
		_, err := client.CreateGeneration(ctx, m.request())
		return err
	}
	face := m.request().GetGeneration().GetSubjects()[0].GetPhotos()[0]
	for what, call := range map[string]func(context.Context) error{
		"a generation": create,
		"enrolling": func(ctx context.Context) error {
			_, err := gatewayv1.NewSubjectServiceClient(conn).CreateSubject(ctx, &gatewayv1.CreateSubjectRequest{
				Subject: &gatewayv1.Subject{DisplayName: "Ada", Photos: []*mediav1.Picture{face}},
			})
			return err
		},
		"looking at a picture": func(ctx context.Context) error {
			_, err := gatewayv1.NewPictureServiceClient(conn).DetectPeople(ctx, &gatewayv1.DetectPeopleRequest{Picture: face})
			return err
		},
	} {
		err := refusedInTime(t, call)
		if f := fault.From(err); f == nil || f.Reason != faultv1.Reason_REASON_BUNDLE_NOT_SERVED || f.RetryAfter == 0 || !strings.Contains(f.Message, other) || !strings.Contains(f.Message, m.bundle.ID()) {
			t.Fatalf("%s: got %v", what, err)
		}
	}
	m.queueAll()
	err := create(t.Context())
	for ; fault.Is(err, faultv1.Reason_REASON_BUNDLE_NOT_SERVED); err = create(t.Context()) {
		<-time.After(100 * time.Millisecond)
	}
	if err != nil {
		t.Errorf("with its workers: %v", err)
	}
}

// refusedInTime calls until the gateway, which looks at each stage's workers from
// time to time, has seen enough to refuse: before that a call is taken, and waits.
func refusedInTime(t *testing.T, call func(context.Context) error) error {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; {
		ctx, done := context.WithTimeout(t.Context(), time.Second)
		err := call(ctx)
		if err == nil {
			<-ctx.Done()
		}
		done()
		if err != nil && status.Code(err) != codes.DeadlineExceeded || time.Now().After(end) {
			return err
		}
	}
}
