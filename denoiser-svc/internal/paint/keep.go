package paint

import (
	"github.com/facestudio/facestudio/services/diffusion"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/mask"
)

// kept holds the background of a style picture fast (DESIGN: KEEP): at each
// step its latents, noised to the step's level, replace those outside the
// people, and at the end its pixels replace those outside.
type kept struct {
	sampler *diffusion.Sampler
	// style and noise [c,h,w] are the picture's latents and their noise.
	style, noise []float32
	// outside has the indices of the cells [h,w] without anybody.
	outside []int
	area    int
	// matte [H,W] is how much of each pixel is new, 0..1.
	matte   []float32
	picture *imaging.RGB
}

// newKept keeps what the people's normalised masks leave free of the job's
// picture, whose latents are style. A cell that a person touches is new
// altogether: a mixture of two noises would have too little variance.
func newKept(j *Job, pixels [][]float32, sampler *diffusion.Sampler, noise diffusion.Noise, style []float32, factor int) *kept {
	radius := max(1, min(j.Width, j.Height)/featherShare)
	w, h := j.Width/factor, j.Height/factor
	k := &kept{
		sampler: sampler, style: style, noise: make([]float32, len(style)), area: w * h,
		matte:   mask.Feather(mask.Sum(pixels), j.Width, j.Height, radius),
		picture: j.Picture,
	}
	noise.Stream = diffusion.Keep
	noise.Fill(k.noise, 0)
	for i, covered := range mask.Cover(k.matte, j.Width, j.Height, w, h) {
		if covered == 0 {
			k.outside = append(k.outside, i)
		}
	}
	return k
}

// Apply replaces the latents outside the people by the picture's at the noise
// level after step steps.
func (k *kept) Apply(latent []float32, step int) {
	sigma := float32(k.sampler.Sigmas[step])
	for first := 0; first < len(latent); first += k.area {
		for _, i := range k.outside {
			latent[first+i] = k.style[first+i] + sigma*k.noise[first+i]
		}
	}
}

// composite puts the picture's own pixels back where nothing is new.
func (k *kept) composite(p *imaging.RGB) {
	for i, m := range k.matte {
		for c := 3 * i; c < 3*i+3; c++ {
			mixed := m*float32(p.Pix[c]) + (1-m)*float32(k.picture.Pix[c])
			p.Pix[c] = uint8(mixed + 0.5)
		}
	}
}
