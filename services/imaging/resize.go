package imaging

// Resize returns src at w x h. An axis that shrinks is averaged over the area
// that each new pixel covers; one that grows is interpolated linearly.
func Resize(src *RGB, w, h int) *RGB {
	if w == src.W && h == src.H {
		return src.Clone()
	}
	return &RGB{W: w, H: h, Pix: resample(src.Pix, src.W, src.H, 3, w, h)}
}

// ResizeGray is Resize for one channel.
func ResizeGray(src *Gray, w, h int) *Gray {
	return &Gray{W: w, H: h, Pix: resample(src.Pix, src.W, src.H, 1, w, h)}
}

// resample works on rows first, then columns, in float64.
func resample(pix []uint8, sw, sh, channels, w, h int) []uint8 {
	columns, rows := weights(sw, w), weights(sh, h)
	line := make([]float64, sw*channels)
	out := make([]uint8, w*h*channels)
	for y, row := range rows {
		clear(line)
		for k, weight := range row.weights {
			for i, v := range pix[(row.first+k)*sw*channels:][:len(line)] {
				line[i] += weight * float64(v)
			}
		}
		for x, column := range columns {
			for c := range channels {
				var sum float64
				for k, weight := range column.weights {
					sum += weight * line[(column.first+k)*channels+c]
				}
				// The sum of weights may exceed 1 by an ulp.
				out[(y*w+x)*channels+c] = uint8(min(sum, 255) + 0.5)
			}
		}
	}
	return out
}

// tap is what one new pixel takes from the old ones.
type tap struct {
	first   int
	weights []float64
}

// weights returns the taps from an axis of n pixels to one of m.
func weights(n, m int) []tap {
	taps := make([]tap, m)
	ratio := float64(n) / float64(m)
	for i := range taps {
		if m < n {
			taps[i] = area(float64(i)*ratio, float64(i+1)*ratio, n)
		} else {
			taps[i] = linear((float64(i)+0.5)*ratio-0.5, n)
		}
	}
	return taps
}

// area weighs pixels by how much of [from, to) they cover.
func area(from, to float64, n int) tap {
	first := int(from)
	t := tap{first: first}
	for j := first; j < n && float64(j) < to; j++ {
		covered := min(float64(j+1), to) - max(float64(j), from)
		t.weights = append(t.weights, covered/(to-from))
	}
	return t
}

// linear weighs the two pixels around at.
func linear(at float64, n int) tap {
	at = max(0, min(at, float64(n-1)))
	first := min(int(at), max(n-2, 0))
	if n == 1 {
		return tap{first: 0, weights: []float64{1}}
	}
	d := at - float64(first)
	return tap{first: first, weights: []float64{1 - d, d}}
}
