package imaging

const (
	// seamReach is how far a match of colours reaches into the new picture, as a
	// share of the shorter side: 12 pixels at 128. The forehead and the cheeks
	// keep their own colours; the hairline and the neck meet the photo's.
	seamReach = 3.0 / 32
	// seamRing is the matte up to which a pixel is of the seam.
	seamRing = 0.5
	// seamHold is the weight of the photo's colours at the seam against the
	// smoothness of the match: below 1, so that single pixels do not show in it.
	seamHold = 0.2
	// seamSweeps settles the match to below a level: it reaches seamReach, and a
	// sweep carries it on by a pixel and more.
	seamSweeps = 120
)

// Seam returns what is to be added to the new picture's channels, [3][H*W], so
// that at the rim of the matte its colours, less their detail, are those of the
// crop it replaces. With D = made - crop, over the pixels whose matte is above
// 0, h minimises
//
//	sum_i w_i (h_i + D_i)^2 + sum_ij (h_i - h_j)^2 + sum_i h_i^2 / r^2
//
// over pixels i and neighbours ij, w_i being 0.2 where the matte is at most
// half, else 0: the membrane of Perez et al. 2003 (Poisson image editing),
// held by the low band of D alone and screened, so that it fades with the
// distance r = 3/32 of the shorter side and a mismatch on one side does not
// tint the whole face.
func Seam(made, crop *RGB, matte []float32) [3][]float32 {
	w, h := made.W, made.H
	reach := max(1, seamReach*float64(min(w, h)))
	screen := float32(1 / (reach * reach))
	var out [3][]float32
	for c := range 3 {
		field := make([]float32, w*h)
		for range seamSweeps {
			for y := 1; y < h-1; y++ {
				for x := 1; x < w-1; x++ {
					i := y*w + x
					if matte[i] <= 0 {
						continue
					}
					sum, weight := float32(0), screen
					if matte[i] <= seamRing {
						sum -= seamHold * (float32(made.Pix[3*i+c]) - float32(crop.Pix[3*i+c]))
						weight += seamHold
					}
					for _, j := range [4]int{i - 1, i + 1, i - w, i + w} {
						if matte[j] > 0 {
							sum += field[j]
							weight++
						}
					}
					field[i] = sum / weight
				}
			}
		}
		out[c] = field
	}
	return out
}
