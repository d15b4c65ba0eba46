package quality

import "math"

const (
	// blurLength is the length of the mean filter that blurs once more, pixels:
	// that of the paper's 9-tap filter and more; scikit-image's default.
	blurLength = 11
	// leastEdge keeps a plane without any edges from dividing by zero.
	leastEdge = 2.220446049250313e-16
)

// Blur returns the perceptual blur of a plane [h,w] of levels: 0 is sharp, 1 is
// without detail (Crete, Dolmiere, Ladet, Nicolas 2007, "The blur effect"). A
// sharp picture loses much of its edges when it is blurred once more, a blurred
// one little; of edges along each axis
//
//	D = |sobel(F)|, V = max(0, D - |sobel(mean filter(F))|)
//	blur = max over axes of (sum D - sum V) / sum D
//
// as scikit-image's measure.blur_effect computes it. Contrast and brightness
// cancel out. A plane of less than 4 pixels a side is blur 1.
func Blur(values []float64, w, h int) float64 {
	if w < 4 || h < 4 {
		return 1
	}
	// The second axis is the first of the transposed plane.
	return max(blurAlong(values, w, h), blurAlong(transposed(values, w, h), h, w))
}

// blurAlong is the blur of edges along the rows.
func blurAlong(values []float64, w, h int) float64 {
	sharp := sobel(values, w, h)
	blurred := sobel(meanFilter(values, w, h), w, h)
	var all, lost float64
	// The margins are those of scikit-image, not quite even.
	for y := 2; y < h-1; y++ {
		for x := 2; x < w-1; x++ {
			d := max(leastEdge, math.Abs(sharp[y*w+x]))
			all += d
			lost += max(0, d-max(leastEdge, math.Abs(blurred[y*w+x])))
		}
	}
	if all == 0 {
		return 1
	}
	return (all - lost) / all
}

// sobel is the derivative along the rows, smoothed across them.
func sobel(values []float64, w, h int) []float64 {
	out := make([]float64, len(values))
	for y := range h {
		above, here, below := row(values, w, h, y-1), row(values, w, h, y), row(values, w, h, y+1)
		for x := range w {
			l, r := reflect(x-1, w), reflect(x+1, w)
			out[y*w+x] = ((above[r] - above[l]) + 2*(here[r]-here[l]) + (below[r] - below[l])) / 8
		}
	}
	return out
}

// meanFilter is the mean of blurLength pixels along the rows.
func meanFilter(values []float64, w, h int) []float64 {
	out := make([]float64, len(values))
	for y := range h {
		line := row(values, w, h, y)
		for x := range w {
			var sum float64
			for k := -blurLength / 2; k <= blurLength/2; k++ {
				sum += line[reflect(x+k, w)]
			}
			out[y*w+x] = sum / blurLength
		}
	}
	return out
}

func row(values []float64, w, h, y int) []float64 {
	y = reflect(y, h)
	return values[y*w : (y+1)*w]
}

// reflect mirrors an index into 0..n-1 about the outer edges of the first and
// last pixel: d c b a | a b c d | d c b a.
func reflect(i, n int) int {
	for i < 0 || i >= n {
		if i < 0 {
			i = -i - 1
		} else {
			i = 2*n - i - 1
		}
	}
	return i
}

func transposed(values []float64, w, h int) []float64 {
	out := make([]float64, len(values))
	for y := range h {
		for x := range w {
			out[x*h+y] = values[y*w+x]
		}
	}
	return out
}
