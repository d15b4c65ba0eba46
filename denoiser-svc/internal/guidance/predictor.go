package guidance

import (
	"context"

	"github.com/facestudio/facestudio/services/diffusion"
	"github.com/facestudio/facestudio/services/tensor"
)

// UNet predicts [B,c,h,w] from latent [B,c,h,w], timestep [B], context
// [B,N,T,C] and mask [B,N,h,w].
type UNet interface {
	Denoise(ctx context.Context, latent, timestep, tokens, mask *tensor.Tensor) (*tensor.Tensor, error)
}

// Predictor predicts for one picture. It keeps its inputs between steps, so it
// serves one generation and one goroutine at a time. It implements
// sample.Joint.
type Predictor struct {
	unet  UNet
	scale float32
	joint bool

	latent, timestep, tokens, mask *tensor.Tensor
}

// Batching says how pictures may be put together in a run of the U-Net without
// a change of bits.
type Batching struct {
	// Least is the smallest number of rows that a run may have.
	Least int
	// Joint says that pictures may share a run.
	Joint bool
}

// New returns the predictor for latents [c,h,w] of one picture with masks
// [N,h,w]. A scale other than 1 is classifier-free guidance,
//
//	eps = eps_0 + scale (eps_c - eps_0),
//
// for which conditional and unconditional share a run.
func New(unet UNet, c Context, mask *tensor.Tensor, channels int64, scale float32, batching Batching) *Predictor {
	rows := int64(batching.Least)
	if scale != 1 {
		rows = max(rows, 2)
	}
	p := &Predictor{unet: unet, scale: scale, joint: batching.Joint}
	p.latent = tensor.New(rows, channels, mask.Dim(1), mask.Dim(2))
	p.timestep = tensor.New(rows)
	p.tokens = tensor.New(append([]int64{rows}, c.Conditional.Shape...)...)
	p.mask = tensor.New(append([]int64{rows}, mask.Shape...)...)
	for i := range int(rows) {
		// Row 1 is the unconditional one; without guidance it is not looked at.
		tokens := c.Conditional
		if i == 1 {
			tokens = c.Unconditional
		}
		copy(p.tokens.Row(i).Data, tokens.Data)
		copy(p.mask.Row(i).Data, mask.Data)
	}
	return p
}

// Predict sets dst [c,h,w] to the guided prediction for input [c,h,w] at
// timestep t. dst may be input.
func (p *Predictor) Predict(ctx context.Context, dst, input []float32, t float64) error {
	p.see(input, t)
	out, err := p.unet.Denoise(ctx, p.latent, p.timestep, p.tokens, p.mask)
	if err != nil {
		return err
	}
	p.guide(dst, out.Data)
	return nil
}

// see sets the rows of the picture to its latents at timestep t.
func (p *Predictor) see(input []float32, t float64) {
	for i := range p.timestep.Data {
		copy(p.latent.Data[i*len(input):], input)
		p.timestep.Data[i] = float32(t)
	}
}

// guide sets dst to the guided prediction of the rows in out.
func (p *Predictor) guide(dst, out []float32) {
	n := len(dst)
	if p.scale == 1 {
		copy(dst, out[:n])
		return
	}
	diffusion.Guide(dst, out[n:2*n], out[:n], p.scale)
}
