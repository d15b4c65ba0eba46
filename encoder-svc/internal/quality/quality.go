// Package quality measures how well a photo shows a face, and says what is too
// little for enrolling a person by it.
package quality

import (
	"math"

	"github.com/facestudio/facestudio/services/imaging"
)

// Figures are what was measured of a face.
type Figures struct {
	// FacePixels is the shorter side of the face's box, pixels of the photo.
	FacePixels float64
	// Sharpness is 0..1, 1 the sharpest: see Blur.
	Sharpness float64
	// Brightness is 0..1: see Brightness.
	Brightness float64
	// Yaw is how far the head is turned to its own left, degrees, -90..90: see
	// Yaw. NaN when the landmarks do not tell.
	Yaw float64
}

// measuredAt is the longer side, pixels, that a face is scaled down to before it
// is measured: that of the picture which face encoders of the ArcFace family
// see. A face that is blurred only beyond that is sharp for them.
const measuredAt = 112

// Measure returns the figures of the face in box, with the given landmarks by
// name.
func Measure(photo *imaging.RGB, box imaging.Box, landmarks map[string]imaging.Point) Figures {
	level := luma(crop(photo, box))
	return Figures{
		FacePixels: min(box.W, box.H),
		Sharpness:  1 - Blur(level.values, level.w, level.h),
		Brightness: Brightness(level.values),
		Yaw:        Yaw(landmarks),
	}
}

// crop returns the part of a photo in the box, scaled down to measuredAt if it
// is larger; at least one pixel.
func crop(photo *imaging.RGB, box imaging.Box) *imaging.RGB {
	inside := func(v float64, limit int) int { return int(max(0, min(math.Round(v), float64(limit)))) }
	x0, y0 := min(inside(box.X, photo.W), photo.W-1), min(inside(box.Y, photo.H), photo.H-1)
	w := max(inside(box.X+box.W, photo.W)-x0, 1)
	h := max(inside(box.Y+box.H, photo.H)-y0, 1)
	part := imaging.NewRGB(w, h)
	for y := range h {
		copy(part.Pix[3*y*w:3*(y+1)*w], photo.Pix[3*((y0+y)*photo.W+x0):])
	}
	if longer := max(w, h); longer > measuredAt {
		scale := measuredAt / float64(longer)
		part = imaging.Resize(part, max(int(float64(w)*scale+0.5), 1), max(int(float64(h)*scale+0.5), 1))
	}
	return part
}

// plane is one channel [h,w], levels 0..1.
type plane struct {
	w, h   int
	values []float64
}

// luma returns the ITU-R BT.709 luma of the coded levels.
func luma(p *imaging.RGB) plane {
	out := plane{w: p.W, h: p.H, values: make([]float64, p.W*p.H)}
	for i := range out.values {
		r, g, b := float64(p.Pix[3*i]), float64(p.Pix[3*i+1]), float64(p.Pix[3*i+2])
		out.values[i] = (0.2126*r + 0.7152*g + 0.0722*b) / 255
	}
	return out
}
