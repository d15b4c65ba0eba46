package imaging

// maxGain bounds by how much the light of a photo changes a channel of what was
// made for it: beyond, the two show different things rather than other light.
const maxGain = 1.35

// MatchLight returns the made picture in the light of the crop that it
// replaces: where weight, 0..1, [H,W], is 1 (the face), its channels are
// multiplied by gains g so that their means have the ratios of the crop's, with
// the luminance as it was:
//
//	g_c = k (C_c / sum C) / (M_c / sum M), k such that Y(g M) = Y(M)
//
// C and M being the weighted means of crop and made, Y the luma of Rec. 601.
// The colour of a face, less its lightness, is mostly that of the light on it
// (skin tones differ in lightness far more than in hue), so the person's own
// lightness stays and a cast goes. Gains are bounded by 1.35. Where weight is 0
// nothing changes. Parts of different sizes are a mistake of the caller.
func MatchLight(made, crop *RGB, weight []float32) *RGB {
	var m, c [3]float64
	for i, w := range weight {
		for k := range 3 {
			m[k] += float64(w) * float64(made.Pix[3*i+k])
			c[k] += float64(w) * float64(crop.Pix[3*i+k])
		}
	}
	out := made.Clone()
	sumM, sumC := m[0]+m[1]+m[2], c[0]+c[1]+c[2]
	if min(m[0], m[1], m[2], c[0], c[1], c[2]) <= 0 {
		return out
	}
	var gain [3]float64
	var before, after float64
	for k, luma := range [3]float64{0.299, 0.587, 0.114} {
		gain[k] = (c[k] / sumC) / (m[k] / sumM)
		before += luma * m[k]
		after += luma * gain[k] * m[k]
	}
	for k := range gain {
		gain[k] = max(1/maxGain, min(maxGain, gain[k]*before/after))
	}
	for i, w := range weight {
		for k := range 3 {
			out.Pix[3*i+k] = level(float32(float64(made.Pix[3*i+k]) * (1 + float64(w)*(gain[k]-1))))
		}
	}
	return out
}
