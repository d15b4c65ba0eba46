package flow

import (
	"math"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/mask"
)

// minHead is the least shorter side of a face that is made anew in its place,
// pixels of the photo: the encoder needs as much to tell who a face is, so what
// is made smaller could not be told apart from anybody.
const minHead = 32

// align returns the transform that takes a face of a w x h photo to the canvas,
// upright and at the framing's place. Its faults are about the style picture: a
// face that is too small, that the photo's border cuts, or whose landmarks tell
// no pose.
func (r *run) align(face *mediav1.Face, person, w, h int) (imaging.Affine, error) {
	if side := min(face.GetBox().GetWidth(), face.GetBox().GetHeight()); side < minHead {
		return imaging.Affine{}, fault.New(fault.Invalid, faultv1.Reason_REASON_FACE_TOO_SMALL, styleField,
			"the face of person %d is %.0f pixels wide in the photo, at least %d are needed in place: send a larger photo, or place nobody there", person, side, minHead)
	}
	cw, ch := r.width(), r.height()
	move, err := imaging.Fit(landmarks(face), imaging.OnCanvas(unit(r.set.Framing.Template), cw, ch))
	if err != nil {
		return imaging.Affine{}, notWhole(person)
	}
	back, ok := move.Invert()
	if !ok {
		return imaging.Affine{}, notWhole(person)
	}
	_, around := headOn(r.set.Framing.Template, cw, ch)
	for _, p := range []imaging.Point{
		{X: around.X - around.RX, Y: around.Y}, {X: around.X + around.RX, Y: around.Y},
		{X: around.X, Y: around.Y - around.RY}, {X: around.X, Y: around.Y + around.RY},
	} {
		at := back.Apply(p)
		if !(at.X >= 0 && at.Y >= 0 && at.X <= float64(w-1) && at.Y <= float64(h-1)) {
			return imaging.Affine{}, notWhole(person)
		}
	}
	return move, nil
}

func notWhole(person int) error {
	return fault.New(fault.Invalid, faultv1.Reason_REASON_NO_FACE_FOUND, styleField,
		"the face of person %d is not whole in the photo: send one in which no border cuts it, or place nobody there", person)
}

// headOn returns the ellipses around a head and around its face on a canvas, by
// the framing's template: with e the height of the eyes and m that of the
// mouth, d = m - e, the head spans from 1.7 d above the eyes to 0.8 d below the
// mouth, the face from the brows to below the chin. They are measured at the
// portraits that the bundles are trained on.
func headOn(t bundle.Template, w, h int) (head, face mask.Ellipse) {
	left, right, eyes, mouth := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, p := range imaging.OnCanvas(unit(t), w, h) {
		left, right = min(left, p.X), max(right, p.X)
		eyes, mouth = min(eyes, p.Y), max(mouth, p.Y)
	}
	x, d := (left+right)/2, mouth-eyes
	head = mask.Ellipse{X: x, Y: eyes + 0.05*d, RX: 1.6 * d, RY: 1.75 * d}
	face = mask.Ellipse{X: x, Y: eyes + 0.55*d, RX: 0.75 * d, RY: d}
	return head, face
}
