package diffusion

import "math"

// Guide sets dst to classifier-free guidance (Ho and Salimans 2022):
// unconditional + scale (conditional - unconditional). dst may be either.
func Guide(dst, unconditional, conditional []float32, scale float32) {
	for i := range dst {
		dst[i] = unconditional[i] + scale*(conditional[i]-unconditional[i])
	}
}

// Rescale brings guided values towards the standard deviation of the conditional
// ones that they were made of (Lin et al. 2023, eq. 15 and 16): with rescale 1 they
// have it, with 0 they stay as they are. Guidance adds to it, and what reads an
// embedding has seen none that is larger than others.
func Rescale(guided, conditional []float32, rescale float32) {
	wanted, has := deviation(conditional), deviation(guided)
	if rescale == 0 || has == 0 {
		return
	}
	factor := rescale*float32(wanted/has) + 1 - rescale
	for i := range guided {
		guided[i] *= factor
	}
}

// deviation is the standard deviation of values.
func deviation(values []float32) float64 {
	var sum, squares float64
	for _, v := range values {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	n := float64(len(values))
	return math.Sqrt(max(0, squares/n-sum/n*sum/n))
}

// Blend sets dst to alpha a + (1 - alpha) b. At alpha 1 it is a and at 0 it is
// b, bit for bit. dst may be either.
func Blend(dst, a, b []float32, alpha float32) {
	switch alpha {
	case 1:
		copy(dst, a)
	case 0:
		copy(dst, b)
	default:
		for i := range dst {
			dst[i] = alpha*a[i] + (1-alpha)*b[i]
		}
	}
}
