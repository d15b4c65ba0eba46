// Package sample makes latents of noise: a generation in flight is a value
// with a Step, and one scheduler steps those in flight.
package sample

import (
	"context"
	"fmt"
	"slices"

	"github.com/facestudio/facestudio/services/diffusion"
)

// Setup is what a generation is made from; it depends on nothing else.
type Setup struct {
	// Sampler leads from noise to the picture.
	Sampler *diffusion.Sampler
	// Noise gives the start and what the sampler adds on the way.
	Noise diffusion.Noise
	// Predictor is the model.
	Predictor Predictor
	// Constraint is what the latents have to keep to.
	Constraint Constraint
	// Size is the number of latent values.
	Size int
	// Source [Size] is the picture's latents to start from, noised to the level
	// before the sampler's first step; nil starts from noise alone.
	Source []float32
}

// Generation is one picture on its way from noise, the same whatever is
// stepped beside it. Only one goroutine may use it at a time.
type Generation struct {
	Setup

	latent, denoised, fresh []float32
	history                 [][]float32
	done                    int
}

// New returns a generation that has not been stepped.
func New(s Setup) *Generation {
	g := &Generation{Setup: s}
	g.latent, g.denoised, g.fresh = make([]float32, s.Size), make([]float32, s.Size), make([]float32, s.Size)
	g.history = make([][]float32, s.Sampler.History())
	for i := range g.history {
		g.history[i] = make([]float32, s.Size)
	}
	s.Noise.Fill(g.fresh, 0)
	if s.Source != nil {
		s.Sampler.Noised(g.latent, s.Source, g.fresh, 0)
	} else {
		s.Sampler.Start(g.latent, g.fresh)
	}
	s.Constraint.Apply(g.latent, 0)
	return g
}

// Done is how many steps were made.
func (g *Generation) Done() int { return g.done }

// Steps is how many there are in all.
func (g *Generation) Steps() int { return g.Sampler.Steps() }

// Step makes the next step. After an error the generation is as before it.
func (g *Generation) Step(ctx context.Context) error {
	c := g.call()
	if err := c.Predictor.Predict(ctx, c.Dst, c.Input, c.T); err != nil {
		return fmt.Errorf("step %d of %d: %w", g.done+1, g.Steps(), err)
	}
	g.advance()
	return nil
}

// call is the prediction that the next step needs.
func (g *Generation) call() Call {
	g.Sampler.Input(g.denoised, g.latent, g.done)
	return Call{Predictor: g.Predictor, Dst: g.denoised, Input: g.denoised, T: g.Sampler.Timesteps[g.done]}
}

// advance makes the next step, whose prediction is there.
func (g *Generation) advance() {
	k := g.done
	g.Sampler.Denoised(g.denoised, g.latent, g.denoised, k)
	if g.Sampler.Up(k) > 0 {
		g.Noise.Fill(g.fresh, uint32(k+1))
	}
	g.Sampler.Step(g.latent, g.denoised, g.fresh, g.history, k)
	g.done++
	g.Constraint.Apply(g.latent, g.done)
}

// Latent returns the latents as they are; the next step changes them.
func (g *Generation) Latent() []float32 { return g.latent }

// Preview returns a copy of the latents of the picture as the last step
// predicts it.
func (g *Generation) Preview() []float32 {
	preview := slices.Clone(g.denoised)
	g.Constraint.Apply(preview, g.Steps())
	return preview
}
