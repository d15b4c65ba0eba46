package diffusion

import (
	"fmt"
	"math"
)

// Prediction says what a model predicts.
type Prediction string

const (
	// Epsilon is the noise.
	Epsilon Prediction = "epsilon"
	// Velocity is v = sqrt(abar) eps - sqrt(1 - abar) x0 (Salimans and Ho 2022).
	Velocity Prediction = "v_prediction"
	// Sample is the picture itself.
	Sample Prediction = "sample"
)

// EulerAncestral is the Euler sampler with ancestral noise (Karras et al. 2022
// in the form of k-diffusion) in the variance-exploding view: latent = x0 +
// sigma * noise. It has no state: the same value serves any number of
// pictures at once.
type EulerAncestral struct {
	// Timesteps holds what the model is told at each step.
	Timesteps []float64
	// Sigmas holds the noise level before each step, and 0 after the last.
	Sigmas []float64
	// Init is what unit noise is multiplied by to start from nothing.
	Init       float64
	prediction Prediction
}

// NewEulerAncestral returns the sampler of n steps.
func NewEulerAncestral(s *Schedule, spacing Spacing, n, offset int, prediction Prediction) (*EulerAncestral, error) {
	switch prediction {
	case Epsilon, Velocity, Sample:
	default:
		return nil, fmt.Errorf("prediction %q is not known: use %q, %q or %q", prediction, Epsilon, Velocity, Sample)
	}
	timesteps, err := s.Timesteps(spacing, n, offset)
	if err != nil {
		return nil, err
	}
	e := &EulerAncestral{Timesteps: timesteps, Sigmas: make([]float64, n+1), prediction: prediction}
	for i, t := range timesteps {
		e.Sigmas[i] = s.Sigma(t)
	}
	e.Init = e.Sigmas[0]
	if spacing == Leading {
		// Leading does not reach pure noise, so the picture's own unit variance
		// is part of the start.
		e.Init = math.Sqrt(e.Init*e.Init + 1)
	}
	return e, nil
}

// Steps returns the number of steps.
func (e *EulerAncestral) Steps() int { return len(e.Timesteps) }

// Start sets latent to the start of sampling from unit noise, which may be
// latent itself.
func (e *EulerAncestral) Start(latent, noise []float32) {
	init := float32(e.Init)
	for i := range latent {
		latent[i] = init * noise[i]
	}
}

// Noised sets dst to x0 at the noise level before step k: x0 + sigma_k noise;
// k = Steps() gives x0. It is where picture-to-picture starts, and what kept
// pixels are at each step.
func (e *EulerAncestral) Noised(dst, x0, noise []float32, k int) {
	sigma := float32(e.Sigmas[k])
	for i := range dst {
		dst[i] = x0[i] + sigma*noise[i]
	}
}

// Input sets dst to what the model sees before step k: latent / sqrt(sigma^2 +
// 1), of unit variance.
func (e *EulerAncestral) Input(dst, latent []float32, k int) {
	scale := float32(1 / math.Sqrt(e.Sigmas[k]*e.Sigmas[k]+1))
	for i := range dst {
		dst[i] = latent[i] * scale
	}
}

// Denoised sets dst to the picture x0 that the model's prediction before step k
// stands for; dst may be prediction.
//
//	epsilon: x0 = x - sigma eps
//	v:       x0 = x / (sigma^2 + 1) - v sigma / sqrt(sigma^2 + 1)
func (e *EulerAncestral) Denoised(dst, latent, prediction []float32, k int) {
	sigma := e.Sigmas[k]
	keep, take := float32(1), float32(-sigma)
	switch e.prediction {
	case Velocity:
		keep, take = float32(1/(sigma*sigma+1)), float32(-sigma/math.Sqrt(sigma*sigma+1))
	case Sample:
		keep, take = 0, 1
	}
	for i := range dst {
		dst[i] = keep*latent[i] + take*prediction[i]
	}
}

// Up returns how much fresh noise step k adds; 0 at the last step.
//
//	up = sqrt(next^2 (sigma^2 - next^2) / sigma^2)
func (e *EulerAncestral) Up(k int) float64 {
	sigma, next := e.Sigmas[k], e.Sigmas[k+1]
	return math.Sqrt(next * next * (sigma*sigma - next*next) / (sigma * sigma))
}

// Step moves latent from before step k to after it, towards denoised, and adds
// noise, which is not read when Up(k) is 0.
//
//	down = sqrt(next^2 - up^2), x += (x - x0) / sigma (down - sigma) + up noise
func (e *EulerAncestral) Step(latent, denoised, noise []float32, k int) {
	sigma, next, up := e.Sigmas[k], e.Sigmas[k+1], e.Up(k)
	down := math.Sqrt(max(next*next-up*up, 0))
	ratio := float32((down - sigma) / sigma)
	for i := range latent {
		latent[i] += (latent[i] - denoised[i]) * ratio
	}
	if up == 0 {
		return
	}
	scale := float32(up)
	for i := range latent {
		latent[i] += scale * noise[i]
	}
}
