package flow

import (
	"context"
	"fmt"

	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/tensor"
)

// embedSubject computes e_f of the subject: the mean over its usable photos,
// renormalised. It fails when no photo is usable; one bad photo among good
// ones only gets its verdict.
func (r *run) embedSubject(ctx context.Context) (person, []*gatewayv1.PhotoVerdict, error) {
	subject := r.want.GetSubjects()[0]
	response, err := r.stages.Encoder.EmbedFaces(r.call(ctx, stageEncode, 0), &encoderv1.EmbedFacesRequest{
		Bundle: r.want.GetBundle(),
		Photos: subject.GetPhotos(),
	})
	if err != nil {
		return person{}, nil, blamePhotos(err)
	}
	if len(response.GetFaces()) != len(subject.GetPhotos()) {
		return person{}, nil, fmt.Errorf("encoder answered %d faces for %d photos", len(response.GetFaces()), len(subject.GetPhotos()))
	}
	verdicts := make([]*gatewayv1.PhotoVerdict, len(response.GetFaces()))
	var rows [][]float32
	for i, face := range response.GetFaces() {
		verdicts[i] = &gatewayv1.PhotoVerdict{Photo: photoField(i)}
		if face.GetFault() != nil {
			verdicts[i].Fault = photoFault(i, face.GetFault())
			continue
		}
		embedding, err := tensor.FromProto(face.GetEmbedding())
		if err != nil {
			return person{}, nil, fmt.Errorf("read face embedding %d: %w", i, err)
		}
		rows = append(rows, embedding.Data)
		verdicts[i].Used = true
	}
	if len(rows) == 0 {
		return person{}, verdicts, noUsablePhoto(verdicts)
	}
	mean, err := tensor.Mean(rows...)
	if err != nil {
		return person{}, verdicts, fmt.Errorf("average face embeddings: %w", err)
	}
	if err := tensor.Normalize(mean); err != nil {
		return person{}, verdicts, fault.Wrap(err, fault.Invalid, faultv1.Reason_REASON_INVALID_FIELD, photosField,
			"the photos contradict each other: give photos of one person")
	}
	name := subject.GetName()
	if name == "" {
		name = subjectField
	}
	return person{name: name, embedding: mean}, verdicts, nil
}

// noUsablePhoto blames the first photo; with several it says that the others
// are no better.
func noUsablePhoto(verdicts []*gatewayv1.PhotoVerdict) error {
	f := fault.FromProto(verdicts[0].GetFault())
	if len(verdicts) > 1 {
		f.Message = fmt.Sprintf("none of the %d photos can be used; the first: %s", len(verdicts), f.Message)
	}
	return f
}
