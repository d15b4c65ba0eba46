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
	// smallFace is the share of the longer side below which a face is small:
	// where the largest is, there may be others that are too small to be seen
	// in the whole picture.
	smallFace = 0.25
	// windowThreshold is the least score of a face that was found in a part: with
	// more tries, chance finds need a higher one.
	windowThreshold = 0.75
	// sameFace is the share of the smaller box from which on two finds at
	// different scales are one face.
	sameFace = 0.5
)

// Faces returns the faces of the picture, the largest first; none is no error.
// Faces that are small in the network's view are looked at again from nearby.
// A picture in which none is found is looked at again without padding. A large
// picture with no face or only small ones is also looked at in nine
// overlapping parts of half its size.
func (d *Detector) Faces(ctx context.Context, p *imaging.RGB) ([]Face, error) {
	found, err := d.look(ctx, p, d.spec.Input.Pad)
	if err == nil && len(found) == 0 && d.spec.Input.Pad > tightPad {
		found, err = d.look(ctx, p, tightPad)
	}
	if err != nil {
		return nil, err
	}
	longer := float64(max(p.W, p.H))
	isLarge := func(f Face) bool { return max(f.Box.W, f.Box.H) >= smallFace*longer }
	if longer >= minWindows && !slices.ContainsFunc(found, isLarge) {
		parts, err := d.windows(ctx, p, 2)
		if err == nil && len(found)+len(parts) == 0 && longer >= 2*minWindows {
			parts, err = d.windows(ctx, p, 3)
		}
		if err != nil {
			return nil, err
		}
		found = distinct(append(found, parts...))
	}
	largestFirst(found)
	if err := d.refine(ctx, p, found[:min(len(found), maxRefined)]); err != nil {
		return nil, err
	}
	largestFirst(found)
	return found, nil
}

func largestFirst(faces []Face) {
	slices.SortStableFunc(faces, func(a, b Face) int { return cmp.Compare(b.Box.W*b.Box.H, a.Box.W*a.Box.H) })
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
