// Package mask provides the arithmetic of person masks: which pixels belong to
// whom, and how strongly. A mask [h,w] holds values 0..1, rows from the top;
// masks of several people are a slice of such, in the people's order.
package mask

import "math"

// Area returns a mask of w x h averaged down to lw x lh, which divide it: the
// share of each cell that belongs to the person.
func Area(mask []float32, w, h, lw, lh int) []float32 {
	fx, fy := w/lw, h/lh
	out := make([]float32, lw*lh)
	for i := range out {
		var sum float64
		each(mask, w, fx, fy, i%lw, i/lw, func(v float32) { sum += float64(v) })
		out[i] = float32(sum / float64(fx*fy))
	}
	return out
}

// Cover returns a mask of w x h brought to lw x lh, which divide it: 1 for each
// cell in which the mask is anywhere above 0, else 0.
func Cover(mask []float32, w, h, lw, lh int) []float32 {
	out := make([]float32, lw*lh)
	for i := range out {
		each(mask, w, w/lw, h/lh, i%lw, i/lw, func(v float32) {
			if v > 0 {
				out[i] = 1
			}
		})
	}
	return out
}

// each visits the fx x fy values of a cell.
func each(mask []float32, w, fx, fy, cx, cy int, visit func(float32)) {
	for y := cy * fy; y < (cy+1)*fy; y++ {
		for _, v := range mask[y*w+cx*fx:][:fx] {
			visit(v)
		}
	}
}

// Feather returns a mask of w x h whose edges are softened by a box blur of the
// given radius in pixels: farther than radius (along either axis) from the
// mask it stays exactly 0, and farther than that inside exactly 1. Outside the
// picture the edge values repeat. A radius of 0 changes nothing.
func Feather(mask []float32, w, h, radius int) []float32 {
	rows := blur(mask, w, h, 1, w, radius)
	return blur(rows, h, w, w, 1, radius)
}

// blur averages along lines: there are count of them, across apart, each of n
// values that are along apart.
func blur(mask []float32, n, count, along, across, radius int) []float32 {
	out := make([]float32, len(mask))
	for line := range count {
		for i := range n {
			var sum float64
			for j := i - radius; j <= i+radius; j++ {
				sum += float64(mask[line*across+max(0, min(j, n-1))*along])
			}
			out[line*across+i*along] = float32(sum / float64(2*radius+1))
		}
	}
	return out
}

// Normalize scales down, in place, the values of all masks where their sum
// exceeds 1, so that people who overlap share a pixel in proportion. Values
// outside 0..1 and undefined ones are brought into it first.
func Normalize(masks [][]float32) {
	if len(masks) == 0 {
		return
	}
	for i := range masks[0] {
		var sum float64
		for _, m := range masks {
			if !(m[i] > 0) {
				m[i] = 0
			}
			m[i] = min(m[i], 1)
			sum += float64(m[i])
		}
		if sum <= 1 {
			continue
		}
		for _, m := range masks {
			// Rounded down, so that the sum does not exceed 1 again.
			v := float32(float64(m[i]) / sum)
			if float64(v) > float64(m[i])/sum {
				v = math.Nextafter32(v, 0)
			}
			m[i] = v
		}
	}
}

// Sum returns the union of normalised masks: their sum, at most 1.
func Sum(masks [][]float32) []float32 {
	out := make([]float32, len(masks[0]))
	for i := range out {
		var sum float64
		for _, m := range masks {
			sum += float64(m[i])
		}
		out[i] = float32(min(sum, 1))
	}
	return out
}

// Present returns the indices of the masks that are not empty; of all when all
// are.
func Present(masks [][]float32) []int {
	present, all := make([]int, 0, len(masks)), make([]int, 0, len(masks))
	for n, m := range masks {
		all = append(all, n)
		for _, v := range m {
			if v > 0 {
				present = append(present, n)
				break
			}
		}
	}
	if len(present) == 0 {
		return all
	}
	return present
}

// Assign gives, in place, what normalised masks leave free to the people named
// in to, in equal parts: to one, the background follows that person's
// guidance; to all, the mean of theirs.
func Assign(masks [][]float32, to []int) {
	if len(to) == 0 {
		return
	}
	for i := range masks[0] {
		free := 1.0
		for _, m := range masks {
			free -= float64(m[i])
		}
		if free <= 0 {
			continue
		}
		for _, n := range to {
			masks[n][i] = float32(float64(masks[n][i]) + free/float64(len(to)))
		}
	}
}
