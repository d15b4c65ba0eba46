package diffusion

import (
	"fmt"
	"math"
)

// Settings says which sampler to make.
type Settings struct {
	// Method is the way from noise to a picture.
	Method Method
	// Prediction is what the model predicts.
	Prediction Prediction
	// Spacing says which training steps are visited.
	Spacing Spacing
	// Offset is added to the steps of Leading.
	Offset int
	// Steps is the number of steps from pure noise to the picture.
	Steps int
	// First is how many of these are left out at the noisy end, 0..Steps-1,
	// as picture-to-picture does.
	First int
	// Karras spaces the noise levels as Karras et al. 2022 in place of Spacing.
	Karras bool
}

// Sampler leads latents from noise to a picture. All methods see them in the
// variance-exploding view, latent = x0 + sigma * noise, where a method that
// the literature writes for x = sqrt(abar) x0 + sqrt(1 - abar) noise is the
// same divided by sqrt(abar). A sampler has no state: the same value serves
// any number of pictures at once, and what a method must remember of earlier
// steps is in the history of each picture.
type Sampler struct {
	// Timesteps holds what the model is told at each step.
	Timesteps []float64
	// Sigmas holds the noise level before each step, and 0 after the last.
	Sigmas []float64
	// Init is what unit noise is multiplied by to start from nothing.
	Init float64

	prediction Prediction
	solver     solver
}

// solver is what makes the methods differ.
type solver interface {
	// history is how many tensors step keeps of earlier steps.
	history() int
	// up is how much fresh noise step k adds.
	up(k int) float64
	// step is Sampler.Step.
	step(latent, denoised, noise []float32, history [][]float32, k int)
}

// NewSampler returns the sampler of a schedule with the given settings.
func NewSampler(s *Schedule, o Settings) (*Sampler, error) {
	if err := o.Method.check(o.Karras); err != nil {
		return nil, err
	}
	if err := o.Prediction.check(); err != nil {
		return nil, err
	}
	timesteps, sigmas, err := s.levels(o)
	if err != nil {
		return nil, err
	}
	if o.First < 0 || o.First >= o.Steps {
		return nil, fmt.Errorf("the first step must be 0 to %d, not %d", o.Steps-1, o.First)
	}
	init := sigmas[0]
	if o.Method.preserving() || o.Spacing == Leading {
		// The picture's own unit variance is part of the start.
		init = math.Sqrt(init*init + 1)
	}
	sampler := &Sampler{
		Timesteps: timesteps[o.First:], Sigmas: append(sigmas[o.First:], 0), Init: init, prediction: o.Prediction,
	}
	switch sigmas := sampler.Sigmas; o.Method {
	case EulerAncestral:
		sampler.solver = ancestral(sigmas)
	case DPMPP2M:
		sampler.solver = dpm(sigmas)
	case UniPC:
		sampler.solver = unipc(sigmas)
	default:
		sampler.solver = flow(sigmas)
	}
	return sampler, nil
}

// FirstStep returns how many of n steps picture-to-picture leaves out at a
// strength in (0, 1]: n - floor(strength n), the rule of diffusers. It is n
// when the strength is too small for one step.
func FirstStep(n int, strength float32) int {
	return n - min(int(float32(n)*strength), n)
}

// Steps returns the number of steps.
func (s *Sampler) Steps() int { return len(s.Timesteps) }

// History returns how many tensors of the latents' size a picture has to carry
// from one step to the next.
func (s *Sampler) History() int { return s.solver.history() }

// Start sets latent to the start of sampling from unit noise, which may be
// latent itself.
func (s *Sampler) Start(latent, noise []float32) {
	init := float32(s.Init)
	for i := range latent {
		latent[i] = init * noise[i]
	}
}

// Noised sets dst to x0 at the noise level before step k: x0 + sigma_k noise;
// k = Steps() gives x0. It is where picture-to-picture starts, and what kept
// pixels are at each step.
func (s *Sampler) Noised(dst, x0, noise []float32, k int) {
	sigma := float32(s.Sigmas[k])
	for i := range dst {
		dst[i] = x0[i] + sigma*noise[i]
	}
}

// Input sets dst to what the model sees before step k: latent / sqrt(sigma^2 +
// 1), of unit variance.
func (s *Sampler) Input(dst, latent []float32, k int) {
	scale := float32(1 / math.Sqrt(s.Sigmas[k]*s.Sigmas[k]+1))
	for i := range dst {
		dst[i] = latent[i] * scale
	}
}

// Denoised sets dst to the picture x0 that the model's prediction before step k
// stands for; dst may be prediction.
func (s *Sampler) Denoised(dst, latent, prediction []float32, k int) {
	s.prediction.denoised(dst, latent, prediction, s.Sigmas[k])
}

// Up returns how much fresh noise step k adds.
func (s *Sampler) Up(k int) float64 { return s.solver.up(k) }

// Step moves latent from before step k to after it, given the model's picture
// denoised. noise is not read when Up(k) is 0. history has History() tensors,
// which the steps 0, 1, 2, ... of one picture read and write; what they hold
// before step 0 does not matter.
func (s *Sampler) Step(latent, denoised, noise []float32, history [][]float32, k int) {
	s.solver.step(latent, denoised, noise, history, k)
}
