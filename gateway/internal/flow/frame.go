package flow

import (
	"math"
	"slices"

	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/imaging"
)

const (
	// maxBoxes is how many faces of a style picture are masked: the encoder takes
	// no more, and further ones are specks.
	maxBoxes = 16
	// headShare is the part of a framed portrait that the head takes, hair
	// included, in both directions about its middle.
	headShare = 0.86
	// squareOfBox is the side of the framed portrait in widths of the face's box,
	// for a face whose landmarks say nothing.
	squareOfBox = 2.1
)

// frame returns the transform that puts a picture of srcW x srcH pixels on a
// w x h canvas: one person by the landmarks of the face, several so that all
// of them are in view, nobody by the picture's middle. regions are places of
// people without a face. It never stretches.
func frame(srcW, srcH int, people []*mediav1.Face, regions []imaging.Box, how bundle.Framing, w, h int) imaging.Affine {
	template := unit(how.Template)
	if len(people) == 1 && len(regions) == 0 {
		if fit, err := imaging.Fit(landmarks(people[0]), imaging.OnCanvas(template, w, h)); err == nil {
			return fit
		}
		return middle(srcW, srcH, w, h)
	}
	if len(people)+len(regions) == 0 {
		return middle(srcW, srcH, w, h)
	}
	return inView(srcW, srcH, people, regions, template, w, h)
}

// inView is the transform for several people. Their heads come as large as the
// template has one, by the median, or smaller where otherwise one would be cut;
// then they are in the middle, as far as the canvas does not leave the picture.
func inView(srcW, srcH int, people []*mediav1.Face, regions []imaging.Box, template map[string]imaging.Point, w, h int) imaging.Affine {
	var heads []imaging.Box
	var sides []float64
	for _, face := range people {
		square := portrait(face, template)
		sides = append(sides, square.W)
		trim := (1 - headShare) / 2 * square.W
		heads = append(heads, imaging.Box{X: square.X + trim, Y: square.Y + trim, W: headShare * square.W, H: headShare * square.W})
	}
	all := union(append(heads, regions...))
	scale := min(float64(w)/all.W, float64(h)/all.H)
	if len(sides) > 0 {
		slices.Sort(sides)
		scale = min(scale, float64(min(w, h))/sides[len(sides)/2])
	}
	return imaging.Affine{
		scale, 0, shift(scale, all.X, all.W, srcW, w),
		0, scale, shift(scale, all.Y, all.H, srcH, h),
	}
}

// shift is the offset, along one axis, that puts the length from start into the
// middle of a canvas, moved so far that the canvas shows no more than the
// picture where that can be, with the length in view.
func shift(scale, start, length float64, src, canvas int) float64 {
	at := float64(canvas)/2 - scale*(start+length/2)
	if scaled := scale * float64(src); scaled >= float64(canvas) {
		at = max(float64(canvas)-scaled, min(at, 0))
	}
	first, last := -scale*start, float64(canvas)-scale*(start+length)
	return max(min(first, last), min(at, max(first, last)))
}

// portrait is the square of the picture that the template frames about a face.
func portrait(face *mediav1.Face, template map[string]imaging.Point) imaging.Box {
	if fit, err := imaging.Fit(landmarks(face), template); err == nil {
		if back, ok := fit.Invert(); ok && fit.Scale() > 0 {
			side := 1 / fit.Scale()
			c := back.Apply(imaging.Point{X: 0.5, Y: 0.5})
			return imaging.Box{X: c.X - side/2, Y: c.Y - side/2, W: side, H: side}
		}
	}
	b := boxOf(face.GetBox())
	side := squareOfBox * max(b.W, b.H)
	return imaging.Box{X: b.X + b.W/2 - side/2, Y: b.Y + b.H/2 - side/2, W: side, H: side}
}

func union(boxes []imaging.Box) imaging.Box {
	x0, y0, x1, y1 := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, b := range boxes {
		x0, y0, x1, y1 = min(x0, b.X), min(y0, b.Y), max(x1, b.X+b.W), max(y1, b.Y+b.H)
	}
	return imaging.Box{X: x0, Y: y0, W: x1 - x0, H: y1 - y0}
}

// boxesOn moves the boxes of faces to the canvas and cuts them to it; nil for
// those of which less than a pixel is left.
func boxesOn(move imaging.Affine, faces []*mediav1.Face, w, h int) []*mediav1.Box {
	boxes := make([]*mediav1.Box, len(faces))
	for i, face := range faces {
		moved := move.ApplyBox(boxOf(face.GetBox()))
		x0, y0 := max(moved.X, 0), max(moved.Y, 0)
		x1, y1 := min(moved.X+moved.W, float64(w)), min(moved.Y+moved.H, float64(h))
		if x1-x0 >= 1 && y1-y0 >= 1 {
			boxes[i] = boxMessage(imaging.Box{X: x0, Y: y0, W: x1 - x0, H: y1 - y0})
		}
	}
	return boxes
}

// edgeOf is what is outside the picture on the canvas.
func edgeOf(how bundle.Framing) imaging.Edge {
	if how.Fill == "black" {
		return imaging.Black
	}
	return imaging.Replicate
}

// middle is the transform that fills the canvas with the middle of a picture.
func middle(srcW, srcH, w, h int) imaging.Affine {
	s := max(float64(w)/float64(srcW), float64(h)/float64(srcH))
	return imaging.Affine{
		s, 0, (float64(w-1) - s*float64(srcW-1)) / 2,
		0, s, (float64(h-1) - s*float64(srcH-1)) / 2,
	}
}

func landmarks(face *mediav1.Face) map[string]imaging.Point {
	points := make(map[string]imaging.Point, len(face.GetLandmarks()))
	for _, l := range face.GetLandmarks() {
		points[l.GetName()] = imaging.Point{X: float64(l.GetPoint().GetX()), Y: float64(l.GetPoint().GetY())}
	}
	return points
}

// unit is a bundle's template as fractions of its square.
func unit(t bundle.Template) map[string]imaging.Point {
	points := make(map[string]imaging.Point, len(t.Points))
	for name, p := range t.Points {
		points[name] = imaging.Point{X: p[0] / float64(t.Size), Y: p[1] / float64(t.Size)}
	}
	return points
}
