package imaging

import "math"

// Edge says what is outside a picture.
type Edge uint8

const (
	// Black is black outside.
	Black Edge = iota
	// Replicate repeats the nearest pixel.
	Replicate
)

// Warp returns the w x h picture that m makes of src: m takes source positions
// to positions in the result. Sampling is bilinear. Where m shrinks by two or
// more, whole blocks of source pixels are averaged first, so that fine detail
// does not turn into false patterns. A transform without an inverse gives
// black.
func Warp(src *RGB, m Affine, w, h int, edge Edge) *RGB {
	dst := NewRGB(w, h)
	if s := m.Scale(); s > 0 && s <= 0.5 {
		k := int(min(1/s, float64(max(src.W, src.H))))
		src = shrink(src, k)
		// Block i of k pixels has its centre at k*i + (k-1)/2.
		f, o := float64(k), float64(k-1)/2
		m = Affine{m[0] * f, m[1] * f, m[2] + (m[0]+m[1])*o, m[3] * f, m[4] * f, m[5] + (m[3]+m[4])*o}
	}
	inv, ok := m.Invert()
	if !ok {
		return dst
	}
	for y := range h {
		for x := range w {
			p := inv.Apply(Point{float64(x), float64(y)})
			v := sample(src, p, edge)
			copy(dst.Pix[3*(y*w+x):], v[:])
		}
	}
	return dst
}

// sample returns the bilinear value at p, rounded.
func sample(src *RGB, p Point, edge Edge) [3]uint8 {
	if edge == Replicate {
		p.X = max(0, min(p.X, float64(src.W-1)))
		p.Y = max(0, min(p.Y, float64(src.H-1)))
	}
	// Also false for NaN.
	if !(p.X > -1 && p.Y > -1 && p.X < float64(src.W) && p.Y < float64(src.H)) {
		return [3]uint8{}
	}
	fx, fy := math.Floor(p.X), math.Floor(p.Y)
	x, y := int(fx), int(fy)
	dx, dy := p.X-fx, p.Y-fy
	var sum [3]float64
	add := func(x, y int, weight float64) {
		if weight == 0 || x < 0 || y < 0 || x >= src.W || y >= src.H {
			return
		}
		i := 3 * (y*src.W + x)
		for c := range 3 {
			sum[c] += weight * float64(src.Pix[i+c])
		}
	}
	add(x, y, (1-dx)*(1-dy))
	add(x+1, y, dx*(1-dy))
	add(x, y+1, (1-dx)*dy)
	add(x+1, y+1, dx*dy)
	return [3]uint8{uint8(sum[0] + 0.5), uint8(sum[1] + 0.5), uint8(sum[2] + 0.5)}
}

// shrink averages blocks of k x k pixels; blocks at the far edges may be cut.
func shrink(src *RGB, k int) *RGB {
	dst := NewRGB((src.W+k-1)/k, (src.H+k-1)/k)
	sums := make([]uint64, 3*dst.W)
	for by := range dst.H {
		clear(sums)
		y1 := min((by+1)*k, src.H)
		for y := by * k; y < y1; y++ {
			row := src.Pix[3*y*src.W : 3*(y+1)*src.W]
			for x := range src.W {
				s := sums[3*(x/k):]
				s[0] += uint64(row[3*x])
				s[1] += uint64(row[3*x+1])
				s[2] += uint64(row[3*x+2])
			}
		}
		for bx := range dst.W {
			n := uint64((min((bx+1)*k, src.W) - bx*k) * (y1 - by*k))
			for c := range 3 {
				dst.Pix[3*(by*dst.W+bx)+c] = uint8((sums[3*bx+c] + n/2) / n)
			}
		}
	}
	return dst
}

// Align returns the w x h picture in which the landmarks of src lie on the
// template's points, given as fractions of the canvas' shorter side (see
// OnCanvas), and the transform from src to it. It fails when fewer than two
// distinct landmarks are in the template.
func Align(src *RGB, landmarks, template map[string]Point, w, h int, edge Edge) (*RGB, Affine, error) {
	m, err := Fit(landmarks, OnCanvas(template, w, h))
	if err != nil {
		return nil, Affine{}, err
	}
	return Warp(src, m, w, h, edge), m, nil
}

// Frame puts a portrait on a w x h canvas as the training pictures are framed:
// Align with the Portrait template, edges repeated.
func Frame(src *RGB, landmarks map[string]Point, w, h int) (*RGB, Affine, error) {
	template, _ := Template(Portrait)
	return Align(src, landmarks, template, w, h, Replicate)
}

// FillBox fills b, its sides times scale about its centre, rounded outwards to
// whole pixels and cut to the picture.
func FillBox(p *RGB, b Box, scale float64, fill [3]uint8) {
	cx, cy := b.X+b.W/2, b.Y+b.H/2
	bound := func(v float64, limit int) int { return int(max(0, min(v, float64(limit)))) }
	x0, y0 := bound(math.Floor(cx-scale*b.W/2), p.W), bound(math.Floor(cy-scale*b.H/2), p.H)
	x1, y1 := bound(math.Ceil(cx+scale*b.W/2), p.W), bound(math.Ceil(cy+scale*b.H/2), p.H)
	for y := y0; y < y1; y++ {
		for x := x0; x < x1; x++ {
			copy(p.Pix[3*(y*p.W+x):], fill[:])
		}
	}
}
