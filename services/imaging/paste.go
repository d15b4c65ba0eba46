package imaging

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Patch is a part of a photo that was made anew on a canvas of its own, on its
// way back.
type Patch struct {
	// Made is the new picture of the canvas.
	Made *RGB
	// Crop is the photo on the canvas, as Warp by Move made it.
	Crop *RGB
	// Matte is how much of each canvas pixel is new, 0..1, [H,W]. What its
	// outermost pixels hold is not used: nothing new reaches the canvas' border.
	Matte []float32
	// Move takes positions of the photo to positions on the canvas. It must be
	// a similarity.
	Move Affine
}

// Paste returns the photo with the patches put back at the photo's own
// resolution. With P the photo, G_k patch k as Move brings it to the photo, m_k
// its matte and h_k the colour match of its seam (see Seam), all at one pixel:
//
//	P' = P + sum_k m_k (G_k + h_k - P) / max(1, sum_k m_k)
//
// so the order of the patches does not matter, and where mattes overlap each
// has its share. A pixel whose mattes are all 0 keeps its very bytes. A patch
// that grows is interpolated by cubics (Catmull and Rom 1974, which goes
// through the made pixels); one that shrinks is averaged by area first. It
// fails when a patch's parts have other sizes than its Made, or Move has no
// inverse.
func Paste(photo *RGB, patches []Patch) (*RGB, error) {
	pasted := make([]patch, len(patches))
	for i, p := range patches {
		ready, err := p.ready(photo)
		if err != nil {
			return nil, fmt.Errorf("patch %d: %w", i, err)
		}
		pasted[i] = ready
	}
	out := photo.Clone()
	for y := range photo.H {
		inRow := slices.DeleteFunc(slices.Clone(pasted), func(p patch) bool { return y < p.y0 || y >= p.y1 })
		if len(inRow) == 0 {
			continue
		}
		x0, x1 := photo.W, 0
		for _, p := range inRow {
			x0, x1 = min(x0, p.x0), max(x1, p.x1)
		}
		for x := x0; x < x1; x++ {
			i := 3 * (y*photo.W + x)
			blend(out.Pix[i:i+3], inRow, Point{float64(x), float64(y)})
		}
	}
	return out, nil
}

// blend changes the photo's pixel at p.
func blend(pixel []uint8, patches []patch, p Point) {
	var sum [3]float64
	var mattes float64
	for _, patch := range patches {
		at := patch.move.Apply(p)
		m := patch.matte.at(at, 0)
		if !(m > 0) {
			continue
		}
		made := patch.made.cubic(patch.onMade(at))
		for c := range 3 {
			sum[c] += m * (made[c] + patch.seam[c].at(at, 0) - float64(pixel[c]))
		}
		mattes += m
	}
	if mattes == 0 {
		return
	}
	for c := range 3 {
		v := float64(pixel[c]) + sum[c]/max(1, mattes)
		pixel[c] = uint8(max(0, min(255, math.Round(v))))
	}
}

// patch is a Patch made ready for sampling at the photo's pixels.
type patch struct {
	made  *RGB
	matte plane
	seam  [3]plane
	move  Affine
	// shrunk is the scale from the canvas to made: 1 unless it was averaged.
	shrunkX, shrunkY float64
	// The photo's pixels that can be new are in [x0,x1) x [y0,y1).
	x0, y0, x1, y1 int
}

func (p Patch) ready(photo *RGB) (patch, error) {
	w, h := p.Made.W, p.Made.H
	if p.Crop.W != w || p.Crop.H != h || len(p.Matte) != w*h {
		return patch{}, fmt.Errorf("it is %d x %d, its crop %d x %d and its matte has %d pixels", w, h, p.Crop.W, p.Crop.H, len(p.Matte))
	}
	back, ok := p.Move.Invert()
	if !ok {
		return patch{}, errors.New("its transform has no inverse")
	}
	r := patch{made: p.Made, move: p.Move, shrunkX: 1, shrunkY: 1, matte: plane{values: inside(p.Matte, w, h), w: w, h: h}}
	for c, values := range Seam(p.Made, p.Crop, r.matte.values) {
		r.seam[c] = plane{values: values, w: w, h: h}
	}
	if s := p.Move.Scale(); s > 1 {
		r.made = Resize(p.Made, max(1, int(math.Round(float64(w)/s))), max(1, int(math.Round(float64(h)/s))))
		r.shrunkX, r.shrunkY = float64(r.made.W)/float64(w), float64(r.made.H)/float64(h)
	}
	area := back.ApplyBox(Box{W: float64(w - 1), H: float64(h - 1)})
	bound := func(v float64, limit int) int { return int(max(0, min(v, float64(limit)))) }
	r.x0, r.x1 = bound(math.Floor(area.X), photo.W), bound(math.Ceil(area.X+area.W)+1, photo.W)
	r.y0, r.y1 = bound(math.Floor(area.Y), photo.H), bound(math.Ceil(area.Y+area.H)+1, photo.H)
	return r, nil
}

// onMade takes a position on the canvas to one in made.
func (p patch) onMade(at Point) Point {
	return Point{(at.X+0.5)*p.shrunkX - 0.5, (at.Y+0.5)*p.shrunkY - 0.5}
}

// inside is a matte that is 0 along the canvas' border, so that it fades before
// the canvas ends.
func inside(matte []float32, w, h int) []float32 {
	out := slices.Clone(matte)
	for x := range w {
		out[x], out[(h-1)*w+x] = 0, 0
	}
	for y := range h {
		out[y*w], out[y*w+w-1] = 0, 0
	}
	return out
}
