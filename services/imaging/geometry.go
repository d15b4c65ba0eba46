package imaging

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
)

// Point is a position in a picture, in pixels; fractions allowed.
type Point struct{ X, Y float64 }

// Box is an upright rectangle in a picture, in pixels: left and top edge,
// width and height.
type Box struct{ X, Y, W, H float64 }

// Affine is a 2x3 matrix, row by row: x' = m0 x + m1 y + m2 and
// y' = m3 x + m4 y + m5.
type Affine [6]float64

// Apply returns where m takes p.
func (m Affine) Apply(p Point) Point {
	return Point{m[0]*p.X + m[1]*p.Y + m[2], m[3]*p.X + m[4]*p.Y + m[5]}
}

// ApplyBox returns the upright box around where m takes the corners of b.
func (m Affine) ApplyBox(b Box) Box {
	first := m.Apply(Point{b.X, b.Y})
	x0, y0, x1, y1 := first.X, first.Y, first.X, first.Y
	for _, p := range []Point{{b.X + b.W, b.Y}, {b.X, b.Y + b.H}, {b.X + b.W, b.Y + b.H}} {
		q := m.Apply(p)
		x0, y0, x1, y1 = min(x0, q.X), min(y0, q.Y), max(x1, q.X), max(y1, q.Y)
	}
	return Box{X: x0, Y: y0, W: x1 - x0, H: y1 - y0}
}

// Invert returns the transform that undoes m; false when there is none.
func (m Affine) Invert() (Affine, bool) {
	det := m[0]*m[4] - m[1]*m[3]
	if det == 0 || math.IsNaN(det) || math.IsInf(det, 0) {
		return Affine{}, false
	}
	a, b, d, e := m[4]/det, -m[1]/det, -m[3]/det, m[0]/det
	return Affine{a, b, -(a*m[2] + b*m[5]), d, e, -(d*m[2] + e*m[5])}, true
}

// After returns the transform that does first and then m.
func (m Affine) After(first Affine) Affine {
	return Affine{
		m[0]*first[0] + m[1]*first[3], m[0]*first[1] + m[1]*first[4], m[0]*first[2] + m[1]*first[5] + m[2],
		m[3]*first[0] + m[4]*first[3], m[3]*first[1] + m[4]*first[4], m[3]*first[2] + m[4]*first[5] + m[5],
	}
}

// Scale returns by how much m enlarges lengths, for a similarity.
func (m Affine) Scale() float64 {
	return math.Sqrt(math.Abs(m[0]*m[4] - m[1]*m[3]))
}

// Similarity returns the rotation, scale and shift, without reflection, that
// take the points from nearest to the points to, by least squares. With the
// means taken off, p = (x, y) and q = (u, v):
//
//	a = sum(xu + yv) / sum(xx + yy), b = sum(xv - yu) / sum(xx + yy)
//
// and the linear part is [[a, -b], [b, a]] (Umeyama 1991, in two dimensions).
// It fails with fewer than two distinct points.
func Similarity(from, to []Point) (Affine, error) {
	if len(from) != len(to) || len(from) < 2 {
		return Affine{}, fmt.Errorf("similarity needs two or more pairs of points, not %d and %d", len(from), len(to))
	}
	mf, mt := centre(from), centre(to)
	var a, b, norm float64
	for i := range from {
		x, y := from[i].X-mf.X, from[i].Y-mf.Y
		u, v := to[i].X-mt.X, to[i].Y-mt.Y
		a += x*u + y*v
		b += x*v - y*u
		norm += x*x + y*y
	}
	if !(norm > 1e-6) || math.IsInf(norm, 0) {
		return Affine{}, errors.New("similarity: the points coincide")
	}
	a, b = a/norm, b/norm
	return Affine{a, -b, mt.X - a*mf.X + b*mf.Y, b, a, mt.Y - b*mf.X - a*mf.Y}, nil
}

func centre(points []Point) Point {
	var c Point
	for _, p := range points {
		c.X += p.X
		c.Y += p.Y
	}
	n := float64(len(points))
	return Point{c.X / n, c.Y / n}
}

// Fit returns the similarity from landmarks to a template of named points,
// using those that both have, in the order of their names.
func Fit(landmarks, template map[string]Point) (Affine, error) {
	var from, to []Point
	for _, name := range slices.Sorted(maps.Keys(template)) {
		if p, ok := landmarks[name]; ok {
			from, to = append(from, p), append(to, template[name])
		}
	}
	return Similarity(from, to)
}

// ArcFace112 and Portrait name the built-in templates.
const (
	// ArcFace112 is the alignment that face encoders of the ArcFace family are
	// trained on, mouth being the mean of its two corners.
	ArcFace112 = "arcface-112"
	// Portrait is the framing of FFHQ at 128 pixels.
	Portrait = "ffhq-128"
)

// Template returns a built-in template by name, as fractions of the square's
// side, so that any canvas works: multiply by the side. False: no such name.
func Template(name string) (map[string]Point, bool) {
	switch name {
	case ArcFace112:
		return unit(112, map[string]Point{
			"right_eye": {38.2946, 51.6963}, "left_eye": {73.5318, 51.5014}, "nose": {56.0252, 71.7366}, "mouth": {56.1396, 92.2848},
		}), true
	case Portrait:
		return unit(128, map[string]Point{
			"right_eye": {47, 59}, "left_eye": {80, 59}, "nose": {63.5, 78}, "mouth": {63.5, 94},
		}), true
	default:
		return nil, false
	}
}

func unit(size float64, points map[string]Point) map[string]Point {
	for name, p := range points {
		points[name] = Point{p.X / size, p.Y / size}
	}
	return points
}

// OnCanvas places a unit-square template on a canvas: scaled to the shorter
// side and centred along the longer.
func OnCanvas(template map[string]Point, w, h int) map[string]Point {
	side := float64(min(w, h))
	dx, dy := (float64(w)-side)/2, (float64(h)-side)/2
	placed := make(map[string]Point, len(template))
	for name, p := range template {
		placed[name] = Point{p.X*side + dx, p.Y*side + dy}
	}
	return placed
}
