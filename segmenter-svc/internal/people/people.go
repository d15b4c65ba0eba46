// Package people finds which pixels of a picture belong to which person: the
// masks M^i of the paper (3.2), one for each face.
package people

import (
	"context"
	"fmt"
	"math"

	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/tensor"
)

// maxSide bounds the longer side of what the network is given, pixels: masks
// are smooth, and its time and memory grow with the area.
const maxSide = 512

// Network computes the mask [1,H,W], 0..1, of each input [4,H,W].
type Network interface {
	Masks(ctx context.Context, inputs []*tensor.Tensor) ([]*tensor.Tensor, error)
}

// Segmenter finds the pixels of people. It may be used by many goroutines.
type Segmenter struct {
	network Network
	spec    bundle.Segmenter
	pixels  bundle.Pixels
}

// New returns a segmenter that prepares pictures as the manifest says.
func New(network Network, spec bundle.Segmenter, pixels bundle.Pixels) *Segmenter {
	return &Segmenter{network: network, spec: spec, pixels: pixels}
}

// Masks returns a w x h mask for each face, in the same order, 255 where the
// pixel surely is the person's. At each pixel they sum to at most 255: where
// several people are claimed, each gets its share of the claim.
func (s *Segmenter) Masks(ctx context.Context, p *imaging.RGB, faces []imaging.Box, w, h int) ([]*imaging.Gray, error) {
	scale := min(1, maxSide/float64(max(p.W, p.H)))
	sw, sh := max(1, int(math.Round(float64(p.W)*scale))), max(1, int(math.Round(float64(p.H)*scale)))
	small := imaging.Resize(p, sw, sh)
	sx, sy := float64(sw)/float64(p.W), float64(sh)/float64(p.H)

	inputs := make([]*tensor.Tensor, len(faces))
	for i, face := range faces {
		inputs[i] = s.input(small, imaging.Box{X: face.X * sx, Y: face.Y * sy, W: face.W * sx, H: face.H * sy})
	}
	outputs, err := s.network.Masks(ctx, inputs)
	if err != nil {
		return nil, fmt.Errorf("segment the people: %w", err)
	}
	planes := make([][]float32, len(faces))
	for i, out := range outputs {
		width := int(out.Dim(-1))
		planes[i] = make([]float32, 0, sw*sh)
		for y := range sh {
			planes[i] = append(planes[i], out.Data[y*width:y*width+sw]...)
		}
	}
	share(planes)
	masks := make([]*imaging.Gray, len(faces))
	for i, plane := range planes {
		masks[i] = imaging.ResizeGray(floor(plane, sw, sh), w, h)
	}
	trim(masks)
	return masks, nil
}

// input makes [4,H,W] of a picture and the box of one face in it: the pixels,
// and a plane that is 1 where the middle of a pixel is inside the box. To the
// right and below, the picture's last pixels are repeated up to the multiple
// that the network needs.
func (s *Segmenter) input(p *imaging.RGB, box imaging.Box) *tensor.Tensor {
	w, h := roundUp(p.W, s.spec.MultipleOf), roundUp(p.H, s.spec.MultipleOf)
	padded := imaging.NewRGB(w, h)
	for y := range h {
		row := p.Pix[3*min(y, p.H-1)*p.W:]
		for x := range w {
			copy(padded.Pix[3*(y*w+x):3*(y*w+x)+3], row[3*min(x, p.W-1):])
		}
	}
	t := tensor.New(4, int64(h), int64(w))
	area := w * h
	padded.Plane(t.Data[:3*area], s.pixels.Mean, s.pixels.Std)
	cue := t.Data[3*area:]
	inside := func(at, from, length float64) bool { return at >= from && at < from+length }
	for y := range p.H {
		for x := range p.W {
			if inside(float64(x)+0.5, box.X, box.W) && inside(float64(y)+0.5, box.Y, box.H) {
				cue[y*w+x] = 1
			}
		}
	}
	return t
}

func roundUp(n, multiple int) int { return (n + multiple - 1) / multiple * multiple }

// share divides, at each pixel, all masks by their sum where it is above 1.
func share(planes [][]float32) {
	for i := range planes[0] {
		var sum float32
		for _, plane := range planes {
			sum += plane[i]
		}
		if sum > 1 {
			for _, plane := range planes {
				plane[i] /= sum
			}
		}
	}
}

// floor makes levels of 0..1, rounded down so that they sum to no more than
// before.
func floor(plane []float32, w, h int) *imaging.Gray {
	g := imaging.NewGray(w, h)
	for i, v := range plane {
		g.Pix[i] = uint8(255 * max(0, min(1, v)))
	}
	return g
}

// trim takes back, from the largest mask of a pixel, what rounding in a resize
// added above 255.
func trim(masks []*imaging.Gray) {
	for i := range masks[0].Pix {
		sum, largest := 0, masks[0]
		for _, m := range masks {
			sum += int(m.Pix[i])
			if m.Pix[i] > largest.Pix[i] {
				largest = m
			}
		}
		if sum > 255 {
			largest.Pix[i] -= uint8(sum - 255)
		}
	}
}
