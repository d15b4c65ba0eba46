package mask

import "math"

// Distance returns, for each pixel of a w x h region, how far its centre is
// from the region's edge, in pixels: negative inside, positive outside, the
// edge being halfway between the pixels. Where there is no edge at all it is
// infinite.
func Distance(region []bool, w, h int) []float64 {
	outside, inside := squared(region, true, w, h), squared(region, false, w, h)
	out := make([]float64, w*h)
	for i, in := range region {
		if in {
			out[i] = 0.5 - math.Sqrt(inside[i])
		} else {
			out[i] = math.Sqrt(outside[i]) - 0.5
		}
	}
	return out
}

// squared returns the squared distance of each pixel to the nearest one whose
// value is to: first along the columns, then along the rows (Felzenszwalb and
// Huttenlocher 2012).
func squared(region []bool, to bool, w, h int) []float64 {
	out := make([]float64, w*h)
	for i, v := range region {
		if v != to {
			out[i] = math.Inf(1)
		}
	}
	column := make([]float64, h)
	for x := range w {
		for y := range h {
			column[y] = out[y*w+x]
		}
		for y, v := range envelope(column) {
			out[y*w+x] = v
		}
	}
	for y := range h {
		copy(out[y*w:(y+1)*w], envelope(out[y*w:(y+1)*w]))
	}
	return out
}

// envelope returns min_j (i-j)^2 + f_j for each i: the lower envelope of the
// parabolas that stand on f.
func envelope(f []float64) []float64 {
	var roots []int
	var from []float64
	for j, v := range f {
		if math.IsInf(v, 1) {
			continue
		}
		start := math.Inf(-1)
		for len(roots) > 0 {
			k := roots[len(roots)-1]
			start = (v + float64(j*j) - f[k] - float64(k*k)) / float64(2*(j-k))
			if start > from[len(from)-1] {
				break
			}
			roots, from = roots[:len(roots)-1], from[:len(from)-1]
			start = math.Inf(-1)
		}
		roots, from = append(roots, j), append(from, start)
	}
	out := make([]float64, len(f))
	k := 0
	for i := range out {
		if len(roots) == 0 {
			out[i] = math.Inf(1)
			continue
		}
		for k+1 < len(roots) && from[k+1] <= float64(i) {
			k++
		}
		d := float64(i - roots[k])
		out[i] = d*d + f[roots[k]]
	}
	return out
}
