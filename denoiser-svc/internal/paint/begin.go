package paint

import (
	"context"
	"fmt"

	"github.com/facestudio/facestudio/denoiser-svc/internal/guidance"
	"github.com/facestudio/facestudio/denoiser-svc/internal/sample"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/diffusion"
	"github.com/facestudio/facestudio/services/fault"
)

// begin computes all that the steps need. keep is nil unless the job keeps its
// background.
func (p *Painter) begin(ctx context.Context, j *Job) (setup sample.Setup, keep *kept, err error) {
	sampler, err := p.sampler(j)
	if err != nil {
		return setup, nil, fault.InvalidField("steps", "%v", err)
	}
	tokens, err := p.tokens(ctx, j)
	if err != nil {
		return setup, nil, err
	}
	latent := p.manifest.Latent
	noise := diffusion.Noise{Seed: j.Seed, Index: j.Index}
	pixels := pixelMasks(j)
	masks := latentMasks(j, pixels, noise, latent.Factor)
	setup = sample.Setup{
		Sampler: sampler, Noise: noise, Constraint: sample.Free{}, Size: latent.Channels * len(masks.Row(0).Data),
		Predictor: guidance.New(p.models, tokens, masks, int64(latent.Channels), j.Scale, p.batching),
	}
	if j.Background != Keep && j.Strength == 0 {
		return setup, nil, nil
	}
	style, err := p.encode(ctx, j, setup.Size)
	if err != nil {
		return setup, nil, err
	}
	if j.Strength > 0 {
		setup.Source = style
	}
	if j.Background == Keep {
		keep = newKept(j, pixels, sampler, noise, style, latent.Factor)
		setup.Constraint = keep
	}
	return setup, keep, nil
}

// sampler returns that of a job.
func (p *Painter) sampler(j *Job) (*diffusion.Sampler, error) {
	s := p.manifest.Schedule
	settings := diffusion.Settings{
		Method: j.Method, Karras: j.Karras, Steps: j.Steps, Prediction: diffusion.Prediction(s.Prediction),
		Spacing: diffusion.Spacing(s.TimestepSpacing), Offset: s.StepsOffset,
	}
	if j.Strength > 0 {
		settings.First = diffusion.FirstStep(j.Steps, j.Strength)
	}
	return diffusion.NewSampler(p.schedule, settings)
}

// tokens returns what guides the people of a job.
func (p *Painter) tokens(ctx context.Context, j *Job) (guidance.Context, error) {
	wish := guidance.Wish{Style: j.Style, Text: j.Text}
	for _, person := range j.People {
		wish.Faces, wish.Alphas = append(wish.Faces, person.Face), append(wish.Alphas, person.Alpha)
	}
	return guidance.Blend(ctx, p.models, wish)
}

// encode returns the latents of the style picture, size values.
func (p *Painter) encode(ctx context.Context, j *Job, size int) ([]float32, error) {
	style, err := p.models.Encode(ctx, j.Picture.Tensor(p.manifest.Pixels.Mean, p.manifest.Pixels.Std))
	if err != nil {
		return nil, fmt.Errorf("encode the style picture: %w", err)
	}
	if len(style.Data) != size {
		return nil, fmt.Errorf("encode the style picture: latents %v, expected %d elements", style.Shape, size)
	}
	return style.Data, nil
}

// batching is how pictures share runs of the U-Net of a manifest.
func batching(m *bundle.Manifest) guidance.Batching {
	const pair = 2
	b := m.Batching(bundle.UNet, pair)
	return guidance.Batching{Least: b.Min, Joint: b.Max >= pair}
}
