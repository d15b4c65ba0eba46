package paint

import (
	"slices"

	"github.com/facestudio/facestudio/services/diffusion"
	"github.com/facestudio/facestudio/services/mask"
	"github.com/facestudio/facestudio/services/tensor"
)

// featherShare is the feather's radius as a share of the shorter side: two
// pixels at 128, half a latent cell to either side of an edge.
const featherShare = 64

// pixelMasks returns the people's masks in pixels [N][H*W], normalised.
func pixelMasks(j *Job) [][]float32 {
	masks := make([][]float32, len(j.People))
	for n, p := range j.People {
		masks[n] = slices.Clone(p.Mask)
		if p.Mask == nil {
			masks[n] = slices.Repeat([]float32{1}, j.Width*j.Height)
		}
	}
	mask.Normalize(masks)
	return masks
}

// latentMasks returns the masks [N,h,w] that the U-Net takes: averaged over
// the latents' cells, the background given to whom the job says. Where the
// background is kept, its latents are replaced after each step, and until then
// it is guided as by RandomIdentity, so that the U-Net sees nothing unusual.
func latentMasks(j *Job, pixels [][]float32, noise diffusion.Noise, factor int) *tensor.Tensor {
	h, w := j.Height/factor, j.Width/factor
	masks := tensor.New(int64(len(pixels)), int64(h), int64(w))
	rows := make([][]float32, len(pixels))
	for n, p := range pixels {
		rows[n] = masks.Row(n).Data
		copy(rows[n], mask.Area(p, j.Width, j.Height, w, h))
	}
	// Nobody is drawn who is not there, so empty masks change nothing.
	to := mask.Present(rows)
	if j.Background != Mean {
		to = to[noise.Identity(len(to)):][:1]
	}
	mask.Assign(rows, to)
	return masks
}
