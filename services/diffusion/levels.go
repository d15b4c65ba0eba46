package diffusion

import (
	"math"
	"slices"
)

// rho is how Karras et al. 2022 bend the noise levels towards the picture.
const rho = 7

// levels returns the training steps that a model is told at n steps and the
// noise levels before each of them.
func (s *Schedule) levels(o Settings) (timesteps, sigmas []float64, err error) {
	n := o.Steps
	if o.Method.multistep() && o.Spacing != Trailing {
		// These methods leave out the end of one step more, as in diffusers.
		n++
	}
	timesteps, err = s.Timesteps(o.Spacing, n, o.Offset)
	if err != nil {
		return nil, nil, err
	}
	timesteps = timesteps[:o.Steps]
	if o.Method.preserving() {
		for i, t := range timesteps {
			timesteps[i] = math.RoundToEven(t)
		}
	}
	sigmas = make([]float64, len(timesteps))
	for i, t := range timesteps {
		sigmas[i] = s.Sigma(t)
	}
	if !o.Karras {
		return timesteps, sigmas, nil
	}
	first, last := sigmas[0], sigmas[len(sigmas)-1]
	if o.Method.multistep() {
		first, last = s.Sigma(float64(len(s.AlphasCumprod)-1)), s.Sigma(0)
	}
	karras(sigmas, first, last)
	for i, sigma := range sigmas {
		timesteps[i] = s.timestep(sigma)
		if o.Method.multistep() {
			timesteps[i] = math.RoundToEven(timesteps[i])
		}
	}
	return timesteps, sigmas, nil
}

// karras sets sigmas to the noise levels of Karras et al. 2022, equation 5:
//
//	sigma_i = (first^(1/rho) + i/(n-1) (last^(1/rho) - first^(1/rho)))^rho
func karras(sigmas []float64, first, last float64) {
	high, low := math.Pow(first, 1./rho), math.Pow(last, 1./rho)
	for i := range sigmas {
		at := float64(i) / float64(max(len(sigmas)-1, 1))
		sigmas[i] = math.Pow(high+at*(low-high), rho)
	}
}

// timestep is the inverse of Sigma with the logarithm of the noise level taken
// as linear between two training steps.
func (s *Schedule) timestep(sigma float64) float64 {
	log := func(i int) float64 { return math.Log(s.Sigma(float64(i))) }
	last := len(s.AlphasCumprod) - 1
	if last == 0 {
		return 0
	}
	above, _ := slices.BinarySearchFunc(s.AlphasCumprod, sigma, func(abar, sigma float64) int {
		if math.Sqrt((1-abar)/abar) <= sigma {
			return -1
		}
		return 1
	})
	low := min(max(above-1, 0), last-1)
	at := (math.Log(sigma) - log(low)) / (log(low+1) - log(low))
	return float64(low) + min(max(at, 0), 1)
}
