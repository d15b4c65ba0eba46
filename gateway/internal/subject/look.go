package subject

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/facestudio/facestudio/gateway/internal/identity"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/tensor"
)

// Looker looks at the photos of a person with the encoder stage.
type Looker struct {
	// Encoder is the stage.
	Encoder encoderv1.EncoderServiceClient
	// Forget drops what the transport to the stage keeps of a call's result.
	// Nil: it keeps nothing.
	Forget func(ctx context.Context, method string, request any) error
	// Bundle is the digest of the bundle that the stage serves.
	Bundle string
	// Similarity is that of its face encoder; nil: it is not told.
	Similarity *bundle.Similarity
}

// Photo is one photo to look at.
type Photo struct {
	// Picture is the photo. Nil when Fault says why it was refused before.
	Picture *mediav1.Picture
	// Fault is why the photo is not looked at.
	Fault error
}

// Seen is what the photos show.
type Seen struct {
	// Verdicts has one entry for each photo.
	Verdicts []*gatewayv1.PhotoVerdict
	// Embedding is e_f of the person by the photos that are used, unit length;
	// nil when none is.
	Embedding []float32
}

// Field is the name of photo i in verdicts and faults.
func Field(i int) string { return fmt.Sprintf("photos[%d]", i) }

// Look looks at 1 to 32 photos. The context carries for whom as a
// jobqueue.Call. That a photo cannot be used is told by its verdict and is no
// error; neither is that none can.
func (l *Looker) Look(ctx context.Context, photos []Photo) (*Seen, error) {
	seen := &Seen{Verdicts: make([]*gatewayv1.PhotoVerdict, len(photos))}
	request := &encoderv1.EmbedFacesRequest{Bundle: l.Bundle, Strict: true}
	var asked []*gatewayv1.PhotoVerdict
	for i, photo := range photos {
		v := &gatewayv1.PhotoVerdict{Photo: Field(i)}
		seen.Verdicts[i] = v
		if photo.Fault != nil {
			refuse(v, fault.ToProto(photo.Fault))
			continue
		}
		asked = append(asked, v)
		request.Photos = append(request.Photos, photo.Picture)
	}
	if len(asked) == 0 {
		return seen, nil
	}
	faces, err := l.embed(ctx, request)
	if err != nil {
		return nil, err
	}
	var rows [][]float32
	var of []*gatewayv1.PhotoVerdict
	for i, face := range faces {
		asked[i].Figures = figures(face.GetFigures())
		if face.GetFault() != nil {
			refuse(asked[i], face.GetFault())
			continue
		}
		embedding, err := tensor.FromProto(face.GetEmbedding())
		if err != nil {
			return nil, fmt.Errorf("read the embedding of %s: %w", asked[i].GetPhoto(), err)
		}
		rows, of = append(rows, embedding.Data), append(of, asked[i])
	}
	seen.Embedding, err = person(rows, of, identity.LevelsOf(l.Similarity))
	return seen, err
}

// embed calls the encoder, and sees to it that no embedding stays behind.
func (l *Looker) embed(ctx context.Context, request *encoderv1.EmbedFacesRequest) ([]*encoderv1.EmbeddedFace, error) {
	response, err := l.Encoder.EmbedFaces(ctx, request)
	if fault.Is(err, faultv1.Reason_REASON_BLOB_MISSING) {
		// What is recorded of the call must not answer the next one, for which
		// the photo is stored again.
		err = errors.Join(err, l.forget(ctx, request))
	}
	if err != nil {
		if f := fault.From(err); f.Kind == fault.Invalid {
			// The request was ours, not the caller's.
			return nil, fmt.Errorf("look at the photos: %s", f.Message)
		}
		return nil, fmt.Errorf("look at the photos: %w", err)
	}
	if len(response.GetFaces()) != len(request.GetPhotos()) {
		return nil, fmt.Errorf("encoder answered %d faces for %d photos", len(response.GetFaces()), len(request.GetPhotos()))
	}
	return response.GetFaces(), l.forget(ctx, request)
}

func (l *Looker) forget(ctx context.Context, request *encoderv1.EmbedFacesRequest) error {
	if l.Forget == nil {
		return nil
	}
	if err := l.Forget(context.WithoutCancel(ctx), encoderv1.EncoderService_EmbedFaces_FullMethodName, request); err != nil {
		return fmt.Errorf("forget the photos: %w", err)
	}
	return nil
}

// person returns the mean embedding of those that agree, and tells each one's
// verdict how like it is to the mean of the used ones beside it.
func person(rows [][]float32, verdicts []*gatewayv1.PhotoVerdict, levels identity.Levels) ([]float32, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	kept := Agree(rows, levels)
	var used [][]float32
	for _, i := range kept {
		verdicts[i].Used = true
		used = append(used, rows[i])
	}
	for i, v := range verdicts {
		var others [][]float32
		for j, row := range rows {
			if j != i && (verdicts[j].GetUsed() || len(kept) == 0) {
				others = append(others, row)
			}
		}
		if len(others) == 0 {
			continue
		}
		similarity := likeness(rows[i], others)
		if v.Figures == nil {
			v.Figures = new(gatewayv1.PhotoFigures)
		}
		v.Figures.Similarity = new(float32(similarity))
		if !v.GetUsed() {
			refuse(v, stranger(similarity, len(kept) > 0))
		}
	}
	if len(kept) == 0 {
		return nil, nil
	}
	mean, err := identity.Mean(used)
	if err != nil {
		return nil, fmt.Errorf("average the photos: %w", err)
	}
	return mean, nil
}

func stranger(similarity float64, known bool) *faultv1.Fault {
	message := "the photo shows somebody else than most of the others (similarity %.2f): leave it out, or enrol that person too"
	if !known {
		message = "the photos show different people (similarity %.2f), and it is not clear who is meant: send photos of one person"
	}
	return fault.ToProto(fault.New(fault.Invalid, faultv1.Reason_REASON_NOT_SAME_PERSON, "", message, similarity))
}

func refuse(v *gatewayv1.PhotoVerdict, f *faultv1.Fault) {
	v.Fault = proto.CloneOf(f)
	v.Fault.Field = v.GetPhoto()
}

// figures are the encoder's as callers are told them.
func figures(f *encoderv1.FaceFigures) *gatewayv1.PhotoFigures {
	if f == nil {
		return nil
	}
	return &gatewayv1.PhotoFigures{
		FacePixels: new(f.GetFacePixels()), Sharpness: new(f.GetSharpness()), Brightness: new(f.GetBrightness()), Yaw: f.Yaw,
	}
}
