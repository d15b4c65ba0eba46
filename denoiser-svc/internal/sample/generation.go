// Package sample makes latents of noise: a generation in flight is a value
// with a Step, and one scheduler steps those in flight.
package sample

import (
	"context"
	"fmt"
	"slices"

	"github.com/facestudio/facestudio/services/diffusion"
)

// Predictor sets dst to the model's prediction for input at timestep t; dst
// may be input. Guidance and masks are its business.
type Predictor interface {
	Predict(ctx context.Context, dst, input []float32, t float64) error
}

// Constraint changes latents in place after k steps of the sampler, to what
// they have to be at that noise level.
type Constraint interface {
	Apply(latent []float32, k int)
}

// Free is the constraint that leaves latents alone.
type Free struct{}

// Apply does nothing.
func (Free) Apply([]float32, int) {}

// Generation is one picture on its way from noise. It depends on nothing but
// what it was made from, whatever is stepped beside it. Only one goroutine may
// use it at a time.
type Generation struct {
	sampler    *diffusion.EulerAncestral
	noise      diffusion.Noise
	predictor  Predictor
	constraint Constraint

	latent, denoised, fresh []float32
	done                    int
}

// New returns a generation of size latent values that has not been stepped.
func New(sampler *diffusion.EulerAncestral, noise diffusion.Noise, predictor Predictor, constraint Constraint, size int) *Generation {
	g := &Generation{
		sampler: sampler, noise: noise, predictor: predictor, constraint: constraint,
		latent: make([]float32, size), denoised: make([]float32, size), fresh: make([]float32, size),
	}
	noise.Fill(g.fresh, 0)
	sampler.Start(g.latent, g.fresh)
	constraint.Apply(g.latent, 0)
	return g
}

// Done is how many steps were made.
func (g *Generation) Done() int { return g.done }

// Steps is how many there are in all.
func (g *Generation) Steps() int { return g.sampler.Steps() }

// Step makes the next step. After an error the generation is as before it.
func (g *Generation) Step(ctx context.Context) error {
	k := g.done
	g.sampler.Input(g.denoised, g.latent, k)
	if err := g.predictor.Predict(ctx, g.denoised, g.denoised, g.sampler.Timesteps[k]); err != nil {
		return fmt.Errorf("step %d of %d: %w", k+1, g.Steps(), err)
	}
	g.sampler.Denoised(g.denoised, g.latent, g.denoised, k)
	if g.sampler.Up(k) > 0 {
		g.noise.Fill(g.fresh, uint32(k+1))
	}
	g.sampler.Step(g.latent, g.denoised, g.fresh, k)
	g.done++
	g.constraint.Apply(g.latent, g.done)
	return nil
}

// Latent returns the latents as they are; the next step changes them.
func (g *Generation) Latent() []float32 { return g.latent }

// Preview returns a copy of the latents of the picture as the last step
// predicts it.
func (g *Generation) Preview() []float32 {
	preview := slices.Clone(g.denoised)
	g.constraint.Apply(preview, g.Steps())
	return preview
}
