package flow_test

import (
	"context"
	"testing"

	"github.com/facestudio/facestudio/gateway/internal/flow"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
)

func TestPeopleAreDetectedAsAGenerationSeesThem(t *testing.T) {
	large, second, passer := face(96, 100, 2), face(16, 110, 1.6), face(200, 10, 0.3)
	second.Yaw = new(float32(12))
	s := &stages{detectFaces: func(context.Context, *encoderv1.DetectFacesRequest) (*encoderv1.DetectFacesResponse, error) {
		return &encoderv1.DetectFacesResponse{Faces: []*mediav1.Face{large, second, passer}, Width: 256, Height: 200}, nil
	}}
	d := &flow.Detector{Encoder: s.connect().Encoder, Bundle: "d1ge57"}
	got, err := d.Detect(t.Context(), &mediav1.Picture{})
	if err != nil {
		t.Fatal(err)
	}
	if got.GetWidth() != 256 || got.GetHeight() != 200 || len(got.GetPeople()) != 2 {
		t.Fatalf("got %v", got)
	}
	left, right := got.GetPeople()[0], got.GetPeople()[1]
	if left.GetBox().GetX() != second.GetBox().GetX() || left.GetYaw() != 12 || right.GetBox().GetX() != large.GetBox().GetX() || right.Yaw != nil {
		t.Errorf("got %v", got)
	}
}

func TestWhatWasRecordedOfALostPictureIsForgotten(t *testing.T) {
	lost := fault.New(fault.Precondition, faultv1.Reason_REASON_BLOB_MISSING, "picture", "it is gone")
	s := &stages{detectFaces: func(context.Context, *encoderv1.DetectFacesRequest) (*encoderv1.DetectFacesResponse, error) {
		return nil, lost
	}}
	var forgotten []string
	d := &flow.Detector{Encoder: s.connect().Encoder, Forget: func(_ context.Context, method string, _ any) error {
		forgotten = append(forgotten, method)
		return nil
	}}
	if _, err := d.Detect(t.Context(), &mediav1.Picture{}); !fault.Is(err, faultv1.Reason_REASON_BLOB_MISSING) {
		t.Errorf("got %v", err)
	}
	if len(forgotten) != 1 || forgotten[0] != encoderv1.EncoderService_DetectFaces_FullMethodName {
		t.Errorf("forgot %v", forgotten)
	}
}
