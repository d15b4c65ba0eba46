package guidance

import (
	"context"
	"fmt"

	"github.com/facestudio/facestudio/denoiser-svc/internal/sample"
	"github.com/facestudio/facestudio/services/tensor"
)

// shared is what pictures have in common that can share a run of the U-Net.
type shared struct {
	unet                  UNet
	people, height, width int64
}

// Kind implements sample.Joint: pictures of one size with as many people.
func (p *Predictor) Kind() any {
	if !p.joint {
		return nil
	}
	return shared{unet: p.unet, people: p.mask.Dim(1), height: p.mask.Dim(2), width: p.mask.Dim(3)}
}

// PredictAll implements sample.Joint: the rows of the pictures, one after
// another, in one run.
func (p *Predictor) PredictAll(ctx context.Context, calls []sample.Call) error {
	predictors := make([]*Predictor, len(calls))
	for i, c := range calls {
		q, ok := c.Predictor.(*Predictor)
		if !ok || q.Kind() != p.Kind() {
			return fmt.Errorf("call %d is not of the kind of the others", i)
		}
		q.see(c.Input, c.T)
		predictors[i] = q
	}
	join := func(part func(*Predictor) *tensor.Tensor) *tensor.Tensor {
		shape := append([]int64{0}, part(p).Shape[1:]...)
		var data []float32
		for _, q := range predictors {
			shape[0] += part(q).Dim(0)
			data = append(data, part(q).Data...)
		}
		return &tensor.Tensor{Shape: shape, Data: data}
	}
	out, err := p.unet.Denoise(ctx,
		join(func(q *Predictor) *tensor.Tensor { return q.latent }),
		join(func(q *Predictor) *tensor.Tensor { return q.timestep }),
		join(func(q *Predictor) *tensor.Tensor { return q.tokens }),
		join(func(q *Predictor) *tensor.Tensor { return q.mask }),
	)
	if err != nil {
		return err
	}
	rest := out.Data
	for i, q := range predictors {
		q.guide(calls[i].Dst, rest)
		rest = rest[len(q.latent.Data):]
	}
	return nil
}
