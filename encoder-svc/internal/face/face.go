// Package face chooses, aligns and embeds the face of a photo (e_f of the
// paper).
package face

import (
	"context"
	"fmt"

	"github.com/facestudio/facestudio/encoder-svc/internal/detect"
	"github.com/facestudio/facestudio/encoder-svc/internal/quality"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/tensor"
)

// MinSide is the least shorter side of a face's box, in pixels of the photo. A
// smaller face would be enlarged more than threefold for the face encoder, and
// what it shows is then mostly the enlarging.
const MinSide = 32

// Detector finds faces.
type Detector interface {
	Faces(ctx context.Context, p *imaging.RGB) ([]detect.Face, error)
	Landmarks(f detect.Face) map[string]imaging.Point
}

// Network embeds aligned faces [3,S,S].
type Network interface {
	Floats(ctx context.Context, rows []*tensor.Tensor) ([][]float32, error)
}

// Embedder embeds faces. It may be used by many goroutines.
type Embedder struct {
	detector Detector
	network  Network
	spec     bundle.FaceEncoder
	template map[string]imaging.Point
}

// New returns an embedder that aligns faces as the manifest says.
func New(detector Detector, network Network, spec bundle.FaceEncoder) *Embedder {
	e := &Embedder{detector: detector, network: network, spec: spec, template: map[string]imaging.Point{}}
	for name, p := range spec.Template.Points {
		e.template[name] = imaging.Point{X: p[0] / float64(spec.Template.Size), Y: p[1] / float64(spec.Template.Size)}
	}
	return e
}

// Aligned is a photo's face, ready for the network.
type Aligned struct {
	// Face is where it is in the photo.
	Face detect.Face
	// Figures tell how well the photo shows it; nil when no face was found.
	Figures *quality.Figures
	// Pixels is [3,S,S].
	Pixels *tensor.Tensor
}

// Demands say what a photo must be like.
type Demands struct {
	// Largest takes the largest of several faces instead of refusing them.
	Largest bool
	// Strict refuses what quality.Check does.
	Strict bool
}

// Align finds the face of a photo and aligns it. Its faults are NO_FACE_FOUND,
// SEVERAL_FACES_FOUND, unless the largest of several will do, FACE_TOO_SMALL
// and, when asked strictly, those of quality.Check. The figures of the largest
// face are there also with a fault.
func (e *Embedder) Align(ctx context.Context, photo *imaging.RGB, want Demands) (Aligned, error) {
	faces, err := e.detector.Faces(ctx, photo)
	if err != nil {
		return Aligned{}, fmt.Errorf("find the face: %w", err)
	}
	var out Aligned
	if len(faces) > 0 {
		figures := quality.Measure(photo, faces[0].Box, e.detector.Landmarks(faces[0]))
		out.Figures = &figures
	}
	chosen, err := Choose(faces, want.Largest)
	if err == nil && want.Strict {
		err = quality.Check(*out.Figures)
	}
	if err != nil {
		return out, err
	}
	out.Pixels, err = e.crop(photo, chosen)
	if err != nil {
		return out, err
	}
	out.Face = chosen
	return out, nil
}

// crop returns a face as the network takes it, [3,S,S]; NO_FACE_FOUND when its
// landmarks make no face.
func (e *Embedder) crop(photo *imaging.RGB, f detect.Face) (*tensor.Tensor, error) {
	edge := imaging.Black
	if e.spec.Fill == "edge" {
		edge = imaging.Replicate
	}
	crop, _, err := imaging.Align(photo, e.detector.Landmarks(f), e.template, e.spec.Size, e.spec.Size, edge)
	if err != nil {
		return nil, noFace()
	}
	pixels := tensor.New(3, int64(e.spec.Size), int64(e.spec.Size))
	crop.Plane(pixels.Data, e.spec.Mean, e.spec.Std)
	return pixels, nil
}

// Choose returns the one face, or the largest when several are allowed; faces
// are the largest first. Faces that are too small do not count beside one that
// is not: they are passers-by.
func Choose(faces []detect.Face, largest bool) (detect.Face, error) {
	if len(faces) == 0 {
		return detect.Face{}, noFace()
	}
	if side := side(faces[0]); side < MinSide {
		return detect.Face{}, fault.New(fault.Invalid, faultv1.Reason_REASON_FACE_TOO_SMALL, "",
			"the face is %.0f pixels wide, at least %d are needed: send a closer photo", side, MinSide)
	}
	if !largest && len(faces) > 1 && side(faces[1]) >= MinSide {
		return detect.Face{}, fault.New(fault.Invalid, faultv1.Reason_REASON_SEVERAL_FACES_FOUND, "",
			"the photo has several faces: crop it to the person")
	}
	return faces[0], nil
}

func side(f detect.Face) float64 { return min(f.Box.W, f.Box.H) }

func noFace() error {
	return fault.New(fault.Invalid, faultv1.Reason_REASON_NO_FACE_FOUND, "",
		"no face was found: send a photo with the whole face in view")
}

// Embed returns the embedding of each aligned face, unit length.
func (e *Embedder) Embed(ctx context.Context, faces []Aligned) ([][]float32, error) {
	rows := make([]*tensor.Tensor, len(faces))
	for i, f := range faces {
		rows[i] = f.Pixels
	}
	embeddings, err := e.network.Floats(ctx, rows)
	if err != nil {
		return nil, fmt.Errorf("embed the faces: %w", err)
	}
	for i := range embeddings {
		if err := tensor.Normalize(embeddings[i]); err != nil {
			return nil, fmt.Errorf("embed the faces: %w", err)
		}
	}
	return embeddings, nil
}

// WarmUp runs the network once, on a face of nothing.
func (e *Embedder) WarmUp(ctx context.Context) error {
	size := int64(e.spec.Size)
	_, err := e.network.Floats(ctx, []*tensor.Tensor{tensor.New(3, size, size)})
	return err
}
