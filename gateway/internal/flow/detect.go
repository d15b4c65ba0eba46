package flow

import (
	"context"
	"errors"
	"fmt"

	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// Detector tells who is in a picture, as a generation sees it.
type Detector struct {
	// Encoder is the stage.
	Encoder encoderv1.EncoderServiceClient
	// Forget drops what the transport to the stage keeps of a call's result; nil: it
	// keeps nothing.
	Forget func(ctx context.Context, method string, request any) error
	// Bundle is the digest of the bundle that the stage serves.
	Bundle string
}

// Detect returns the people of a picture, which is given by digest. The context
// carries for whom as a jobqueue.Call.
func (d *Detector) Detect(ctx context.Context, picture *mediav1.Picture) (*gatewayv1.DetectPeopleResponse, error) {
	request := &encoderv1.DetectFacesRequest{Bundle: d.Bundle, Picture: picture}
	found, err := d.Encoder.DetectFaces(ctx, request)
	if fault.Is(err, faultv1.Reason_REASON_BLOB_MISSING) && d.Forget != nil {
		// What is recorded of the call must not answer the next one, for which the
		// picture is stored again.
		err = errors.Join(err, d.Forget(context.WithoutCancel(ctx), encoderv1.EncoderService_DetectFaces_FullMethodName, request))
	}
	if err != nil {
		return nil, fmt.Errorf("look for people: %w", err)
	}
	out := &gatewayv1.DetectPeopleResponse{Width: found.GetWidth(), Height: found.GetHeight()}
	for _, face := range peopleOf(found.GetFaces()) {
		out.People = append(out.People, &gatewayv1.DetectedPerson{Box: face.GetBox(), Yaw: face.Yaw})
	}
	return out, nil
}
