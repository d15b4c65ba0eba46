// Package sample draws image embeddings from a diffusion prior.
package sample

import (
	"context"
	"errors"
	"fmt"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/diffusion"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/tensor"
)

// Network predicts the embedding x0 [B,D] that a noised x [B,D] stands for at
// timestep [B], given a text embedding [B,Dt]; a text of zeros means none.
type Network interface {
	Predict(ctx context.Context, x, timestep, text *tensor.Tensor) (*tensor.Tensor, error)
}

// Request is one embedding to draw.
type Request struct {
	// Text is the text embedding [Dt].
	Text []float32
	// Noise gives the start; its stream is set by the sampler.
	Noise diffusion.Noise
	// Steps is the number of sampling steps, from 1.
	Steps int
	// Scale is that of classifier-free guidance; 1 switches it off.
	Scale float32
}

// Sampler draws embeddings. It has no state between calls and may be used by
// many goroutines.
type Sampler struct {
	network  Network
	schedule *diffusion.Schedule
	spec     bundle.Prior
	image    int
	text     int
	single   int
}

// New returns a sampler with the manifest's schedule. It fails when the
// manifest has no prior or an unusable one.
func New(network Network, m *bundle.Manifest) (*Sampler, error) {
	if m.Prior == nil {
		return nil, fault.New(fault.Precondition, faultv1.Reason_REASON_ROLE_MISSING, "prior",
			"bundle %s has no prior, so it takes no prompts: use one that has", m.Name)
	}
	s := &Sampler{network: network, spec: *m.Prior, image: m.Embeddings.Image, text: m.Embeddings.Text}
	s.single = m.Batching(bundle.PriorModel, 2).Min
	b := m.Prior.Schedule.Betas
	var err error
	s.schedule, err = diffusion.NewSchedule(diffusion.Betas(b.BetaSchedule), b.BetaStart, b.BetaEnd, b.TrainSteps)
	if err != nil {
		return nil, fault.Wrap(err, fault.Precondition, faultv1.Reason_REASON_BUNDLE_INVALID, "bundle.json", "the prior's schedule is wrong")
	}
	if _, err := s.sampler(s.spec.Steps); err != nil {
		return nil, fault.Wrap(err, fault.Precondition, faultv1.Reason_REASON_BUNDLE_INVALID, "bundle.json", "the prior's steps are wrong")
	}
	return s, nil
}

// Steps is the default number of steps.
func (s *Sampler) Steps() int { return s.spec.Steps }

// Scale is the default scale of guidance.
func (s *Sampler) Scale() float32 { return s.spec.GuidanceScale }

// TextWidth is the length of a text embedding.
func (s *Sampler) TextWidth() int { return s.text }

func (s *Sampler) sampler(steps int) (*diffusion.Sampler, error) {
	spacing := s.spec.Schedule.Spacing
	return diffusion.NewSampler(s.schedule, diffusion.Settings{
		Method: diffusion.DDIM, Prediction: diffusion.Sample,
		Spacing: diffusion.Spacing(spacing.TimestepSpacing), Offset: spacing.StepsOffset, Steps: steps,
	})
}

// Sample draws the embedding [D] that r describes: DDIM from noise of stream 1
// of the generator, guided towards the text. It depends on r alone. Row 0 of
// each batch is conditional, row 1 is not.
func (s *Sampler) Sample(ctx context.Context, r Request) ([]float32, error) {
	sampler, err := s.sampler(r.Steps)
	if err != nil {
		return nil, fault.InvalidField("steps", "%v", err)
	}
	rows := int64(2)
	if r.Scale == 1 {
		rows = int64(s.single)
	}
	x, text, timestep := tensor.New(rows, int64(s.image)), tensor.New(rows, int64(s.text)), tensor.New(rows)
	copy(text.Row(0).Data, r.Text)
	drawn := make([]float32, s.image)
	r.Noise.Stream = diffusion.Prior
	r.Noise.Fill(drawn, 0)
	sampler.Start(drawn, drawn)
	for k := range sampler.Steps() {
		for i := range timestep.Data {
			timestep.Data[i] = float32(sampler.Timesteps[k])
			sampler.Input(x.Row(i).Data, drawn, k)
		}
		x0, err := s.network.Predict(ctx, x, timestep, text)
		if err != nil {
			return nil, fmt.Errorf("prior step %d: %w", k+1, err)
		}
		predicted := x0.Row(0).Data
		if r.Scale != 1 {
			// The row of the unconditional one is what can be written over.
			guided := x0.Row(1).Data
			diffusion.Guide(guided, guided, predicted, r.Scale)
			diffusion.Rescale(guided, predicted, s.spec.GuidanceRescale)
			predicted = guided
		}
		sampler.Step(drawn, predicted, nil, nil, k)
	}
	if !(&tensor.Tensor{Data: drawn}).Finite() {
		return nil, errors.New("the prior computed values that are infinite or undefined")
	}
	return drawn, nil
}
