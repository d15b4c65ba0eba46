package mask

import "github.com/facestudio/facestudio/services/imaging"

// Rectangle returns a w x h mask that is 1 inside a box and falls to 0 within
// radius pixels of its edges. The part of the box outside the picture is left
// out; an edge of the box at the picture's edge is not softened.
func Rectangle(b imaging.Box, w, h, radius int) []float32 {
	out := make([]float32, w*h)
	for y := range h {
		for x := range w {
			// The middle of a pixel counts.
			px, py := float64(x)+0.5, float64(y)+0.5
			if px >= b.X && px < b.X+b.W && py >= b.Y && py < b.Y+b.H {
				out[y*w+x] = 1
			}
		}
	}
	return Feather(out, w, h, radius)
}

// Without lowers, in place, a mask to at most what another one leaves of 1.
func Without(mask, other []float32) {
	for i := range mask {
		mask[i] = max(0, min(mask[i], 1-other[i]))
	}
}

// Excess returns by how much the sum of the masks is above 1 where it is so
// most; 0 when it is nowhere.
func Excess(masks [][]float32) float64 {
	if len(masks) == 0 {
		return 0
	}
	var most float64
	for i := range masks[0] {
		sum := -1.0
		for _, m := range masks {
			sum += float64(m[i])
		}
		most = max(most, sum)
	}
	return most
}

// Bounds returns the box around the values of a w x h mask that are at least a
// half, in pixels; false when there is none.
func Bounds(mask []float32, w, h int) (imaging.Box, bool) {
	x0, y0, x1, y1 := w, h, -1, -1
	for i, v := range mask {
		if v >= 0.5 {
			x0, x1 = min(x0, i%w), max(x1, i%w)
			y0, y1 = min(y0, i/w), max(y1, i/w)
		}
	}
	if x1 < 0 {
		return imaging.Box{}, false
	}
	return imaging.Box{X: float64(x0), Y: float64(y0), W: float64(x1 - x0 + 1), H: float64(y1 - y0 + 1)}, true
}
