// Package detect finds the faces of a picture with a network of the BlazeFace
// family (Bazarevsky et al. 2019, arXiv 1907.05047): what goes into the network
// and what its outputs mean. All numbers come from the bundle's manifest.
package detect

import (
	"cmp"
	"context"
	"slices"

	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/tensor"
)

// Face is one face of a picture, in its pixels.
type Face struct {
	// Box is where the face is: brows to chin.
	Box imaging.Box
	// Score is the confidence, 0..1.
	Score float64
	// Points are the landmarks in the order of the manifest.
	Points []imaging.Point
}

// Network computes each anchor's logit and its values [4+2P].
type Network interface {
	Candidates(ctx context.Context, pixels *tensor.Tensor) (logits, values []float32, err error)
}

// Detector finds faces. It may be used by many goroutines.
type Detector struct {
	network Network
	spec    bundle.FaceDetector
	anchors []imaging.Point
}

// New returns a detector that runs the network as the manifest describes it.
func New(network Network, spec bundle.FaceDetector) *Detector {
	return &Detector{network: network, spec: spec, anchors: anchors(spec)}
}

// Names are the landmarks' names, in the order of Face.Points.
func (d *Detector) Names() []string { return d.spec.Points }

// Landmarks returns a face's points by name.
func (d *Detector) Landmarks(f Face) map[string]imaging.Point {
	named := make(map[string]imaging.Point, len(f.Points))
	for i, p := range f.Points {
		named[d.spec.Points[i]] = p
	}
	return named
}

const (
	// tightPad is for pictures in which no face was found at the manifest's
	// padding: without any, a small face has more pixels.
	tightPad = 1
	// minWindows is from which longer side on parts of the picture are looked
	// at one by one, pixels.
	minWindows = 256
	// windowThreshold is the least score of a face that was found in a part: with
	// more tries, chance finds need a higher one.
	windowThreshold = 0.75
)

// Faces returns the faces of the picture, the largest first; none is no error.
// A picture in which none is found is looked at again without padding, and,
// when it is large, in nine overlapping parts of half its size.
func (d *Detector) Faces(ctx context.Context, p *imaging.RGB) ([]Face, error) {
	found, err := d.look(ctx, p, d.spec.Input.Pad)
	if err == nil && len(found) == 0 && d.spec.Input.Pad > tightPad {
		found, err = d.look(ctx, p, tightPad)
	}
	if err == nil && len(found) == 0 && max(p.W, p.H) >= minWindows {
		found, err = d.windows(ctx, p)
	}
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(found, func(a, b Face) int { return cmp.Compare(b.Box.W*b.Box.H, a.Box.W*a.Box.H) })
	return found, nil
}

// look runs the network once on the whole picture.
func (d *Detector) look(ctx context.Context, p *imaging.RGB, pad float64) ([]Face, error) {
	pixels, box := d.letterbox(p, pad)
	logits, values, err := d.network.Candidates(ctx, pixels)
	if err != nil {
		return nil, err
	}
	return d.Decode(logits, values, box), nil
}

// windows looks at nine parts of the picture and merges what they show.
func (d *Detector) windows(ctx context.Context, p *imaging.RGB) ([]Face, error) {
	var all []Face
	w, h := (p.W+1)/2, (p.H+1)/2
	for row := range 3 {
		for column := range 3 {
			x, y := (p.W-w)*column/2, (p.H-h)*row/2
			found, err := d.look(ctx, crop(p, x, y, w, h), tightPad)
			if err != nil {
				return nil, err
			}
			for _, f := range found {
				if f.Score >= windowThreshold {
					all = append(all, f.shifted(float64(x), float64(y)))
				}
			}
		}
	}
	return merge(all, d.spec.Overlap), nil
}

func (f Face) shifted(dx, dy float64) Face {
	f.Box.X, f.Box.Y = f.Box.X+dx, f.Box.Y+dy
	f.Points = slices.Clone(f.Points)
	for i := range f.Points {
		f.Points[i].X, f.Points[i].Y = f.Points[i].X+dx, f.Points[i].Y+dy
	}
	return f
}
