package diffusion

import "math"

// DDIM is the deterministic sampler of Song et al. 2021 (eta = 0) for a model
// that predicts x0, as priors do. It has no state.
type DDIM struct {
	// Timesteps holds what the model is told at each step.
	Timesteps []float64
	// alphas holds abar before each step, and 1 after the last.
	alphas []float64
}

// NewDDIM returns the sampler of n steps. Fractional timesteps are truncated.
// A step ends at the next timestep that is visited, also where the spacing is
// uneven.
func NewDDIM(s *Schedule, spacing Spacing, n, offset int) (*DDIM, error) {
	timesteps, err := s.Timesteps(spacing, n, offset)
	if err != nil {
		return nil, err
	}
	d := &DDIM{Timesteps: timesteps}
	for i, t := range timesteps {
		timesteps[i] = math.Trunc(t)
		d.alphas = append(d.alphas, s.AlphasCumprod[int(t)])
	}
	d.alphas = append(d.alphas, 1)
	return d, nil
}

// Steps returns the number of steps.
func (d *DDIM) Steps() int { return len(d.Timesteps) }

// Step moves x from before step k to after it, given the model's x0.
//
//	eps = (x - sqrt(abar) x0) / sqrt(1 - abar)
//	x   = sqrt(abar') x0 + sqrt(1 - abar') eps
func (d *DDIM) Step(x, x0 []float32, k int) {
	a, next := d.alphas[k], d.alphas[k+1]
	ratio := math.Sqrt((1 - next) / (1 - a))
	keep := float32(ratio)
	take := float32(math.Sqrt(next) - math.Sqrt(a)*ratio)
	for i := range x {
		x[i] = keep*x[i] + take*x0[i]
	}
}
