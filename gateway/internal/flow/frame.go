package flow

import (
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/imaging"
)

// maxBoxes is how many faces of a style picture are masked: the encoder takes
// no more, and further ones are specks.
const maxBoxes = 16

// frame puts a picture on a w x h canvas: by the landmarks of the first face
// where that can be, else its middle. It returns the boxes of the faces that
// are on the canvas, in the given order; none if the first one is not.
func frame(src *imaging.RGB, faces []*mediav1.Face, how bundle.Framing, w, h int) (*imaging.RGB, []*mediav1.Box) {
	edge := imaging.Replicate
	if how.Fill == "black" {
		edge = imaging.Black
	}
	var boxes []*mediav1.Box
	move := middle(src, w, h)
	if len(faces) > 0 {
		if fit, err := imaging.Fit(landmarks(faces[0]), imaging.OnCanvas(unit(how.Template), w, h)); err == nil {
			move = fit
		}
	}
	for i, face := range faces[:min(len(faces), maxBoxes)] {
		box, ok := onCanvas(move, face.GetBox(), w, h)
		if ok {
			boxes = append(boxes, box)
		} else if i == 0 {
			break
		}
	}
	return imaging.Warp(src, move, w, h, edge), boxes
}

// middle is the transform that fills the canvas with the middle of a picture.
func middle(src *imaging.RGB, w, h int) imaging.Affine {
	s := max(float64(w)/float64(src.W), float64(h)/float64(src.H))
	return imaging.Affine{
		s, 0, (float64(w-1) - s*float64(src.W-1)) / 2,
		0, s, (float64(h-1) - s*float64(src.H-1)) / 2,
	}
}

// onCanvas moves a box and cuts it to the canvas; false when less than a pixel
// is left.
func onCanvas(move imaging.Affine, b *mediav1.Box, w, h int) (*mediav1.Box, bool) {
	moved := move.ApplyBox(imaging.Box{
		X: float64(b.GetX()), Y: float64(b.GetY()), W: float64(b.GetWidth()), H: float64(b.GetHeight()),
	})
	x0, y0 := max(moved.X, 0), max(moved.Y, 0)
	x1, y1 := min(moved.X+moved.W, float64(w)), min(moved.Y+moved.H, float64(h))
	if !(x1-x0 >= 1 && y1-y0 >= 1) {
		return nil, false
	}
	return &mediav1.Box{X: float32(x0), Y: float32(y0), Width: float32(x1 - x0), Height: float32(y1 - y0)}, true
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
