package diffusion

// Guide sets dst to classifier-free guidance (Ho and Salimans 2022):
// unconditional + scale (conditional - unconditional). dst may be either.
func Guide(dst, unconditional, conditional []float32, scale float32) {
	for i := range dst {
		dst[i] = unconditional[i] + scale*(conditional[i]-unconditional[i])
	}
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
