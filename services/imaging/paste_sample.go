package imaging

import "math"

// plane is one value a pixel, rows from the top.
type plane struct {
	values []float32
	w, h   int
}

// at returns the bilinear value at p, and outside the plane the given one.
func (s plane) at(p Point, outside float64) float64 {
	if !(p.X >= 0 && p.Y >= 0 && p.X <= float64(s.w-1) && p.Y <= float64(s.h-1)) {
		return outside
	}
	x, y := min(int(p.X), max(s.w-2, 0)), min(int(p.Y), max(s.h-2, 0))
	dx, dy := p.X-float64(x), p.Y-float64(y)
	right, below := min(x+1, s.w-1), min(y+1, s.h-1)
	v := func(x, y int) float64 { return float64(s.values[y*s.w+x]) }
	return (1-dy)*((1-dx)*v(x, y)+dx*v(right, y)) + dy*((1-dx)*v(x, below)+dx*v(right, below))
}

// cubic returns the bicubic value at q, not rounded and, where the cubics swing
// over, beyond 0..255. Outside the picture its edge repeats.
func (p *RGB) cubic(q Point) [3]float64 {
	fx, fy := math.Floor(q.X), math.Floor(q.Y)
	x, y := int(fx), int(fy)
	wx, wy := catmullRom(q.X-fx), catmullRom(q.Y-fy)
	var sum [3]float64
	for j, vertical := range wy {
		row := max(0, min(y+j-1, p.H-1)) * p.W
		for i, horizontal := range wx {
			at := 3 * (row + max(0, min(x+i-1, p.W-1)))
			weight := vertical * horizontal
			for c := range 3 {
				sum[c] += weight * float64(p.Pix[at+c])
			}
		}
	}
	return sum
}

// catmullRom returns the weights of the pixels at -1, 0, 1 and 2 for a position
// t in 0..1 (Keys 1981, equation 4 with a = -1/2).
func catmullRom(t float64) [4]float64 {
	t2, t3 := t*t, t*t*t
	return [4]float64{(-t3 + 2*t2 - t) / 2, (3*t3 - 5*t2 + 2) / 2, (-3*t3 + 4*t2 + t) / 2, (t3 - t2) / 2}
}
