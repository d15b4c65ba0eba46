package gateway_test

import (
	"strings"
	"testing"
	"time"

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
	create := func() error {
		_, err := client.CreateGeneration(t.Context(), m.request())
		return err
	}
	err := create()
	for ; err == nil; err = create() {
		select {
		case <-time.After(time.Second): // it is looked at from time to time
		case <-t.Context().Done():
			t.Fatal("it is taken")
		}
	}
	face := m.request().GetGeneration().GetSubjects()[0].GetPhotos()[0]
	_, enrolling := gatewayv1.NewSubjectServiceClient(conn).CreateSubject(t.Context(), &gatewayv1.CreateSubjectRequest{
		Subject: &gatewayv1.Subject{DisplayName: "Ada", Photos: []*mediav1.Picture{face}},
	})
	_, looking := gatewayv1.NewPictureServiceClient(conn).DetectPeople(t.Context(), &gatewayv1.DetectPeopleRequest{Picture: face})
	for what, err := range map[string]error{"a generation": err, "enrolling": enrolling, "looking at a picture": looking} {
		if f := fault.From(err); f == nil || f.Reason != faultv1.Reason_REASON_BUNDLE_NOT_SERVED || f.RetryAfter == 0 || !strings.Contains(f.Message, other) || !strings.Contains(f.Message, m.bundle.ID()) {
			t.Fatalf("%s: got %v", what, err)
		}
	}
	m.queueAll()
	for err = create(); fault.Is(err, faultv1.Reason_REASON_BUNDLE_NOT_SERVED); err = create() {
		<-time.After(100 * time.Millisecond)
	}
	if err != nil {
		t.Errorf("with its workers: %v", err)
	}
}
