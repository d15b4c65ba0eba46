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

func (p Prediction) check() error {
	switch p {
	case Epsilon, Velocity, Sample:
		return nil
	}
	return fmt.Errorf("prediction %q is not known: use %q, %q or %q", p, Epsilon, Velocity, Sample)
}

// denoised sets dst to the picture x0 that a prediction at noise level sigma
// stands for, for latent = x0 + sigma * noise; dst may be prediction.
//
//	epsilon: x0 = x - sigma eps
//	v:       x0 = x / (sigma^2 + 1) - v sigma / sqrt(sigma^2 + 1)
func (p Prediction) denoised(dst, latent, prediction []float32, sigma float64) {
	keep, take := float32(1), float32(-sigma)
	switch p {
	case Velocity:
		keep, take = float32(1/(sigma*sigma+1)), float32(-sigma/math.Sqrt(sigma*sigma+1))
	case Sample:
		keep, take = 0, 1
	}
	for i := range dst {
		dst[i] = keep*latent[i] + take*prediction[i]
	}
}
