package diffusion

import (
	"math"
	"math/bits"
)

// NoiseVersion names the generator: the same seed gives the same noise under
// the same version.
const NoiseVersion = "philox4x32-10/1"

// Stream keeps the draws of one picture apart that serve different ends.
type Stream uint32

const (
	// Latents is the start (step 0) and the ancestral noise after step k >= 1.
	Latents Stream = 0
	// Prior is the start of the prior's sampling (step 0).
	Prior Stream = 1
	// Identities is the draw of the identity that guides the background.
	Identities Stream = 2
	// Keep is the noise of the style picture's latents (step 0).
	Keep Stream = 3
)

// Noise is the source of all chance of one picture: Philox4x32-10 (Salmon et
// al. 2011) keyed by the seed, with counter (block, step, index, stream). It
// has no state, so noise depends on nothing but what names it.
type Noise struct {
	// Seed is the generation's seed.
	Seed uint64
	// Index is the picture's index within its generation.
	Index uint32
	// Stream is what the noise is for.
	Stream Stream
}

// Fill sets dst to standard normals: element i of step is word pair i/2 of the
// generator's output under Box and Muller's transform in float64,
//
//	r = sqrt(-2 ln u1), z = r cos(2 pi u2), r sin(2 pi u2)
//
// with u1 = (w+1) 2^-32 in (0, 1] and u2 = w' 2^-32.
func (n Noise) Fill(dst []float32, step uint32) {
	var normals [4]float32
	for block := uint32(0); len(dst) > 0; block++ {
		w := n.words(block, step)
		for pair := range 2 {
			u1 := (float64(w[2*pair]) + 1) * 0x1p-32
			u2 := float64(w[2*pair+1]) * 0x1p-32
			r := math.Sqrt(-2 * math.Log(u1))
			sin, cos := math.Sincos(2 * math.Pi * u2)
			normals[2*pair], normals[2*pair+1] = float32(r*cos), float32(r*sin)
		}
		dst = dst[copy(dst, normals[:]):]
	}
}

// Identity draws one of count identities, all as likely as can be: the first
// word of stream Identities, scaled. count is positive.
func (n Noise) Identity(count int) int {
	n.Stream = Identities
	return int(uint64(n.words(0, 0)[0]) * uint64(count) >> 32)
}

func (n Noise) words(block, step uint32) [4]uint32 {
	return Philox([4]uint32{block, step, n.Index, uint32(n.Stream)}, [2]uint32{uint32(n.Seed), uint32(n.Seed >> 32)})
}

// Philox returns the output of Philox4x32-10 for a counter and a key.
func Philox(counter [4]uint32, key [2]uint32) [4]uint32 {
	const (
		multiplier0, multiplier1 = 0xD2511F53, 0xCD9E8D57
		bump0, bump1             = 0x9E3779B9, 0xBB67AE85
		rounds                   = 10
	)
	c := counter
	for range rounds {
		high0, low0 := bits.Mul32(multiplier0, c[0])
		high1, low1 := bits.Mul32(multiplier1, c[2])
		c = [4]uint32{high1 ^ c[1] ^ key[0], low1, high0 ^ c[3] ^ key[1], low0}
		key[0] += bump0
		key[1] += bump1
	}
	return c
}
