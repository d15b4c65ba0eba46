// Package diffusion provides the arithmetic of sampling: noise schedules,
// timesteps, samplers, guidance and counter-based noise. All functions are
// pure; those on the path of a step write into slices of the caller.
package diffusion

import (
	"fmt"
	"math"
)

// Betas names how the noise of the forward process grows.
type Betas string

const (
	// Linear grows beta linearly (Ho et al. 2020).
	Linear Betas = "linear"
	// ScaledLinear grows sqrt(beta) linearly (Rombach et al. 2022).
	ScaledLinear Betas = "scaled_linear"
	// Cosine is the capped squared-cosine schedule (Nichol and Dhariwal 2021),
	// which has no start and end.
	Cosine Betas = "squaredcos_cap_v2"
)

// Schedule is a noise schedule over training steps 0..len-1.
type Schedule struct {
	// Betas holds beta_t, 0..1.
	Betas []float64
	// AlphasCumprod holds abar_t = prod_{s<=t} (1 - beta_s): how much of the
	// picture's variance is left at t.
	AlphasCumprod []float64
}

// NewSchedule returns the schedule of the given kind with n training steps,
// from beta start to end, both in (0, 1).
func NewSchedule(kind Betas, start, end float64, n int) (*Schedule, error) {
	if n < 1 {
		return nil, fmt.Errorf("train_steps must be positive, not %d", n)
	}
	if kind != Cosine && !(start > 0 && start <= end && end < 1) {
		return nil, fmt.Errorf("beta_start %g and beta_end %g must be in (0, 1), in this order", start, end)
	}
	s := &Schedule{Betas: make([]float64, n), AlphasCumprod: make([]float64, n)}
	abar := 1.0
	for t := range n {
		at := float64(t) / float64(max(n-1, 1))
		var beta float64
		switch kind {
		case Linear:
			beta = start + at*(end-start)
		case ScaledLinear:
			root := math.Sqrt(start) + at*(math.Sqrt(end)-math.Sqrt(start))
			beta = root * root
		case Cosine:
			beta = min(1-cosine(t+1, n)/cosine(t, n), 0.999)
		default:
			return nil, fmt.Errorf("beta_schedule %q is not known: use %q, %q or %q", kind, Linear, ScaledLinear, Cosine)
		}
		// Rounded as in the float32 tables that models are trained with: at low
		// noise 1 - abar shows the difference.
		beta = float64(float32(beta))
		abar = float64(float32(abar * float64(float32(1-beta))))
		s.Betas[t], s.AlphasCumprod[t] = beta, abar
	}
	return s, nil
}

// cosine is abar of the cosine schedule: cos^2((t/n + 0.008)/1.008 * pi/2).
func cosine(t, n int) float64 {
	c := math.Cos((float64(t)/float64(n) + 0.008) / 1.008 * math.Pi / 2)
	return c * c
}

// AddNoise sets dst to sqrt(abar_t) x0 + sqrt(1 - abar_t) noise. All have the
// same length; dst may be x0 or noise.
func (s *Schedule) AddNoise(dst, x0, noise []float32, t int) {
	a, b := float32(math.Sqrt(s.AlphasCumprod[t])), float32(math.Sqrt(1-s.AlphasCumprod[t]))
	for i := range dst {
		dst[i] = a*x0[i] + b*noise[i]
	}
}

// Sigma returns the noise level at t in the variance-exploding view,
// sqrt((1 - abar_t) / abar_t), between two training steps by interpolation.
func (s *Schedule) Sigma(t float64) float64 {
	sigma := func(i int) float64 { return math.Sqrt((1 - s.AlphasCumprod[i]) / s.AlphasCumprod[i]) }
	last := len(s.AlphasCumprod) - 1
	low := int(max(0, min(math.Floor(t), float64(last))))
	if low == last {
		return sigma(last)
	}
	at := max(0, t-float64(low))
	return sigma(low) + at*(sigma(low+1)-sigma(low))
}

// Spacing says which training steps a sampler visits; the words are those of
// diffusers, the discussion is Lin et al. 2024, table 2.
type Spacing string

const (
	// Trailing counts down from the last training step, which it includes.
	Trailing Spacing = "trailing"
	// Linspace includes the last and the first; steps may be fractional.
	Linspace Spacing = "linspace"
	// Leading counts up from the first, plus an offset.
	Leading Spacing = "leading"
)

// Timesteps returns the training steps that n sampling steps visit, from noise
// to picture. Only Leading uses offset.
func (s *Schedule) Timesteps(spacing Spacing, n, offset int) ([]float64, error) {
	train := len(s.AlphasCumprod)
	if n < 1 || n > train {
		return nil, fmt.Errorf("steps must be 1 to %d, not %d", train, n)
	}
	steps := make([]float64, n)
	for i := range steps {
		switch spacing {
		case Trailing:
			steps[i] = math.RoundToEven(float64(train)-float64(i)*(float64(train)/float64(n))) - 1
		case Linspace:
			steps[i] = float64(train-1) * float64(n-1-i) / float64(max(n-1, 1))
		case Leading:
			steps[i] = float64((n-1-i)*(train/n) + offset)
		default:
			return nil, fmt.Errorf("timestep_spacing %q is not known: use %q, %q or %q", spacing, Trailing, Linspace, Leading)
		}
		if steps[i] < 0 || steps[i] > float64(train-1) {
			return nil, fmt.Errorf("steps_offset %d leads outside the %d training steps", offset, train)
		}
	}
	return steps, nil
}
